//! What a relay costs: the same probes through it and past it, side by side.

use selat_qos::analysis::Analysis;
use selat_qos::compare::{Change, Finding};
use selat_qos::report::Measurement;

use crate::output::{Cell, Column, Grid, Page, Tone, unit};

/// Shows the difference of both ways, where a measurement has two.
pub(super) fn show(measurement: &Measurement, page: &mut Page) {
    let (Some(straight), Some(cost)) = (&measurement.straight, measurement.relay_cost()) else {
        return;
    };
    page.gap();
    page.line(format!("What the relay costs, against {} straight", straight.target));
    page.gap();
    let mut grid = Grid::new(&[
        Column::Left("MEASURE"),
        Column::Right("RELAYED"),
        Column::Right("STRAIGHT"),
        Column::Right("DIFFERENCE"),
        Column::Left("95 % INTERVAL"),
        Column::Left("FINDING"),
    ]);
    cost.iter().for_each(|change| grid.row(row(change)));
    page.grid(&grid);
    page.paragraph(&format!(
        "lost through the relay: {}; straight: {}",
        ways(&measurement.total()),
        ways(&straight.total())
    ));
}

fn row(change: &Change) -> [Cell; 6] {
    let unit = change.measure.unit();
    let figure = |value: Option<f64>| match value {
        Some(value) => format!("{value:.3} {unit}"),
        None => unit::NONE.to_owned(),
    };
    let interval =
        change.interval.map_or(String::new(), |it| format!("{:+.3} to {:+.3}", it.low, it.high));
    let (finding, tone) = match change.finding() {
        Some(Finding::Worse) => ("costs", Tone::Warning),
        Some(Finding::Better) => ("gains", Tone::Good),
        Some(Finding::Noise) => ("within noise", Tone::Faint),
        None => ("not measured", Tone::Faint),
    };
    [
        change.measure.name().into(),
        figure(change.after).into(),
        figure(change.before).into(),
        Cell::toned(
            change.difference.map_or(unit::NONE.to_owned(), |it| format!("{it:+.3} {unit}")),
            Tone::Strong,
        ),
        Cell::toned(interval, Tone::Faint),
        Cell::toned(finding, tone),
    ]
}

/// Losses of a run by their way, where the reflector counts.
fn ways(total: &Analysis) -> String {
    match total.loss_direction {
        Some(lost) => format!("{} there, {} back, {} unknown", lost.up, lost.down, lost.unknown),
        None => format!("{} of {}", total.lost, total.sent),
    }
}
