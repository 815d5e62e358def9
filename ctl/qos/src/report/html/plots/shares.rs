//! How latencies are distributed: a histogram, and the share of answers within a time.

use std::fmt::Write;

use maud::{Markup, html};

use super::latency_end;
use crate::analysis::{Distribution, ms};
use crate::report::html::chart::{
    BOTTOM, LEFT, RIGHT, Scale, axis_below, axis_left, coordinate, plot,
};
use crate::report::html::number::plain;

/// Bars of the histogram.
const BINS: usize = 40;
/// The histogram ends at this percentile: one slow answer must not squeeze all others.
const HISTOGRAM_END_PERCENT: f64 = 99.0;
/// Points of the distribution curve.
const CURVE_POINTS: u32 = 200;

/// How many answers took how long, up to [`HISTOGRAM_END_PERCENT`].
pub(in crate::report::html) fn histogram(latency: &Distribution) -> Option<Markup> {
    let low = ms(latency.min()?);
    let high = ms(latency.percentile(HISTOGRAM_END_PERCENT)?);
    let x = Scale::horizontal(low, high);
    let mut bins = vec![0_u64; BINS];
    let bin_width = (RIGHT - LEFT) / BINS as f64;
    for value in latency.sorted().iter().copied().map(ms).take_while(|value| *value <= high) {
        let bin = ((x.at(value) - LEFT) / bin_width) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    let most = bins.iter().copied().max()?;
    let y = Scale::vertical(0.0, most as f64);
    let content = html! {
        (axis_left(&y))
        @for (left, count) in (0..BINS).map(|i| LEFT + i as f64 * bin_width).zip(&bins) {
            @let top = y.at(*count as f64);
            rect.bar x=(coordinate(left + 0.5)) width=(coordinate(bin_width - 1.0))
                y=(coordinate(top)) height=(coordinate(BOTTOM - top)) {}
        }
        (axis_below(&x, "latency, ms"))
    };
    let said = format!("{} to {} ms; the tallest bar has {most}.", plain(low), plain(high));
    Some(plot("Histogram of latency", &said, &content))
}

/// Answers that [`histogram`] leaves out.
pub(in crate::report::html) fn beyond_histogram(latency: &Distribution) -> usize {
    let end = latency.percentile(HISTOGRAM_END_PERCENT);
    end.map_or(0, |end| latency.sorted().iter().filter(|time| **time > end).count())
}

/// Which share of the answers took at most how long.
pub(in crate::report::html) fn cumulative(latency: &Distribution) -> Option<Markup> {
    let x = Scale::horizontal(ms(latency.min()?), latency_end(latency).0);
    let y = Scale::vertical(0.0, 100.0);
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "latency, ms"))
        path.curve d=(curve(latency, &x, &y)) {}
    };
    let at = |percent| latency.percentile(percent).map_or(String::new(), |it| plain(ms(it)));
    let said =
        format!("50 % within {} ms, 95 % within {}, 99 % within {}.", at(50.0), at(95.0), at(99.0));
    Some(plot("Cumulative distribution of latency", &said, &content))
}

/// The curve of shares, up to where the axis ends; empty of no answers.
pub(super) fn curve(latency: &Distribution, x: &Scale, y: &Scale) -> String {
    let mut path = String::new();
    for point in 0..=CURVE_POINTS {
        let percent = 100.0 * f64::from(point) / f64::from(CURVE_POINTS);
        let Some(value) = latency.percentile(percent).map(ms) else { break };
        if value > x.high() {
            break;
        }
        let command = if point == 0 { 'M' } else { 'L' };
        // Writing to a string cannot fail.
        let _ = write!(path, "{command}{} {}", coordinate(x.at(value)), coordinate(y.at(percent)));
    }
    path
}
