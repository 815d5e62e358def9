//! What a test of streams has beside the figures of every test: goodput over time, latency idle and
//! beside the load, what the kernel knew of the connections, responsiveness.

use maud::{Markup, html};

use super::number::{NOT_MEASURED, bit_rate, count, milliseconds, plain, signed, with_unit};
use super::tables::cell;
use super::{figure, plots, tile};
use crate::analysis::{Distribution, ms};
use crate::bulk::{BulkFigures, BulkRun, Goodput, TICK, Way};
use crate::report::{Flow, Measurement};
use crate::responsiveness::{DRAFT, class};

/// Percentiles of a table of times.
const PERCENTS: [f64; 3] = [50.0, 95.0, 99.0];

/// The panels of streams; nothing for other tests.
pub(super) fn panels(measurement: &Measurement) -> Markup {
    let Some(Flow::Tcp(run)) = &measurement.flow else { return html! {} };
    let figures = BulkFigures::of(run);
    html! {
        @if run.confidence.is_some() { div.panel.wide { (responsiveness(run, &figures)) } }
        @if let Some((drawing, unit)) = plots::goodput(run) {
            (figure(&format!("Goodput over time, {unit}"), &drawing, &carried(run, &figures)))
        }
        (idle_and_loaded(run, &figures))
        (kernel(run, &figures))
    }
}

/// What a test of streams is asked for, beside the tiles of every test.
pub(super) fn tiles(measurement: &Measurement) -> Markup {
    let Some(figures) = measurement.bulk_figures() else { return html! {} };
    let added = |ms: f64| format!("{} ms", signed(ms));
    let idle = format!("idle {}", milliseconds(figures.idle.percentile(50.0)));
    html! {
        @if let Some(ms) = figures.added_ms { (tile("Added by the load", added(ms), idle)) }
        @if let Some(found) = figures.responsiveness.filter(|_| measurement.is_of_responsiveness()) {
            (tile("Responsiveness", rpm(Some(found.rpm)) + " RPM", class(found.rpm).to_owned()))
        }
    }
}

fn rpm(value: Option<f64>) -> String {
    value.map_or(NOT_MEASURED.to_owned(), |it| count(it.round() as u64))
}

fn carried(run: &BulkRun, figures: &BulkFigures) -> String {
    let told = |word: &str, goodput: Option<Goodput>| {
        goodput.map(|it| {
            let (mean, low, high) =
                (bit_rate(Some(it.bps)), bit_rate(Some(it.min_bps)), bit_rate(Some(it.max_bps)));
            format!("{word} {mean}, between {low} and {high}.")
        })
    };
    let ways = [told("From the server", figures.down), told("To the server", figures.up)];
    let lines =
        if run.ways.len() > 1 { "Solid comes from the server, dashed goes to it. " } else { "" };
    let warm_up = if run.counted_at > run.loaded_at {
        "What is shaded is warm-up and does not count. "
    } else {
        ""
    };
    let grown = run.streams.iter().any(|it| it.began_at > run.loaded_at + TICK);
    let streams = match run.streams.len() {
        1 => "one stream".to_owned(),
        streams if grown => format!("{streams} streams; a tick above is one that was added"),
        streams => format!("{streams} streams"),
    };
    let ways = ways.into_iter().flatten().collect::<Vec<String>>().join(" ");
    format!(
        "Content without headers, {streams}. {lines}{warm_up}A level line is a path that is full; teeth are \
         losses that halve the window. {ways}"
    )
}

/// The idle and the full path in one plot, and their figures.
fn idle_and_loaded(run: &BulkRun, figures: &BulkFigures) -> Markup {
    let curves = [
        plots::Curve { name: "idle", latency: &figures.idle },
        plots::Curve { name: "loaded", latency: &figures.loaded },
        plots::Curve { name: "among the load", latency: &figures.own },
    ];
    let drawn = if figures.own.max().is_some() { &curves[..] } else { &curves[..2] };
    let dotted = if drawn.len() > 2 { ", dotted on the connections that carry it" } else { "" };
    let cut: String = drawn
        .iter()
        .map(|it| plots::cut_off(it.latency))
        .find(|it| !it.is_empty())
        .unwrap_or_default();
    let caption = format!(
        "A small request: solid on the idle path, dashed beside the load{dotted}. What lies between the \
         curves is added by the load, which fills a queue (bufferbloat); on a good path they meet.{cut}"
    );
    html! {
        @if figures.idle.max().or(figures.loaded.max()).is_some() {
            (figure("Idle against loaded: share of answers within, %", &plots::overlay(drawn), &caption))
        }
        div.panel.wide {
            h3 { "Latency, idle and loaded, ms" }
            div.scroll tabindex="0" role="region" aria-label="Latency idle and loaded" {
                (times(run, figures))
            }
            @if let Some(added) = figures.added_ms {
                p.muted { "Added by the load to a request at the median: " (format!("{added:+.3}")) " ms." }
            }
        }
    }
}

fn times(run: &BulkRun, figures: &BulkFigures) -> Markup {
    let kernel = match run.ways.as_slice() {
        [Way::Down] => "Round trip by the kernel, in steps of 1 ms",
        _ => "Round trip by the kernel",
    };
    let rows = [
        ("Connect, idle", &figures.idle_connect),
        ("Connect, loaded", &figures.loaded_connect),
        ("Request, idle", &figures.idle),
        ("Request, loaded", &figures.loaded),
        ("Request among the load", &figures.own),
        (kernel, &figures.rtt),
    ];
    html! {
        table.stack {
            tr {
                th { "What" } th.n { "Count" } th.n { "Min" }
                @for percent in PERCENTS { th.n { "p" (percent) } }
                th.n { "Max" }
            }
            @for (name, times) in rows {
                @if times.max().is_some() {
                    tr {
                        td { (name) }
                        (cell("Count", &count(times.sorted().len() as u64)))
                        (cell("Min", &at(times, 0.0)))
                        @for percent in PERCENTS { (cell(&format!("p{percent}"), &at(times, percent))) }
                        (cell("Max", &at(times, 100.0)))
                    }
                }
            }
        }
    }
}

/// What was asked of the kernel ten times a second.
fn kernel(run: &BulkRun, figures: &BulkFigures) -> Markup {
    let median = with_unit(figures.cwnd_bytes.map(|it| it as f64 / 1024.0), "KiB");
    let share = with_unit(figures.resent_share.map(|it| it * 100.0), "%");
    let none_again = figures.retransmits == Some(0);
    html! {
        @if let Some(drawing) = plots::round_trips(run) {
            (figure("Round trips by the kernel over time, ms", &drawing, &estimates(run, figures)))
        }
        @if let Some(drawing) = plots::windows(run) {
            (figure("Congestion window over time, KiB", &drawing, &format!(
                "What each stream may have in flight, {median} at the median. A climb that breaks off is a \
                 loss; a level that no loss ends is a limit of one of the ends.{}",
                if none_again { " No segment was sent again." } else { "" })))
        }
        @if let Some(drawing) = plots::repeats(run) {
            (figure("Segments sent again, in all", &drawing, &format!(
                "All uploads together: {} of all bytes. A step is a burst of losses, a slope a path that \
                 loses all the time. Only the side that sends knows them.", share)))
        }
    }
}

/// How to read what the kernel takes for a round trip. Linux gives a receiver steps of 1 ms, 1 at the least
/// (`tcp_rcv_rtt_update`): of a fast path it says nothing.
fn estimates(run: &BulkRun, figures: &BulkFigures) -> String {
    const RECEIVER: &str = "as the receiver takes it from how its window is used, in steps of 1 ms and \
        never less";
    let fastest = milliseconds(figures.min_rtt);
    let queue = "what stands above it waited in a queue. A rising edge is a queue that fills, a falling \
        one a sender that backed off.";
    match run.ways.as_slice() {
        [Way::Down] => format!(
            "Of each stream, {RECEIVER}. On a path that is faster than that it says nothing; the requests \
             beside the load are the finer measure."
        ),
        [Way::Up] => format!(
            "Of each stream, smoothed, from what is acknowledged. The fastest was {fastest}: {queue}"
        ),
        _ => format!(
            "Of uploads smoothed, from what is acknowledged; of downloads {RECEIVER}. The fastest was \
             {fastest}; of uploads, {queue}"
        ),
    }
}

fn responsiveness(run: &BulkRun, figures: &BulkFigures) -> Markup {
    let found = figures.responsiveness;
    let rows = [
        ("On connections of their own (foreign)", found.and_then(|it| it.foreign_rpm)),
        ("On connections that carry the load", found.and_then(|it| it.loaded_rpm)),
        ("On the idle path, before", figures.idle_rpm),
    ];
    html! {
        h3 { "Responsiveness, round trips a minute" }
        table {
            tr.total {
                td { "RPM" }
                td.n { (rpm(found.map(|it| it.rpm))) }
                td { (found.map_or(NOT_MEASURED, |it| class(it.rpm))) }
            }
            @for (name, value) in rows { tr { td { (name) } td.n { (rpm(value)) } td {} } }
            @if let Some([goodput, confidence]) = run.confidence {
                tr { td { "Confidence" } td.n { (confidence.as_str()) } td { "in the goodput " (goodput.as_str()) } }
            }
        }
        p.muted {
            "By " (DRAFT) ", over the last 4 intervals. How many requests one after the other would fit into a \
            minute while the path is full: below 300 is poor, from 1000 good, from 6000 excellent. Confidence is \
            high where it became stable, medium where it did not, low where there was no time for 4 intervals."
        }
    }
}

fn at(times: &Distribution, percent: f64) -> String {
    times.percentile(percent).map_or(NOT_MEASURED.to_owned(), |time| plain(ms(time)))
}
