//! The table of the clients of a measurement.

use selat_qos::report::{Row, TOTAL_CLIENT, Test};

use super::figure_ms;
use crate::output::{Cell, Column, Grid, Tone, unit};

/// A row for each client, and the total.
pub(super) fn grid(test: Test, rows: &[Row]) -> Grid {
    let mut columns = vec![
        Column::Right("CLIENT"),
        Column::Right("SENT"),
        Column::Right("RECEIVED"),
        Column::Right("LOSS"),
        Column::Right("MEAN"),
        Column::Right("P95"),
        Column::Right("MAX"),
        Column::Right("JITTER"),
        Column::Right("THROUGHPUT"),
    ];
    if test == Test::Udp {
        columns.push(Column::Right("MOS"));
    }
    let mut grid = Grid::new(&columns).spare(&["MAX", "RECEIVED", "JITTER", "MOS", "MEAN"]);
    rows.iter().for_each(|row| grid.row(client(test, row)));
    grid
}

fn client(test: Test, row: &Row) -> Vec<Cell> {
    let is_total = row.client == TOTAL_CLIENT;
    let tone = |tone| if is_total { Tone::Strong } else { tone };
    let plain = |text: String| Cell::toned(text, tone(Tone::Plain));
    let loss = if row.lost > 0 { Tone::Bad } else { tone(Tone::Plain) };
    let mut cells = vec![
        Cell::toned(&row.client, tone(Tone::Faint)),
        plain(unit::count(row.sent)),
        plain(unit::count(row.received)),
        Cell::toned(row.loss_pct.map_or(unit::NONE.to_owned(), unit::percent), loss),
        plain(figure_ms(row.latency_mean_ms)),
        plain(figure_ms(row.latency_p95_ms)),
        plain(figure_ms(row.latency_max_ms)),
        plain(figure_ms(row.jitter_ms)),
        plain(row.throughput_bps.map_or(unit::NONE.to_owned(), unit::bit_rate)),
    ];
    if test == Test::Udp {
        cells.push(plain(row.mos.map_or(unit::NONE.to_owned(), |mos| format!("{mos:.2}"))));
    }
    cells
}
