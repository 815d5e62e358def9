//! Streams over the time since load began: what they carried by interval, what the kernel knew of each.

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use super::cloud::cloud;
use super::latency_end;
use crate::analysis::{Distribution, ms};
use crate::bulk::{BulkRun, Interval, TcpInfo, Way};
use crate::report::html::chart::{
    BOTTOM, LEFT, Scale, TOP, axis_below, axis_left, coordinate, plot,
};
use crate::report::html::number::{bit_rate, plain};

/// Steps that a line has at most; of more intervals, several are taken together.
const STEPS_MAX: usize = 240;
/// What is seen above the highest value, as a share of it.
const HEADROOM: f64 = 1.05;
const TIME: &str = "since load began, s";
const KIB: f64 = 1024.0;

/// Goodput each way by interval, with the warm-up shaded and a tick where a stream was added; `None`
/// where nothing was carried. Beside it, the unit.
pub(in crate::report::html) fn goodput(run: &BulkRun) -> Option<(Markup, &'static str)> {
    let together = run.intervals.len().div_ceil(STEPS_MAX).max(1);
    let steps: Vec<Step> = run.intervals.chunks(together).map(|it| Step::of(run, it)).collect();
    let lines = [(Way::Down, "down", 1), (Way::Up, "up", 2)];
    let lines = lines.into_iter().filter(|(way, ..)| run.ways.contains(way));
    let most = steps.iter().map(|it| it.down_bps.max(it.up_bps)).fold(0.0, f64::max);
    let end = steps.last().filter(|_| most > 0.0)?.to_s;
    let (unit_bps, unit) = rate_unit(most);
    let (x, y) = (Scale::horizontal(0.0, end), Scale::vertical(0.0, most / unit_bps * HEADROOM));
    let warm_up = x.at(since_load(run, run.counted_at)) - LEFT;
    let added: Vec<f64> = run
        .streams
        .iter()
        .map(|it| x.at(since_load(run, it.began_at)))
        .filter(|at| *at > LEFT + 1.0)
        .collect();
    let content = html! {
        rect.left-out x=(LEFT) width=(coordinate(warm_up)) y=(TOP) height=(BOTTOM - TOP) {}
        (axis_left(&y))
        (axis_below(&x, TIME))
        path.beyond d=(marks(&added)) {}
        @for (way, name, class) in lines {
            path class={ "curve run" (class) } d=(line(&steps, way, unit_bps, &x, &y)) {
                title { (name) }
            }
        }
    };
    let said = format!("Up to {} in an interval.", bit_rate(Some(most)));
    Some((plot(&format!("Goodput over time, {unit}"), &said, &content), unit))
}

/// Round trips by the kernel, ms: of what is sent for uploads, the receiver's estimate for downloads.
/// `None` where the kernel knows none.
pub(in crate::report::html) fn round_trips(run: &BulkRun) -> Option<Markup> {
    let seen = |way: Way, info: &TcpInfo| match way {
        Way::Up => Some(info.rtt),
        Way::Down => info.receiver_rtt,
    };
    let times: Vec<(f64, Duration)> =
        looks(run).filter_map(|(at, way, info)| Some((at, seen(way, info)?))).collect();
    let all = Distribution::new(times.iter().map(|(_, time)| *time).collect());
    let (end_ms, beyond) = latency_end(&all);
    let values: Vec<(f64, f64)> = times.iter().map(|(at, time)| (*at, ms(*time))).collect();
    let said = format!(
        "Up to {} ms, half of them within {} ms; {beyond} beyond the axis.",
        plain(all.max().map_or(0.0, ms)),
        plain(all.percentile(50.0).map_or(0.0, ms))
    );
    scattered("Round trips of the streams by the kernel", &said, &values, end_ms)
}

/// Congestion windows of uploads, KiB; `None` where this side sent no load.
pub(in crate::report::html) fn windows(run: &BulkRun) -> Option<Markup> {
    let kib = |info: &TcpInfo| f64::from(info.cwnd) * f64::from(info.mss) / KIB;
    let values: Vec<(f64, f64)> = looks(run)
        .filter(|(_, way, _)| *way == Way::Up)
        .map(|(at, _, info)| (at, kib(info)))
        .collect();
    let most = values.iter().map(|(_, kib)| *kib).fold(0.0, f64::max);
    let said = format!("Up to {} KiB.", plain(most));
    scattered("Congestion windows of the streams", &said, &values, most)
}

/// Segments sent again by all uploads together, in all; `None` where there were none.
pub(in crate::report::html) fn repeats(run: &BulkRun) -> Option<Markup> {
    let mut repeats: Vec<(f64, u32)> = Vec::new();
    for stream in run.streams.iter().filter(|it| it.way == Way::Up) {
        let mut before = 0;
        for look in &stream.looks {
            let more = look.info.retransmits.saturating_sub(before);
            before = look.info.retransmits.max(before);
            if more > 0 {
                repeats.push((since_load(run, look.at), more));
            }
        }
    }
    repeats.sort_by(|one, other| one.0.total_cmp(&other.0));
    let total: f64 = repeats.iter().map(|(_, more)| f64::from(*more)).sum();
    let end = since_load(run, run.ended_at).max(repeats.last()?.0);
    let (x, y) = (Scale::horizontal(0.0, end), Scale::vertical(0.0, total * HEADROOM));
    // One step for each position that can be told apart.
    let mut path = format!("M{LEFT} {BOTTOM}");
    let (mut sum, mut at) = (0.0, LEFT);
    for (time, more) in repeats {
        sum += f64::from(more);
        let here = x.at(time);
        if here - at >= 1.0 || sum >= total {
            // Writing to a string cannot fail.
            let _ = write!(path, "H{}V{}", coordinate(here), coordinate(y.at(sum)));
            at = here;
        }
    }
    let _ = write!(path, "H{}", coordinate(x.at(end)));
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, TIME))
        path.curve d=(path) {}
    };
    let said = format!("{total:.0} in all.");
    Some(plot("Segments sent again, in all", &said, &content))
}

/// Values of some intervals together.
struct Step {
    from_s: f64,
    to_s: f64,
    down_bps: f64,
    up_bps: f64,
}

impl Step {
    fn of(run: &BulkRun, intervals: &[Interval]) -> Self {
        let time: Duration = intervals.iter().map(|it| it.length).sum();
        let ends_at = intervals.last().map_or(run.loaded_at, |it| it.ends_at);
        let bps = |bytes: fn(&Interval) -> u64| {
            let bytes: u64 = intervals.iter().map(bytes).sum();
            if time.is_zero() { 0.0 } else { bytes as f64 * 8.0 / time.as_secs_f64() }
        };
        Self {
            from_s: since_load(run, ends_at.saturating_sub(time)),
            to_s: since_load(run, ends_at),
            down_bps: bps(|it| it.down_bytes),
            up_bps: bps(|it| it.up_bytes),
        }
    }
}

fn line(steps: &[Step], way: Way, unit_bps: f64, x: &Scale, y: &Scale) -> String {
    steps.iter().enumerate().fold(String::new(), |mut path, (index, step)| {
        let bps = match way {
            Way::Down => step.down_bps,
            Way::Up => step.up_bps,
        };
        let (from, to) = (coordinate(x.at(step.from_s)), coordinate(x.at(step.to_s)));
        let height = coordinate(y.at(bps / unit_bps));
        // Writing to a string cannot fail.
        let _ = match index {
            0 => write!(path, "M{from} {height}H{to}"),
            _ => write!(path, "V{height}H{to}"),
        };
        path
    })
}

/// A tick above the data at each position.
fn marks(positions: &[f64]) -> String {
    positions.iter().fold(String::new(), |mut path, x| {
        let _ = write!(path, "M{} {}V{}", coordinate(*x), TOP - 12.0, TOP - 2.0);
        path
    })
}

/// A dot for each value over time, or bands where they are many.
fn scattered(label: &str, said: &str, values: &[(f64, f64)], end: f64) -> Option<Markup> {
    let last = values.iter().map(|(at, _)| *at).reduce(f64::max)?;
    let (x, y) = (Scale::horizontal(0.0, last), Scale::vertical(0.0, end * HEADROOM));
    let points: Vec<(f64, f64)> = values.iter().map(|(at, value)| (x.at(*at), *value)).collect();
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, TIME))
        (cloud(&points, &y))
    };
    Some(plot(label, said, &content))
}

/// Every look at every stream: seconds since load began, which way it went, what was seen.
fn looks(run: &BulkRun) -> impl Iterator<Item = (f64, Way, &TcpInfo)> {
    run.streams.iter().flat_map(move |stream| {
        stream.looks.iter().map(move |look| (since_load(run, look.at), stream.way, &look.info))
    })
}

fn since_load(run: &BulkRun, at: Duration) -> f64 {
    at.saturating_sub(run.loaded_at).as_secs_f64()
}

/// The unit that `bps` is best told in.
fn rate_unit(bps: f64) -> (f64, &'static str) {
    match bps {
        1e9.. => (1e9, "Gbit/s"),
        1e6.. => (1e6, "Mbit/s"),
        1e3.. => (1e3, "kbit/s"),
        _ => (1.0, "bit/s"),
    }
}
