//! The round trip over time: the mean of each column as a line that breaks where nothing came back,
//! its fastest and slowest as dots.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use super::standing::{Standing, Timed};
use super::{Tint, shape, stopwatch};
use crate::output::unit;

/// Dots that a column of the screen has side by side.
const DOTS_PER_COLUMN: u16 = 2;
/// Room that the labels of the axis take, about.
const LABELS_WIDTH: u16 = 8;
/// One slow answer must not squeeze all others: the axis ends at so many times the 95th percentile,
/// and what is slower stands at its end.
const AXIS_P95S: f64 = 3.0;

type Point = (f64, f64);

pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    standing: &Standing,
    window: Duration,
    tint: Tint,
) {
    let columns = area.width.saturating_sub(LABELS_WIDTH + 2).max(1) * DOTS_PER_COLUMN;
    let timed: Vec<Timed> = standing.timed.columns(columns, window).collect();
    let highest = highest(standing);
    let seconds = window.as_secs_f64();
    let place = |index: usize, time: Duration| {
        let x = (index as f64 + 0.5) / f64::from(columns) * seconds;
        (x, ms(time).min(highest))
    };
    let dots = |pick: fn(&Timed) -> Option<Duration>| -> Vec<Point> {
        let each = timed.iter().enumerate();
        each.filter_map(|(index, it)| Some(place(index, pick(it)?))).collect()
    };
    let (fastest, slowest) = (dots(|it| it.latency.least()), dots(|it| it.latency.most()));
    let means: Vec<Option<Point>> = timed
        .iter()
        .enumerate()
        .map(|(index, it)| Some(place(index, it.latency.mean()?)))
        .collect();
    let longest_gap = longest_gap(standing, window, columns);
    let lines = unbroken(&means, longest_gap);
    let dataset = |points, style: Style, kind| {
        Dataset::default().data(points).style(style).graph_type(kind).marker(Marker::Braille)
    };
    let mut datasets = vec![
        dataset(&fastest, tint.frame(), GraphType::Scatter),
        dataset(&slowest, tint.warning(), GraphType::Scatter),
    ];
    let means = lines.iter().map(|line| dataset(line, tint.accent(), GraphType::Line));
    datasets.extend(means);
    let inner = shape::framed(frame, area, heading(standing, area.width, tint), tint);
    let chart = Chart::new(datasets)
        .legend_position(None)
        .x_axis(axis(tint, seconds, [0.0, 0.5, 1.0].map(|part| stopwatch(window.mul_f64(part)))))
        .y_axis(axis(tint, highest, [0.0, 0.5, 1.0].map(|part| label(highest * part))));
    frame.render_widget(chart, inner);
}

fn axis(tint: Tint, end: f64, labels: [String; 3]) -> Axis<'static> {
    Axis::default().style(tint.faint()).bounds([0.0, end]).labels(labels)
}

/// The figures that there is room for, those that are told elsewhere or least left out first.
fn heading(standing: &Standing, width: u16, tint: Tint) -> Line<'static> {
    const NAME: &str = " round trip, ms ";
    const SPARED: [&str; 5] = ["p99", "min", "max", "p95", "last"];
    let latency = standing.all().latency;
    let shown = |time: Option<Duration>| time.map_or(unit::NONE.to_owned(), |time| label(ms(time)));
    let mut figures = vec![
        ("last", shown(standing.counters.last_latency)),
        ("min", shown(latency.least())),
        ("p50", shown(standing.percentile(50.0))),
        ("p95", shown(standing.percentile(95.0))),
        ("p99", shown(standing.percentile(99.0))),
        ("max", shown(latency.most())),
    ];
    let room = usize::from(width).saturating_sub(NAME.len() + 3);
    let mut spared = SPARED.iter();
    while figures.iter().map(|(name, it)| name.len() + it.chars().count() + 2).sum::<usize>() > room
        && let Some(spare) = spared.next()
    {
        figures.retain(|(name, _)| name != spare);
    }
    let mut spans = vec![Span::styled(NAME, tint.accent())];
    for (name, figure) in figures {
        spans.push(Span::styled(format!(" {name} "), tint.faint()));
        spans.push(Span::styled(figure, tint.strong()));
    }
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// Where the axis of latency ends, ms.
fn highest(standing: &Standing) -> f64 {
    let p95 = standing.percentile(95.0).map_or(0.0, ms);
    let most = standing.all().latency.most().map_or(0.0, ms);
    shape::round_up(most.min(p95 * AXIS_P95S))
}

/// Columns without an answer that are no gap: where probes are rarer than columns.
fn longest_gap(standing: &Standing, window: Duration, columns: u16) -> usize {
    let rate = standing.counters.sent as f64 / standing.elapsed.as_secs_f64().max(1e-3);
    let columns_per_probe = f64::from(columns) / window.as_secs_f64().max(1e-3) / rate.max(1e-9);
    (columns_per_probe * 2.0).ceil() as usize
}

/// The points in lines, each of them without a gap longer than `longest`.
fn unbroken(points: &[Option<Point>], longest: usize) -> Vec<Vec<Point>> {
    let (mut lines, mut gap) = (Vec::<Vec<Point>>::new(), usize::MAX);
    for point in points {
        match point {
            None => gap = gap.saturating_add(1),
            Some(point) => {
                match lines.last_mut().filter(|_| gap <= longest) {
                    Some(line) => line.push(*point),
                    None => lines.push(vec![*point]),
                }
                gap = 0;
            }
        }
    }
    lines
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Three digits that matter.
fn label(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_nothing_came_back_and_only_there() {
        let at = |x: u8| Some((f64::from(x), 1.0));
        let points = [at(0), None, at(2), None, None, None, at(6), at(7)];
        let lengths: Vec<_> = unbroken(&points, 2).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2]);
        assert_eq!(unbroken(&points, 3).len(), 1);
        assert!(unbroken(&[None, None], 0).is_empty());
    }
}
