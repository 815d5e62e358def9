//! What a measurement over TCP shows beside the figures that all measurements have.

mod streams;

use std::time::Duration;

use selat_qos::analysis::{Distribution, ms};
use selat_qos::load::{Comparison, LoadFigures, LoadRun, Outcome};
use selat_qos::report::{Flow, Measurement};

use crate::output::{Cell, Column, Grid, Page, Tone, unit};

/// Differences that chance makes less often than this are no accident.
const P_VALUE_MAX: f64 = 0.01;

/// The tables of a flow; nothing for datagrams.
pub(super) fn sections(measurement: &Measurement, page: &mut Page) {
    match &measurement.flow {
        Some(Flow::Http(run)) => http(run, &LoadFigures::of(run), page),
        Some(Flow::Tcp(run)) => streams::sections(run, page),
        None => {}
    }
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
    if let Some(comparison) = &figures.comparison {
        page.paragraph(&compared(comparison));
        page.gap();
    } else if run.clients.iter().flatten().any(|it| it.is_cold) {
        page.paragraph(
            "Hits and misses cannot be compared: there are too few of one of them. See with netctl \
             fetch what the cache says of this URL, and whether it keeps it at all.",
        );
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
    Grid::new(&[&[Column::Left(title)], &columns[..]].concat())
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

fn compared(comparison: &Comparison) -> String {
    let shift = comparison.shift;
    let median = |times: &Distribution| times.percentile(50.0).map_or(0.0, ms);
    let (hit, miss) = (median(&comparison.hits), median(&comparison.misses));
    let (hits, misses) = (comparison.hits.sorted().len(), comparison.misses.sorted().len());
    let told_by = if comparison.is_labelled { "Cache-Status" } else { "what was asked for" };
    let finding = match (shift.p_value < P_VALUE_MAX, shift.median_ms > 0.0) {
        (false, _) => "No difference between hits and misses can be told".to_owned(),
        (true, true) if hit > 0.0 => format!("A hit is {:.1} times as fast as a miss", miss / hit),
        (true, true) => "A hit is faster than a miss".to_owned(),
        (true, false) => "A hit is slower than a miss".to_owned(),
    };
    format!(
        "{finding}: {hits} hits took {hit:.3} ms at the median, {misses} misses {miss:.3} ms (told by \
         {told_by}). Difference {:+.3} ms, 95 % between {:+.3} and {:+.3}; a miss was the slower of a \
         pair in {:.1} % (Mann-Whitney p {}).",
        shift.median_ms,
        shift.low_ms,
        shift.high_ms,
        shift.longer * 100.0,
        p_value(shift.p_value)
    )
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}
