//! What a run of streams shows: goodput by interval, latency idle and loaded, what the kernel knows.

use selat_qos::bulk::{BulkFigures, BulkRun, Interval, Way};

use super::{percentiles, row};
use crate::output::{Cell, Column, Grid, Page, Tone, unit};

/// Intervals that a table shows; of more, as many in the middle are left out.
const INTERVALS_SHOWN: usize = 12;

pub(super) fn sections(run: &BulkRun, page: &mut Page) {
    let figures = BulkFigures::of(run);
    page.grid(&intervals(run));
    page.gap();
    page.grid(&latencies(run, &figures));
    page.gap();
    let kernel = kernel(&figures);
    if !kernel.is_empty() {
        page.grid(&kernel);
        page.gap();
    }
}

fn intervals(run: &BulkRun) -> Grid {
    let mut columns = vec![Column::Right("UNTIL")];
    columns.extend(run.ways.contains(&Way::Down).then_some(Column::Right("DOWN")));
    columns.extend(run.ways.contains(&Way::Up).then_some(Column::Right("UP")));
    columns.extend([Column::Right("STREAMS"), Column::Left("")]);
    let mut grid = Grid::new(&columns);
    let left_out = run.intervals.len().saturating_sub(INTERVALS_SHOWN);
    let from = INTERVALS_SHOWN / 2;
    for (index, interval) in run.intervals.iter().enumerate() {
        if left_out > 0 && (from..from + left_out).contains(&index) {
            if index == from {
                let note = format!("{left_out} more");
                grid.row(
                    columns
                        .iter()
                        .map(|_| Cell::from("⋮"))
                        .take(columns.len() - 1)
                        .chain([Cell::toned(note, Tone::Faint)]),
                );
            }
            continue;
        }
        grid.row(cells(run, interval));
    }
    grid
}

fn cells(run: &BulkRun, interval: &Interval) -> Vec<Cell> {
    let counts = interval.counts_in(run);
    let tone = if counts { Tone::Plain } else { Tone::Faint };
    let rate = |bytes: u64| {
        let rate = bytes as f64 * 8.0 / interval.length.as_secs_f64().max(f64::EPSILON);
        Cell::toned(unit::bit_rate(rate), tone)
    };
    let until = interval.ends_at.saturating_sub(run.loaded_at);
    let mut cells = vec![Cell::toned(format!("{:.1} s", until.as_secs_f64()), tone)];
    cells.extend(run.ways.contains(&Way::Down).then(|| rate(interval.down_bytes)));
    cells.extend(run.ways.contains(&Way::Up).then(|| rate(interval.up_bytes)));
    cells.push(Cell::toned(interval.streams, tone));
    cells.push(Cell::toned(if counts { "" } else { "warm-up" }, Tone::Faint));
    cells
}

fn latencies(run: &BulkRun, figures: &BulkFigures) -> Grid {
    // Linux gives a receiver no finer estimate, and 1 ms at the least.
    let kernel = match run.ways.as_slice() {
        [Way::Down] => "kernel, steps of 1 ms",
        _ => "round trip by the kernel",
    };
    let mut grid = percentiles("LATENCY, MS");
    for (name, times) in [
        ("connect, idle", &figures.idle_connect),
        ("connect, loaded", &figures.loaded_connect),
        ("request, idle", &figures.idle),
        ("request, loaded", &figures.loaded),
        ("among the load", &figures.own),
        (kernel, &figures.rtt),
    ] {
        if times.max().is_some() {
            grid.row(row(name, times));
        }
    }
    grid
}

/// What only this side's kernel knows; empty where it sent no load.
fn kernel(figures: &BulkFigures) -> Grid {
    let mut grid = Grid::facts();
    if let Some(retransmits) = figures.retransmits {
        let share = figures.resent_share.map_or(String::new(), |share| {
            format!(", {} of all bytes", unit::percent(share * 100.0))
        });
        let segments = unit::plural(retransmits, "segment", "segments");
        grid.fact("sent again", format!("{segments}{share}"));
    }
    if let Some(window) = figures.cwnd_bytes {
        grid.fact("window", format!("{} in flight at most, at the median", unit::bytes(window)));
    }
    if let Some(fastest) = figures.min_rtt {
        grid.fact("fastest round trip", unit::ms(fastest));
    }
    grid
}
