//! What a relay costs: both ways side by side, with the interval of each difference.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, signed, with_unit};
use super::tables::cell;
use crate::compare::{Change, Finding};

/// The measures of the probes that went through a relay and of those that went `straight`.
pub(super) fn table(straight: &str, cost: &[Change]) -> Markup {
    html! {
        h3 { "What the relay costs" }
        div.scroll tabindex="0" role="region" aria-label="What the relay costs" {
            table.stack.few {
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
        format!("{} to {} {unit}", signed(interval.low), signed(interval.high))
    });
    let difference = change
        .difference
        .map_or(NOT_MEASURED.to_owned(), |value| format!("{} {unit}", signed(value)));
    let finding = match change.finding() {
        Some(Finding::Worse) => "costs",
        Some(Finding::Better) => "gains",
        Some(Finding::Noise) => "within noise",
        None => NOT_MEASURED,
    };
    html! {
        tr {
            td { (change.measure.name()) }
            (cell("Relayed", &with_unit(change.after, unit)))
            (cell("Straight", &with_unit(change.before, unit)))
            (cell("Difference", &difference))
            td.n.span data-name="95 % interval" { (interval) }
            td data-name="Finding" { (finding) }
        }
    }
}
