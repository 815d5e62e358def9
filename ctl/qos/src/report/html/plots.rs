//! The plots of one measurement. Each returns the drawing only; the page adds title and caption.
//! However many samples there are, a drawing stays within a few thousand points.

mod boxes;
mod cloud;
mod losses;
mod overlay;
mod shares;
mod streams;

pub(super) use self::boxes::{BOXES, boxes};
pub(super) use self::cloud::{DOTS_MAX, over_time, steps};
pub(super) use self::losses::{loss_strip, strip_times, worst_runs};
pub(super) use self::overlay::{Curve, OVERLAID_MAX, overlay};
pub(super) use self::shares::{beyond_histogram, cumulative, histogram};
pub(super) use self::streams::{goodput, repeats, round_trips, windows};
use super::number::count;
use crate::analysis::{Distribution, ms};

/// One slow answer must not squeeze all others: where the slowest took more than so many times the
/// 99th percentile, an axis ends at [`AXIS_P99S`] times that.
const OUTLIER_P99S: f64 = 4.0;
const AXIS_P99S: f64 = 1.5;

/// Where an axis of latency ends, ms, and how many answers took longer.
pub(super) fn latency_end(latency: &Distribution) -> (f64, usize) {
    let most = latency.max().map_or(0.0, ms);
    let p99 = latency.percentile(99.0).map_or(0.0, ms);
    if p99 <= 0.0 || most <= p99 * OUTLIER_P99S {
        return (most, 0);
    }
    let end = p99 * AXIS_P99S;
    let sorted = latency.sorted();
    (end, sorted.len() - sorted.partition_point(|time| ms(*time) <= end))
}

/// What is to be said of a curve of shares that its axis cuts off; nothing where it is whole.
pub(super) fn cut_off(latency: &Distribution) -> String {
    match latency_end(latency).1 as u64 {
        0 => String::new(),
        slower => format!(
            " The curve stops where the axis ends: {} of {} were slower.",
            count(slower),
            count(latency.sorted().len() as u64)
        ),
    }
}
