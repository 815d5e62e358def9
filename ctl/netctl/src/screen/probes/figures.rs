//! What stands below the curve: losses along the test, jitter, rate, lateness.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use selat_qos::session::Load;

use super::standing::{Counted, Standing, Timed};
use super::{Tint, shape};
use crate::output::unit;

/// The share that was lost, a cell for each part of the test.
pub(super) fn losses(
    frame: &mut Frame<'_>,
    area: Rect,
    standing: &Standing,
    window: Duration,
    tint: Tint,
) {
    if area.is_empty() {
        return;
    }
    let counters = standing.counters;
    let percent = counters.lost_so_far as f64 * 100.0 / counters.sent.max(1) as f64;
    let title = shape::fitting("loss", &[unit::percent(percent)], area.width, tint);
    let inner = shape::framed(frame, area, title, tint);
    let columns = standing.counted.columns(inner.width, window);
    let past = past(inner.width, standing.elapsed, window);
    let shares: Vec<_> = columns
        .enumerate()
        .map(|(index, counted)| share(counted).or((index < past).then_some(0.0)))
        .collect();
    frame.render_widget(Paragraph::new(shape::strip(&shares, tint)), inner);
}

/// Lost of those sent; losses that were noticed while nothing was sent are whole.
fn share(counted: Counted) -> Option<f64> {
    let lost = counted.lost.max(0) as f64;
    match counted.sent {
        0 => (lost > 0.0).then_some(1.0),
        sent => Some((lost / sent as f64).min(1.0)),
    }
}

/// Columns that lie in the past.
fn past(width: u16, elapsed: Duration, window: Duration) -> usize {
    let share = elapsed.as_secs_f64() / window.as_secs_f64().max(1e-9);
    (share * f64::from(width)) as usize
}

/// Jitter, rate and lateness beside each other; beside load, jitter and what that carries.
pub(super) fn row(
    frame: &mut Frame<'_>,
    area: Rect,
    standing: &Standing,
    window: Duration,
    tint: Tint,
) {
    if area.is_empty() {
        return;
    }
    if let Some(load) = &standing.counters.load {
        return beside_load(frame, area, standing, load, (window, tint));
    }
    let [left, middle, right] = Layout::horizontal([Constraint::Fill(1); 3]).areas(area);
    let mean = |pick: fn(&Timed) -> Option<Duration>| {
        move |timed: Timed| pick(&timed).map(|time| time.as_secs_f64())
    };
    let all = standing.all();
    let time = |time: Option<Duration>| time.map_or(unit::NONE.to_owned(), unit::ms);
    let timed = |pick: &dyn Fn(Timed) -> Option<f64>, width: u16| -> Vec<Option<f64>> {
        standing.timed.columns(width, window).map(pick).collect()
    };
    let jitter = timed(&mean(|it| it.step.mean()), inner_width(left));
    let late = timed(&mean(|it| it.late.most()), inner_width(right));
    let column = window.as_secs_f64() / f64::from(inner_width(middle).max(1));
    let rates = standing.counted.columns(inner_width(middle), window);
    let rates: Vec<_> =
        rates.map(|counted| (counted.sent > 0).then(|| counted.received as f64 / column)).collect();
    framed(frame, left, ("jitter", &[time(all.step.mean())]), &jitter, tint.accent(), tint);
    framed(frame, middle, ("answers", &rate(standing)), &rates, tint.good(), tint);
    framed(frame, right, ("late", &[worst(all.late.most())]), &late, tint.warning(), tint);
}

fn framed(
    frame: &mut Frame<'_>,
    area: Rect,
    (name, figures): (&str, &[String]),
    values: &[Option<f64>],
    style: Style,
    tint: Tint,
) {
    let inner = shape::framed(frame, area, shape::fitting(name, figures, area.width, tint), tint);
    shape::sparkline(frame, inner, values, shape::largest(values), style);
}

fn inner_width(area: Rect) -> u16 {
    area.width.saturating_sub(2)
}

/// Jitter of the probes, and the goodput of the load each way.
fn beside_load(
    frame: &mut Frame<'_>,
    area: Rect,
    standing: &Standing,
    load: &Load,
    (window, tint): (Duration, Tint),
) {
    type Way = (&'static str, fn(&Counted) -> u64);
    let down: Way = ("down", |it| it.down_bytes);
    let up: Way = ("up", |it| it.up_bytes);
    let ways = [load.down_bytes.map(|_| down), load.up_bytes.map(|_| up)];
    let ways: Vec<Way> = ways.into_iter().flatten().collect();
    let areas = Layout::horizontal(vec![Constraint::Fill(1); ways.len() + 1]).split(area);
    let mut areas = areas.iter().copied();
    if let Some(area) = areas.next() {
        let jitter = standing.timed.columns(inner_width(area), window);
        let jitter: Vec<_> =
            jitter.map(|it| it.step.mean().map(|time| time.as_secs_f64())).collect();
        let figure = standing.all().step.mean().map_or(unit::NONE.to_owned(), unit::ms);
        framed(frame, area, ("jitter", &[figure]), &jitter, tint.accent(), tint);
    }
    for (area, (name, bytes)) in areas.zip(ways) {
        let past = past(inner_width(area), standing.elapsed, window);
        let carried = standing.counted.columns(inner_width(area), window).enumerate();
        let carried: Vec<_> =
            carried.map(|(at, it)| (at < past).then(|| bytes(&it) as f64)).collect();
        let figure = unit::bit_rate(standing.now_bps(bytes));
        framed(frame, area, (name, &[figure]), &carried, tint.good(), tint);
    }
}

/// `50/s` and `68.8 kbit/s`.
fn rate(standing: &Standing) -> [String; 2] {
    let (counters, all) = (standing.counters, standing.all());
    let seconds = standing.elapsed.as_secs_f64().max(1e-3);
    let per_s = counters.received as f64 / seconds;
    // Of answers that were too many to be seen one by one, as of those that were.
    let seen: u64 = standing.clients.values().map(|tally| tally.answered).sum();
    let bytes = all.bytes as f64 / seen.max(1) as f64;
    [format!("{per_s:.0}/s"), unit::bit_rate(per_s * bytes * 8.0)]
}

fn worst(late: Option<Duration>) -> String {
    late.map_or(unit::NONE.to_owned(), |late| format!("≤ {}", unit::ms(late)))
}

/// The figures as words, where there is no room to draw.
pub(super) fn words(standing: &Standing) -> Line<'static> {
    let figure = |percent| standing.percentile(percent).map_or(unit::NONE.to_owned(), unit::ms);
    Line::raw(format!(" p50 {}, p95 {}", figure(50.0), figure(95.0)))
}
