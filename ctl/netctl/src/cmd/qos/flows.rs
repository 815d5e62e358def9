//! What a measurement over TCP shows beside the figures that all measurements have.

mod streams;

use std::time::Duration;

use selat_qos::analysis::{Distribution, ms};
use selat_qos::load::{LoadFigures, LoadRun, Outcome};
use selat_qos::report::{Flow, Measurement};
use selat_qos::responsiveness::class;

use crate::output::{Cell, Column, Grid, Page, Tone, unit};

/// The tables of a flow; nothing for datagrams.
pub(super) fn sections(measurement: &Measurement, page: &mut Page) {
    match &measurement.flow {
        Some(Flow::Http(run)) => http(run, &LoadFigures::of(run), page),
        Some(Flow::Tcp(run)) => streams::sections(run, page),
        None => {}
    }
}

/// What a latency is called: that of streams is of probes beside the load.
pub(super) fn latency(measurement: &Measurement) -> &'static str {
    match measurement.flow {
        Some(Flow::Tcp(_)) => "latency, loaded",
        _ => "latency",
    }
}

/// What the bytes of a throughput are.
pub(super) fn carried(measurement: &Measurement) -> &'static str {
    match measurement.flow {
        Some(Flow::Tcp(_)) => "of content carried",
        _ => "of payload received",
    }
}

/// The measure that only some flows have: name, value, detail.
pub(super) fn measure(measurement: &Measurement) -> Option<(&'static str, String, String)> {
    let figures = measurement.bulk_figures().filter(|_| measurement.is_of_responsiveness())?;
    let rpm = figures.responsiveness?.rpm;
    let value = format!("{} RPM", unit::count(rpm.round() as u64));
    Some(("responsiveness", value, format!("round trips a minute under load: {}", class(rpm))))
}

fn http(run: &LoadRun, figures: &LoadFigures, page: &mut Page) {
    page.grid(&times(run, figures));
    page.gap();
    page.grid(&outcomes(figures));
    page.gap();
    if !figures.verdicts.iter().all(|it| it.verdict == crate::http::Verdict::None) {
        page.grid(&verdicts(figures));
        page.gap();
    }
}

/// How long each part of a request took.
fn times(run: &LoadRun, figures: &LoadFigures) -> Grid {
    let mut grid = percentiles("TIME, MS");
    if let Some(dns) = run.dns {
        grid.row(row("dns", &Distribution::new(vec![dns])));
    }
    grid.row(row("connect", &figures.connect));
    if figures.tls.max().is_some() {
        grid.row(row("tls", &figures.tls));
    }
    if figures.queued.max().is_some() {
        grid.row(row("waiting for a connection", &figures.queued));
    }
    grid.row(row("first byte", &figures.first_byte));
    grid.row(row("body", &figures.body));
    grid.row(row("service", &figures.service));
    grid.row(row("response", &figures.response));
    grid
}

fn percentiles(title: &'static str) -> Grid {
    let columns = ["COUNT", "MIN", "P50", "P90", "P99", "P99.9", "MAX"].map(Column::Right);
    Grid::new(&[&[Column::Left(title)], &columns[..]].concat()).spare(&["P99.9", "MIN", "P90"])
}

fn row(name: &str, times: &Distribution) -> Vec<Cell> {
    let figure = |time: Option<Duration>| {
        Cell::from(time.map_or(unit::NONE.to_owned(), |time| format!("{:.3}", ms(time))))
    };
    let strong = if name == "response" { Tone::Strong } else { Tone::Plain };
    vec![
        Cell::toned(name, strong),
        Cell::toned(unit::count(times.sorted().len() as u64), Tone::Faint),
        figure(times.min()),
        figure(times.percentile(50.0)),
        figure(times.percentile(90.0)),
        figure(times.percentile(99.0)),
        figure(times.percentile(99.9)),
        figure(times.max()),
    ]
}

/// What became of the requests.
fn outcomes(figures: &LoadFigures) -> Grid {
    let all: u64 = figures.outcomes.values().sum();
    let columns = [Column::Left("OUTCOME"), Column::Right("REQUESTS"), Column::Right("SHARE")];
    let mut grid = Grid::new(&columns);
    for (outcome, count) in &figures.outcomes {
        let tone = match outcome {
            Outcome::Status(..400) => Tone::Good,
            _ => Tone::Bad,
        };
        grid.row([
            Cell::toned(outcome, tone),
            Cell::from(unit::count(*count)),
            Cell::from(unit::percent(*count as f64 * 100.0 / all.max(1) as f64)),
        ]);
    }
    if let Some(rate) = figures.answered_per_s {
        let rate = format!("{rate:.1}/s");
        grid.row([Cell::toned("answered", Tone::Faint), Cell::from(rate), Cell::from("")]);
    }
    grid
}

/// What the cache did, and how long that took.
fn verdicts(figures: &LoadFigures) -> Grid {
    let mut grid = percentiles("CACHE, SERVICE MS");
    figures.verdicts.iter().for_each(|it| grid.row(row(it.verdict.as_str(), &it.service)));
    grid
}
