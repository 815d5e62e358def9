//! Losses along the run, and the longest of them.

use std::time::Duration;

use maud::{Markup, html};

use crate::report::Series;
use crate::report::html::chart::{WIDTH, coordinate};
use crate::report::html::number::plain;
use crate::sample::Sample;

/// Cells of the loss strip.
const CELLS: usize = 100;
/// Runs of losses that are named.
const RUNS: usize = 5;
const HEIGHT: f64 = 34.0;

/// Losses along the run: each cell stands for the same number of consecutive probes.
pub(in crate::report::html) fn loss_strip(samples: &[&Sample]) -> Markup {
    let size = samples.len().div_ceil(CELLS).max(1);
    let cells = samples.len().div_ceil(size);
    let width = WIDTH / cells.max(1) as f64;
    let lost = |cell: &[&Sample]| cell.iter().filter(|sample| sample.is_lost()).count();
    html! {
        svg.strip preserveAspectRatio="none" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label={ "Losses along the run: " (lost(samples)) " of " (samples.len()) } {
            @for (index, cell) in samples.chunks(size).enumerate() {
                @let lost = lost(cell);
                // A cell without loss is full of green; each loss takes its share in red.
                @let red = HEIGHT * lost as f64 / cell.len() as f64;
                @let x = coordinate(index as f64 * width);
                g {
                    title { (lost) " of " (cell.len()) " lost" }
                    rect.cell x=(x) y="0" width=(coordinate(width - 0.6))
                        height=(coordinate(HEIGHT - red)) {}
                    @if lost > 0 {
                        rect.cell.bad x=(x) y=(coordinate(HEIGHT - red))
                            width=(coordinate(width - 0.6)) height=(coordinate(red)) {}
                    }
                }
            }
        }
    }
}

/// When the probes of the left, of the middle and of the right of [`loss_strip`] were sent.
pub(in crate::report::html) fn strip_times(samples: &[&Sample]) -> Markup {
    let begins = samples.first().map_or(Duration::ZERO, |sample| sample.sent_at);
    let at = |index: usize| {
        let sent_at = samples.get(index).map_or(begins, |sample| sample.sent_at);
        format!("{} s", plain(sent_at.saturating_sub(begins).as_secs_f64()))
    };
    html! {
        div.ends {
            span { (at(0)) }
            @if samples.len() > 2 { span { (at(samples.len() / 2)) } }
            @if samples.len() > 1 { span { (at(samples.len() - 1)) } }
        }
    }
}

/// The longest runs of losses in a row of any client, as a sentence; `None` where none has two.
pub(in crate::report::html) fn worst_runs(clients: &[Series]) -> Option<String> {
    let mut runs: Vec<(usize, Duration, &str)> = clients
        .iter()
        .flat_map(|series| {
            let same = |a: &Sample, b: &Sample| a.is_lost() == b.is_lost();
            let runs = series.samples.chunk_by(same).filter(|run| run[0].is_lost());
            runs.map(|run| (run.len(), run[0].sent_at, series.client.as_str()))
        })
        .filter(|(length, ..)| *length > 1)
        .collect();
    runs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let named = runs.iter().take(RUNS).map(|(length, at, client)| {
        let of = if clients.len() > 1 { format!(" (client {client})") } else { String::new() };
        format!("{length} in a row at {:.2} s{of}", at.as_secs_f64())
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match runs.len().saturating_sub(RUNS) {
        0 => String::new(),
        more => format!(", and {more} shorter or later"),
    };
    (!runs.is_empty()).then(|| format!("Losses in a row: {named}{more}."))
}
