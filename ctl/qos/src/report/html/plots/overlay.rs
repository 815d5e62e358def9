//! The distributions of several runs in one plot.

use maud::{Markup, html};

use super::latency_end;
use super::shares::curve;
use crate::analysis::{Distribution, ms};
use crate::report::html::chart::{Scale, axis_below, axis_left, plot};

/// Curves that can be told apart, by colour and by dashes.
pub(in crate::report::html) const OVERLAID_MAX: usize = 6;

/// A run of an overlay.
pub(in crate::report::html) struct Curve<'a> {
    /// What it is called in the table beside the plot.
    pub(in crate::report::html) name: &'a str,
    /// Its latencies.
    pub(in crate::report::html) latency: &'a Distribution,
}

/// Which share of the answers of each run came within how long.
pub(in crate::report::html) fn overlay(curves: &[Curve<'_>]) -> Markup {
    let lowest = curves.iter().filter_map(|it| it.latency.min()).min().map_or(0.0, ms);
    let highest = curves.iter().map(|it| latency_end(it.latency).0).fold(0.0, f64::max);
    let (x, y) = (Scale::horizontal(lowest, highest), Scale::vertical(0.0, 100.0));
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "latency, ms"))
        @for (index, it) in curves.iter().enumerate() {
            path class={ "curve run" (index + 1) } d=(curve(it.latency, &x, &y)) {
                title { (it.name) }
            }
        }
    };
    let names: Vec<&str> = curves.iter().map(|it| it.name).collect();
    let said = format!("Runs {}; the table beside has their figures.", names.join(", "));
    plot("Cumulative distributions of latency", &said, &content)
}
