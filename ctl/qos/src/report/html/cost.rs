//! What a relay costs: both ways side by side, with the interval of each difference.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, with_unit};
use crate::compare::{Change, Finding};

/// The measures of the probes that went through a relay and of those that went `straight`.
pub(super) fn table(straight: &str, cost: &[Change]) -> Markup {
    html! {
        h3 { "What the relay costs" }
        div.scroll tabindex="0" role="region" aria-label="What the relay costs" {
            table {
                tr {
                    th { "Measure" }
                    @for name in ["Relayed", "Straight", "Difference", "95 % interval"] { th.n { (name) } }
                    th { "Finding" }
                }
                @for change in cost { (row(change)) }
            }
        }
        p.muted {
            "The same probes went in turns through the relay and straight to " (straight) ". The \
             interval (a block bootstrap of both) is what chance alone could have made of the \
             difference; where it holds zero, the relay costs nothing that this run could tell."
        }
    }
}

fn row(change: &Change) -> Markup {
    let unit = change.measure.unit();
    let interval = change.interval.map_or(NOT_MEASURED.to_owned(), |interval| {
        format!("{:+.3} to {:+.3}", interval.low, interval.high)
    });
    let finding = match change.finding() {
        Some(Finding::Worse) => "costs",
        Some(Finding::Better) => "gains",
        Some(Finding::Noise) => "within noise",
        None => NOT_MEASURED,
    };
    html! {
        tr {
            td { (change.measure.name()) }
            td.n { (with_unit(change.after, unit)) }
            td.n { (with_unit(change.before, unit)) }
            td.n { (with_unit(change.difference, unit)) }
            td.n { (interval) }
            td { (finding) }
        }
    }
}
