//! Several runs of one test beside each other: their curves in one plot, their figures in one table.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, plain};
use super::tables::cell;
use super::{figure, plots};
use crate::analysis::{Analysis, ms};
use crate::report::{Measurement, Test};

/// A plot for each test that was made more than once.
pub(super) fn section(measurements: &[Measurement]) -> Markup {
    let tests = [(Test::Udp, "UDP"), (Test::Http, "HTTP")];
    let runs = |test| measurements.iter().filter(move |it: &&Measurement| it.test == test);
    html! {
        @for (test, name) in tests {
            @if runs(test).count() > 1 { (overlay(name, &runs(test).collect::<Vec<_>>())) }
        }
    }
}

fn overlay(name: &str, runs: &[&Measurement]) -> Markup {
    let drawn = &runs[..runs.len().min(plots::OVERLAID_MAX)];
    let totals: Vec<Analysis> = drawn.iter().map(|run| run.total()).collect();
    let names: Vec<String> = (1..=drawn.len()).map(|number| number.to_string()).collect();
    let curves: Vec<_> = names
        .iter()
        .zip(&totals)
        .map(|(name, total)| plots::Curve { name, latency: &total.latency })
        .collect();
    let caption = "Each curve is a run: read up from a latency to see which share of its answers came \
        within it. A curve further left is faster, a steeper one is steadier.";
    html! {
        section {
            h2 { (name) ": " (runs.len()) " runs beside each other" }
            div.grid {
                (figure("Share of answers within, %", &plots::overlay(&curves), caption))
                div.panel {
                    h3 { "Runs, times in ms" }
                    div.scroll tabindex="0" role="region" aria-label="Figures of each run" {
                        (table(drawn, &totals))
                    }
                    @if runs.len() > drawn.len() {
                        p.muted { "The other " (runs.len() - drawn.len()) " runs stand below only." }
                    }
                }
            }
        }
    }
}

fn table(runs: &[&Measurement], totals: &[Analysis]) -> Markup {
    html! {
        table.stack {
            tr {
                th { "Run" } th { "Target" }
                @for name in ["Loss, %", "p50", "p95", "p99", "Jitter"] { th.n { (name) } }
            }
            @for (index, (run, total)) in runs.iter().zip(totals).enumerate() {
                tr {
                    td.run { (swatch(index)) " " (index + 1) }
                    td.target {
                        (run.target) br;
                        span.muted { (run.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")) }
                    }
                    (cell("Loss, %", &known(total.loss_pct)))
                    @for percent in [50.0, 95.0, 99.0] {
                        (cell(&format!("p{percent}"), &known(total.latency.percentile(percent).map(ms))))
                    }
                    (cell("Jitter", &known(total.jitter.mean_ms)))
                }
            }
        }
    }
}

fn known(value: Option<f64>) -> String {
    value.map_or(NOT_MEASURED.to_owned(), plain)
}

/// The line of a run, as it is in the plot.
fn swatch(index: usize) -> Markup {
    html! {
        svg.swatch viewBox="0 0 34 10" aria-hidden="true" {
            path class={ "curve run" (index + 1) } d="M1 5H33" {}
        }
    }
}
