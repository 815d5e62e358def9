//! The clients of a test, those that fare worst first, as many as there is room for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

use super::standing::Tally;
use super::{Tint, shape};
use crate::output::unit;

const COLUMNS: [&str; 8] = ["sent", "answered", "lost", "open", "last", "mean", "max", "jitter"];
/// Probes without an answer that are on their way as a rule.
const OPEN_USUAL: u64 = 2;

/// Each client, which may be called otherwise: one of them, and several.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    clients: &BTreeMap<u32, Tally>,
    (one, several): (&str, &str),
    tint: Tint,
) {
    if area.is_empty() {
        return;
    }
    let mut worst: Vec<(&u32, &Tally)> = clients.iter().collect();
    // Clients that differ by what is on its way only stay in their order.
    worst.sort_by_key(|(_, tally)| Reverse(tally.lost + tally.open().saturating_sub(OPEN_USUAL)));
    let room = usize::from(area.height.saturating_sub(3));
    let left_out = worst.len().saturating_sub(room);
    let count = unit::count(worst.len() as u64);
    let mut values = vec![count, "the worst first".to_owned()];
    values.extend((left_out > 0).then(|| format!("{} not shown", unit::count(left_out as u64))));
    let title = shape::fitting(several, &values, area.width, tint);
    let inner = shape::framed(frame, area, title, tint);
    let rows = worst.into_iter().take(room).map(|(client, tally)| row(*client, tally, tint));
    let header = Row::new(std::iter::once(one).chain(COLUMNS).map(right)).style(tint.faint());
    let table = Table::new(rows, [Constraint::Fill(1); COLUMNS.len() + 1]).header(header);
    frame.render_widget(table, inner);
}

fn row(client: u32, tally: &Tally, tint: Tint) -> Row<'static> {
    let time = |time: Option<Duration>| right(&time.map_or(unit::NONE.to_owned(), unit::ms));
    let lost = unit::count(tally.lost);
    let lost = match tally.lost {
        0 => right(&lost),
        _ => Cell::from(Line::from(Span::styled(lost, tint.bad())).right_aligned()),
    };
    Row::new([
        right(&client.to_string()),
        right(&unit::count(tally.sent)),
        right(&unit::count(tally.answered)),
        lost,
        right(&unit::count(tally.open())),
        time(tally.last),
        time(tally.latency.mean()),
        time(tally.latency.most()),
        time(tally.step.mean()),
    ])
}

fn right(text: &str) -> Cell<'static> {
    Cell::from(Line::raw(text.to_owned()).right_aligned())
}
