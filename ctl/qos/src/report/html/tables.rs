//! The tables of one measurement.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, bit_rate, count, milliseconds, plain, with_unit};
use crate::analysis::{Analysis, Distribution};
use crate::grade::tiphon::Index;
use crate::grade::y1541::{Basis, Y1541};
use crate::grade::{Grades, Profile};
use crate::report::{Condition, Measurement, Row, TOTAL_CLIENT, Test};

/// A number in a table; `name` is that of its column, for screens where rows are stacked.
pub(super) fn cell(name: &str, value: &str) -> Markup {
    html! { td.n data-name=(name) { (value) } }
}

/// Every figure of all clients, with the formula or the source that it follows.
pub(super) fn figures(measurement: &Measurement, total: &Analysis) -> Markup {
    let datagrams = measurement.flow.is_none().then(|| of_datagrams(total)).into_iter().flatten();
    let timed = timed(total).into_iter().chain(datagrams);
    let others = one_way(total).into_iter().chain(measurement.fairness().map(fair));
    html! {
        dl.figures {
            @for (name, value, formula) in counted(measurement, total).into_iter().chain(timed).chain(others) {
                div { dt { (name) span.muted { (formula) } } dd { (value) } }
            }
        }
    }
}

type Figure = (&'static str, String, &'static str);

fn counted(measurement: &Measurement, total: &Analysis) -> Vec<Figure> {
    let carried = match measurement.test {
        Test::Udp | Test::Http => "payload received × 8 / total time",
        _ => "content carried × 8 / time that counts",
    };
    let loss = with_unit(total.loss_pct, "%");
    let mean_run = with_unit(total.loss_runs.mean_run(), "");
    vec![
        (
            "Sent, received",
            format!("{}, {}", count(total.sent), count(total.received)),
            "duplicates not counted",
        ),
        ("Loss", format!("{}, {loss}", count(total.lost)), "lost / sent × 100"),
        (
            "Loss runs",
            format!("{}, mean length {mean_run}", total.loss_runs.runs),
            "losses in a row",
        ),
        ("Loss bursts", total.loss_runs.bursts.to_string(), "RFC 3611 §4.7.2, Gmin 16"),
        ("Throughput", bit_rate(total.throughput_bps), carried),
    ]
}

fn timed(total: &Analysis) -> Vec<Figure> {
    let latency = &total.latency;
    let rfc3550 = total.jitter.rfc3550;
    vec![
        ("Latency, min", milliseconds(latency.min()), "round trip less known residence"),
        ("Latency, mean", milliseconds(latency.mean()), "arithmetic"),
        ("Latency, p50", milliseconds(latency.percentile(50.0)), "RFC 2330 §11.3"),
        ("Latency, p95", milliseconds(latency.percentile(95.0)), "RFC 2330 §11.3"),
        ("Latency, p99", milliseconds(latency.percentile(99.0)), "RFC 2330 §11.3"),
        ("Latency, max", milliseconds(latency.max()), "the slowest answer"),
        ("Delay variation, p99", milliseconds(latency.delay_variation(99.0)), "RFC 5481 §4.2"),
        ("Latency step, p1 to p99", steps(total), "IPDV, RFC 5481 §4.1"),
        ("Jitter", with_unit(total.jitter.mean_ms, "ms"), "mean |latency(i) − latency(i−1)|"),
        ("Jitter, RFC 3550", with_unit(rfc3550.map(|j| j.last_ms), "ms"), "§A.8, at the end"),
    ]
}

/// What connections have not: answers that come twice or out of order, a sender's own schedule.
fn of_datagrams(total: &Analysis) -> Vec<Figure> {
    let late = total.pacing.as_ref().map_or(NOT_MEASURED.to_owned(), |pacing| {
        format!("{}, {} late", milliseconds(pacing.error.percentile(99.0)), pacing.late)
    });
    vec![
        ("Lost on the way", direction(total), "by the reflector's count"),
        ("Duplicates", known(total.duplicates), "answers after the first"),
        reordered(total),
        ("Schedule error, p99", late, "send time − due time"),
    ]
}

fn known(number: Option<u64>) -> String {
    number.map_or(NOT_MEASURED.to_owned(), count)
}

fn direction(total: &Analysis) -> String {
    total.loss_direction.map_or(NOT_MEASURED.to_owned(), |lost| {
        format!(
            "{} there, {} back, {} unknown",
            count(lost.up),
            count(lost.down),
            count(lost.unknown)
        )
    })
}

fn reordered(total: &Analysis) -> Figure {
    let value = match total.reordering.extent_max {
        Some(extent) => format!("{}, extent up to {extent}", known(total.reordered)),
        None => known(total.reordered),
    };
    ("Reordered", value, "RFC 4737 §3.3, extent §4.2.2")
}

fn steps(total: &Analysis) -> String {
    let step = |percent| total.delay_variation.percentile(percent);
    step(1.0).zip(step(99.0)).map_or(NOT_MEASURED.to_owned(), |(low, high)| {
        format!("{} to {} ms", plain(low), plain(high))
    })
}

fn fair(fairness: f64) -> Figure {
    ("Fairness", format!("{fairness:.3}"), "Jain, of the clients' throughputs: (Σx)² / (n Σx²)")
}

/// What only a reflector's clock tells; nothing where there is none.
fn one_way(total: &Analysis) -> Vec<Figure> {
    let Some(one_way) = &total.one_way else { return Vec::new() };
    let error = milliseconds(Some(one_way.error));
    let delay =
        |delay: &Distribution| format!("{} ± {error}", milliseconds(delay.percentile(50.0)));
    let drift = with_unit(one_way.drift_ppm, "ppm");
    vec![
        ("One way there, p50", delay(&one_way.up), "T2 − T1 less the clock's offset"),
        ("One way back, p50", delay(&one_way.down), "T4 − T3 and the clock's offset"),
        (
            "Reflector's clock ahead",
            format!("{} ms, {drift}", plain(one_way.offset_ms)),
            "by the third of the answers with the lowest round trip",
        ),
        (
            "Throughput there",
            bit_rate(total.throughput_up_bps),
            "payload that reached the reflector × 8 / total time",
        ),
    ]
}

/// The grades with the tables that they were read from.
pub(super) fn grades(total: &Analysis, grades: &Grades, profile: &Profile) -> Markup {
    let (tiphon, tables) = (&grades.tiphon, &profile.tables);
    let (throughput, unit) = tables.throughput.bounds();
    let whole = if tables.whole_jitter { "whole ms" } else { "ms" };
    let rows = [
        ("Delay (RTT, mean)", tiphon.delay, format!("{} ms", tables.delay)),
        ("Jitter", tiphon.jitter, format!("{} {whole}", tables.jitter)),
        ("Loss", tiphon.loss, format!("{} %", tables.loss)),
        ("Throughput", tiphon.throughput, format!("{throughput} {unit}")),
    ];
    html! {
        div {
        table {
            tr { th { (tables.name) } th.n { "Index" } th { "Class" } }
            @for (name, index, table) in rows {
                tr {
                    td { (name) br; span.muted { (table) } }
                    td.n { (index.map_or(NOT_MEASURED.to_owned(), |index| index.number().to_string())) }
                    td { (class(index)) }
                }
            }
            tr.total {
                td { "Mean of those measured" }
                td.n { (tiphon.mean.map_or(NOT_MEASURED.to_owned(), plain)) }
                td { (class(tiphon.overall())) }
            }
        }
        p.muted {
            "The tables are customary in Indonesia and cite ETSI TR 101 329; they are not ETSI's \
             own. A share of throughput is graded only against a nominal bandwidth"
            @if profile.bandwidth_bps.is_none() { ", and none was given" }
            "."
            @if let Some(jitter) = total.jitter.mean_ms.filter(|_| tables.whole_jitter) {
                " Jitter is rounded to whole milliseconds first, half up: " (plain(jitter)) " ms counts as "
                (format!("{:.0}", (jitter + 0.5).floor())) "."
            }
        }
        }
        @if grades.voice.is_some() { div { (voice(total, grades)) } }
        @if let Some(y1541) = &grades.y1541 { div { (network_class(y1541)) } }
    }
}

fn voice(total: &Analysis, grades: &Grades) -> Markup {
    html! {
        @if let Some(voice) = grades.voice {
            table {
                tr { th { "Voice (ITU-T G.107, simplified)" } th.n { (voice.codec.name()) } }
                tr { td { "R-factor" } td.n { (plain(voice.r_factor)) " of 93.2" } }
                tr { td { "MOS" } td.n { (plain(voice.mos)) " of 4.5" } }
                tr {
                    td {
                        "Mouth-to-ear delay" br;
                        span.muted { "RTT / 2 + 2 × jitter + codec" }
                    }
                    td.n { (plain(voice.delay_ms)) " ms" }
                }
                tr {
                    td { "Burst ratio" br; span.muted { "1 is random loss" } }
                    td.n { (with_unit(total.loss_runs.burst_ratio(), "")) }
                }
            }
        }
    }
}

/// The class of ITU-T Y.1541 with the figures behind it.
fn network_class(y1541: &Y1541) -> Markup {
    let basis = match y1541.basis {
        Basis::OneWay => "the worse of both ways",
        Basis::RoundTrip => "the round trip, an upper bound of each way",
    };
    html! {
        table {
            tr { th { "Network QoS (ITU-T Y.1541)" } th.n { "Class " (y1541.class()) } }
            tr { td { "IPTD" br; span.muted { "mean delay" } } td.n { (plain(y1541.iptd_ms)) " ms" } }
            tr {
                td { "IPDV" br; span.muted { "99.9 % of delays less the least" } }
                td.n { (plain(y1541.ipdv_ms)) " ms" }
            }
            tr { td { "IPLR" br; span.muted { "lost / sent" } } td.n { (if y1541.iplr > 0.0 { format!("{:.2e}", y1541.iplr) } else { "0".to_owned() }) } }
        }
        p.muted {
            "Of " (basis) ". "
            @if !y1541.is_sound() {
                "Only " (y1541.packets) " packets: too few to tell one in a thousand; the class is \
                 what nothing speaks against."
            }
        }
    }
}

fn class(index: Option<Index>) -> String {
    index.map_or(NOT_MEASURED.to_owned(), |index| {
        format!("{} ({})", index.indonesian(), index.english())
    })
}

/// What a reader must know to judge the figures.
pub(super) fn conditions(conditions: &[Condition]) -> Markup {
    html! {
        dl.conditions {
            @for condition in conditions {
                div { dt { (condition.name) } dd { (condition.value) } }
            }
        }
    }
}

/// What a series is of: a client, or what a cache did.
pub(super) fn who(measurement: &Measurement) -> (&'static str, &'static str) {
    if measurement.is_by_verdict() {
        ("Verdict of the cache", "Verdicts of the cache")
    } else {
        ("Client", "Clients")
    }
}

/// A row for each client, and the total.
pub(super) fn clients(measurement: &Measurement, rows: &[Row]) -> Markup {
    let (one, several) = who(measurement);
    let ms = |value: Option<f64>| value.map_or(NOT_MEASURED.to_owned(), plain);
    html! {
        h3 { (several) }
        div.scroll.tall tabindex="0" role="region" aria-label={ "Figures by " (one) } {
            table {
                tr {
                    th.n { (one) }
                    @for name in ["Sent", "Lost", "Loss, %", "p50, ms", "p95, ms",
                        "p99, ms", "Jitter, ms", "Throughput", "MOS", "TIPHON"] {
                        th.n { (name) }
                    }
                }
                @for row in rows {
                    tr.total[row.client == TOTAL_CLIENT] {
                        td.n { (row.client) }
                        td.n { (count(row.sent)) }
                        td.n { (count(row.lost)) }
                        td.n { (ms(row.loss_pct)) }
                        td.n { (ms(row.latency_p50_ms)) }
                        td.n { (ms(row.latency_p95_ms)) }
                        td.n { (ms(row.latency_p99_ms)) }
                        td.n { (ms(row.jitter_ms)) }
                        td.n { (bit_rate(row.throughput_bps)) }
                        td.n { (ms(row.mos)) }
                        td.n { (ms(row.tiphon_index)) }
                    }
                }
            }
        }
    }
}
