//! Values over the time of sending: a dot for each while they are few, else a band from the lowest to
//! the highest of each column with a line at its median. Nothing is drawn between two values: what
//! was not measured stays a gap.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use super::latency_end;
use crate::analysis::{Distribution, ms};
use crate::report::Series;
use crate::report::html::chart::{
    LEFT, RIGHT, Scale, TOP, axis_below, axis_left, coordinate, plot,
};
use crate::report::html::number::plain;
use crate::sample::Sample;

/// Values that are drawn as dots; more are drawn as bands.
pub(in crate::report::html) const DOTS_MAX: usize = 4_000;
/// Dots stand on a grid of this many units: no more can be told apart.
const DOT_GRID: f64 = 1.5;
/// Columns of the bands.
const COLUMNS: usize = 240;
/// Steps beyond this percentile of all stand at the edge of their plot.
const STEPS_END_PERCENT: f64 = 99.5;
/// Of fewer steps that percentile does not leave out the two that one outlier makes, which would flatten all
/// others: the plot ends at so many times what most of them are.
const STEPS_FEW: usize = 400;
const STEPS_MOST_PERCENT: f64 = 80.0;
const STEPS_END_MOSTS: f64 = 6.0;

/// A value at a position of the time axis.
type Point = (f64, f64);

/// Latency of each answer at the time when its probe was sent; losses as ticks above, answers that
/// are slower than the axis at its end.
pub(in crate::report::html) fn over_time(samples: &[&Sample], latency: &Distribution) -> Markup {
    let x = time_axis(samples.iter().map(|sample| sample.sent_at));
    let (end_ms, slower) = latency_end(latency);
    let y = Scale::vertical(0.0, if end_ms > 0.0 { end_ms * 1.05 } else { 1.0 });
    let start = start(samples.iter().map(|sample| sample.sent_at));
    let at = |sample: &Sample| x.at(sample.sent_at.saturating_sub(start).as_secs_f64());
    let answers = samples.iter().filter_map(|it| Some((at(it), ms(it.latency()?))));
    let (inside, beyond): (Vec<Point>, Vec<Point>) =
        answers.partition(|(_, latency)| slower == 0 || *latency <= end_ms);
    let median = latency.percentile(50.0).map(|median| y.at(ms(median)));
    let lost: Vec<f64> = samples.iter().filter(|it| it.is_lost()).map(|it| at(it)).collect();
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "sent after, s"))
        (cloud(&inside, &y))
        @if let Some(median) = median {
            line.mark x1=(LEFT) x2=(RIGHT) y1=(coordinate(median)) y2=(coordinate(median)) {}
        }
        path.beyond d=(ticks(beyond.iter().map(|(x, _)| *x), TOP - 4.0, TOP + 4.0)) {}
        path.lost d=(ticks(lost.iter().copied(), 2.0, TOP - 8.0)) {}
    };
    let range = latency.min().zip(latency.percentile(50.0)).zip(latency.max());
    let said = range.map_or("No answer.".to_owned(), |((min, median), max)| {
        let (min, median, max) = (plain(ms(min)), plain(ms(median)), plain(ms(max)));
        format!("{min} to {max} ms, half of them within {median} ms; {} lost.", lost.len())
    });
    plot("Latency of each answer over the time of sending", &said, &content)
}

/// The step of latency from each answer to the next in sequence, of every client.
/// Returns the drawing, how many stand at its edge, and how many there are.
pub(in crate::report::html) fn steps(clients: &[Series]) -> Option<(Markup, usize, usize)> {
    let adjacent = |pair: &[Sample]| {
        let [before, after] = pair else { return None };
        let step = ms(after.latency()?) - ms(before.latency()?);
        (after.seq == before.seq + 1).then_some((after.sent_at, step))
    };
    let steps: Vec<(Duration, f64)> =
        clients.iter().flat_map(|series| series.samples.windows(2).filter_map(adjacent)).collect();
    let mut sizes: Vec<f64> = steps.iter().map(|(_, step)| step.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let at = |percent: f64| {
        let rank = (sizes.len() as f64 * percent / 100.0).ceil() as usize;
        sizes.get(rank.saturating_sub(1)).copied()
    };
    let most = at(STEPS_MOST_PERCENT).filter(|most| *most > 0.0 && sizes.len() < STEPS_FEW);
    let end = at(STEPS_END_PERCENT)?.min(most.map_or(f64::INFINITY, |it| it * STEPS_END_MOSTS));
    let within = sizes.partition_point(|size| *size <= end);
    let all = || clients.iter().flat_map(|series| &series.samples).map(|sample| sample.sent_at);
    let (x, start) = (time_axis(all()), start(all()));
    let y = Scale::vertical(-end * 1.05, end * 1.05);
    let points: Vec<Point> = steps
        .iter()
        .map(|(sent_at, step)| (x.at(sent_at.saturating_sub(start).as_secs_f64()), *step))
        .collect();
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "sent after, s"))
        (cloud(&points, &y))
    };
    let said = format!("{within} of {} steps are within {} ms.", points.len(), plain(end));
    let drawing = plot("Step of latency from one answer to the next", &said, &content);
    Some((drawing, points.len() - within, points.len()))
}

/// Values at positions of the time axis.
pub(super) fn cloud(points: &[Point], y: &Scale) -> Markup {
    if points.len() <= DOTS_MAX {
        return html! { path.dots d=(dots(points, y)) {} };
    }
    let (band, median) = bands(points, y);
    html! {
        path.band d=(band) {}
        path.curve d=(median) {}
    }
}

/// A dot for each value; those that fall on the same spot are drawn once.
fn dots(points: &[Point], y: &Scale) -> String {
    let spot = |position: f64| (position / DOT_GRID).round() as u32;
    let spots: BTreeSet<(u32, u32)> =
        points.iter().map(|(x, value)| (spot(*x), spot(y.at(*value)))).collect();
    spots.iter().fold(String::new(), |mut path, (x, y)| {
        let (x, y) = (f64::from(*x) * DOT_GRID, f64::from(*y) * DOT_GRID);
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x} {y}h0");
        path
    })
}

/// For each column a box from its lowest to its highest value, and a line at its median.
fn bands(points: &[Point], y: &Scale) -> (String, String) {
    let width = (RIGHT - LEFT) / COLUMNS as f64;
    let mut columns = vec![Vec::new(); COLUMNS];
    for (x, value) in points {
        let column = ((x - LEFT) / width) as usize;
        columns[column.min(COLUMNS - 1)].push(*value);
    }
    let (mut band, mut medians) = (String::new(), String::new());
    for (column, values) in columns.iter_mut().enumerate() {
        values.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (values.first(), values.last()) else { continue };
        let left = coordinate(LEFT + column as f64 * width);
        let (top, bottom) = (y.at(*high), y.at(*low));
        let (width, height) = (coordinate(width), coordinate((bottom - top).max(1.0)));
        let _ = write!(band, "M{left} {}h{width}v{height}h-{width}z", coordinate(top));
        let median = coordinate(y.at(values[values.len() / 2]));
        let _ = write!(medians, "M{left} {median}h{width}");
    }
    (band, medians)
}

/// A tick at each position; those that fall on the same spot are drawn once.
fn ticks(positions: impl Iterator<Item = f64>, top: f64, bottom: f64) -> String {
    let spots: BTreeSet<u32> = positions.map(|position| position as u32).collect();
    spots.iter().fold(String::new(), |mut path, x| {
        let _ = write!(path, "M{x} {top}V{bottom}");
        path
    })
}

fn start(times: impl Iterator<Item = Duration>) -> Duration {
    times.min().unwrap_or_default()
}

/// From the first time to the last, as seconds from zero.
fn time_axis(times: impl Iterator<Item = Duration> + Clone) -> Scale {
    let length = times.clone().max().unwrap_or_default().saturating_sub(start(times));
    Scale::horizontal(0.0, length.as_secs_f64())
}
