//! What a test of requests has beside the figures of every test: the parts that their time is made of,
//! and what a cache saves.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, count, plain, with_unit};
use super::tables::cell;
use super::{figure, plots};
use crate::analysis::{Distribution, ms};
use crate::http::Verdict;
use crate::load::{Comparison, LoadFigures};
use crate::report::Measurement;

/// Percentiles of a table of times.
const PERCENTS: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

/// The panels of requests; nothing for other tests.
pub(super) fn panels(measurement: &Measurement) -> Markup {
    let figures = measurement.load_figures();
    html! {
        @if let Some(figures) = &figures {
            @if let Some(comparison) = &figures.comparison { (cache(comparison)) }
            (outcomes(figures))
            (verdicts(figures))
            div.panel.wide { (times(figures)) }
        }
    }
}

/// Hits and misses in one plot, and what lies between them.
fn cache(comparison: &Comparison) -> Markup {
    let curves = [
        plots::Curve { name: "hits", latency: &comparison.hits },
        plots::Curve { name: "misses", latency: &comparison.misses },
    ];
    let shift = comparison.shift;
    let rows = [("Hits", &comparison.hits), ("Misses", &comparison.misses)];
    let told_by =
        if comparison.is_labelled { "Cache-Status (RFC 9211)" } else { "what was asked for" };
    html! {
        (figure("Hits against misses: share of answers within, %", &plots::overlay(&curves), "Solid is \
            what the cache answered, dashed is what it had to fetch. What lies between the curves is \
            what the cache saves."))
        div.panel {
            h3 { "What the cache saves" }
            table {
                tr { th { "Service time, ms" } th.n { "Count" } th.n { "p50" } th.n { "p95" } th.n { "p99" } }
                @for (name, times) in rows {
                    tr {
                        td { (name) }
                        td.n { (times.sorted().len()) }
                        @for percent in [50.0, 95.0, 99.0] { td.n { (at(times, percent)) } }
                    }
                }
                tr.total {
                    td { "Difference of the medians" }
                    td.n colspan="4" {
                        (format!("{:+.3} ({:+.3} to {:+.3})", shift.median_ms, shift.low_ms, shift.high_ms))
                    }
                }
            }
            p.muted {
                "The interval holds 95 % of bootstrapped differences. A miss took longer than a hit in "
                (format!("{:.1}", shift.longer * 100.0)) " % of all pairs (Mann-Whitney U, p "
                (if shift.p_value < 1e-4 { "below 0.0001".to_owned() } else { format!("{:.4}", shift.p_value) })
                "). Hits and misses were asked for in turns, and are told apart by " (told_by) "."
            }
        }
    }
}

/// What came of the requests.
fn outcomes(figures: &LoadFigures) -> Markup {
    let all: u64 = figures.outcomes.values().sum();
    let share = |requests: u64| with_unit(Some(requests as f64 * 100.0 / all.max(1) as f64), "%");
    html! {
        div.panel {
            h3 { "What came of the requests" }
            table {
                tr { th { "Outcome" } th.n { "Requests" } th.n { "Share" } }
                @for (outcome, requests) in &figures.outcomes {
                    tr { td { (outcome) } td.n { (count(*requests)) } td.n { (share(*requests)) } }
                }
            }
            @if let Some(rate) = figures.answered_per_s {
                p.muted { "Answered, whatever the status: " (plain(rate)) " a second." }
            }
        }
    }
}

/// What the cache did; nothing where none said so.
fn verdicts(figures: &LoadFigures) -> Markup {
    let is_told = figures.verdicts.iter().any(|it| it.verdict != Verdict::None);
    html! {
        @if is_told {
            div.panel {
                h3 { "What the cache did" }
                table {
                    tr {
                        th { "Service time, ms" } th.n { "Count" } th.n { "p50" } th.n { "p95" } th.n { "Max" }
                    }
                    @for it in &figures.verdicts {
                        tr {
                            td { (it.verdict.as_str()) }
                            td.n { (count(it.service.sorted().len() as u64)) }
                            @for percent in [50.0, 95.0, 100.0] { td.n { (at(&it.service, percent)) } }
                        }
                    }
                }
                p.muted { "By what the nearest cache says of each answer, such as in Cache-Status (RFC 9211)." }
            }
        }
    }
}

/// What the time of a request is made of.
fn times(figures: &LoadFigures) -> Markup {
    let parts = [
        ("Connect", "TCP handshake", &figures.connect),
        ("TLS", "TLS handshake", &figures.tls),
        ("Waiting", "for a free connection", &figures.queued),
        ("First byte", "from the request to its answer's first byte", &figures.first_byte),
        ("Body", "from the first byte to the last", &figures.body),
        ("Service", "from when a connection took it up", &figures.service),
        ("Response", "from when it was due: what a user waits", &figures.response),
    ];
    html! {
        h3 { "What the time is made of, ms" }
        div.scroll tabindex="0" role="region" aria-label="Times of the parts of a request" {
            table.stack {
                tr {
                    th { "Part" } th.n { "Count" }
                    @for percent in PERCENTS { th.n { "p" (percent) } }
                    th.n { "Max" }
                }
                @for (name, meaning, times) in parts {
                    @if times.max().is_some() {
                        tr {
                            td { (name) " " span.muted { (meaning) } }
                            (cell("Count", &count(times.sorted().len() as u64)))
                            @for percent in PERCENTS { (cell(&format!("p{percent}"), &at(times, percent))) }
                            (cell("Max", &at(times, 100.0)))
                        }
                    }
                }
            }
        }
    }
}

fn at(times: &Distribution, percent: f64) -> String {
    times.percentile(percent).map_or(NOT_MEASURED.to_owned(), |time| plain(ms(time)))
}
