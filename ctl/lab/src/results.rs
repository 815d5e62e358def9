//! `qos_result.csv` as whoever plots it reads it.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// Name of the row of all clients together.
const TOTAL: &str = "all";

/// What the tour looks at of one row.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    test: String,
    client: String,
    sent: u64,
    received: u64,
    latency_mean_ms: Option<f64>,
    throughput_bps: Option<f64>,
}

/// How many rows `file` has, whatever they are; none where there is no such file.
pub(crate) fn count(file: &Path) -> usize {
    csv::Reader::from_path(file).map_or(0, |rows| rows.into_records().count())
}

/// The rows of `file` after the first `count`, oldest first.
///
/// # Errors
/// It is no CSV with the columns of a result.
pub(crate) fn after(count: usize, file: &Path) -> anyhow::Result<Vec<Row>> {
    let rows =
        csv::Reader::from_path(file).and_then(|rows| rows.into_deserialize().skip(count).collect());
    rows.with_context(|| format!("cannot read {}", file.display()))
}

/// Checks that `rows` are `clients` clients of `test` and their total, each of them answered and timed.
///
/// # Errors
/// What is not so.
pub(crate) fn check(rows: &[Row], test: &str, clients: u32) -> anyhow::Result<()> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.test == test).collect();
    let totals = rows.iter().filter(|row| row.client == TOTAL).count();
    ensure!(totals == 1, "{totals} rows for all clients of the {test} test, 1 was expected");
    let single = rows.len() - totals;
    // One client is its own total.
    let expected = if clients == 1 { 0 } else { clients as usize };
    ensure!(single == expected, "{single} rows of {test} clients, {expected} were expected");
    for row in rows {
        let is_measured = row.latency_mean_ms.is_some() && row.throughput_bps.is_some();
        ensure!(
            row.received > 0 && row.received <= row.sent && is_measured,
            "not measured: {row:?}"
        );
    }
    Ok(())
}
