//! What is stored: a line for each resource.

use anyhow::Context;
use selat_proto::json::to_json;
use selat_proto::v1::ListEntriesResponse;
use serde_json::{Value, json};

use super::variants::freshness;
use crate::output::{Cell, Column, Grid, Page, Records, Report, Tone, unit};

/// Why it may be that nothing starts so.
pub(super) const PREFIX_HINT: &str =
    "prefixes are compared with URLs as `netctl cache ls` shows them";

pub(super) struct Entries {
    pub(super) entries: Vec<ListEntriesResponse>,
    /// Whether there are more than were asked for.
    pub(super) is_truncated: bool,
    /// Whether only those with a prefix were asked for.
    pub(super) has_prefix: bool,
}

impl Report for Entries {
    fn page(&self, page: &mut Page) {
        if self.entries.is_empty() {
            page.line("Nothing is stored that fits.");
            if self.has_prefix {
                page.line(format!("  {PREFIX_HINT}"));
            }
            return;
        }
        let has_routes = self.has_routes();
        let mut columns = vec![Column::Left("URL")];
        columns.extend(has_routes.then_some(Column::Left("ROUTE")));
        columns.extend([
            Column::Right("STATUS"),
            Column::Right("VARIANTS"),
            Column::Right("SIZE"),
            Column::Right("HITS"),
            Column::Right("AGE"),
            Column::Left("FRESHNESS"),
        ]);
        let mut grid = Grid::new(&columns);
        self.entries.iter().for_each(|entry| grid.row(row(entry, has_routes)));
        page.grid(&grid);
        page.gap();
        page.line(self.summary());
    }

    fn json(&self) -> anyhow::Result<Value> {
        let entries = self.entries.iter().map(to_json).collect::<Result<Vec<_>, _>>();
        let entries = entries.context("cannot show an entry")?;
        Ok(json!({ "entries": entries, "truncated": self.is_truncated }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(&self.entries)
    }
}

impl Entries {
    /// Whether they are of more than one route, which may store the same URL.
    fn has_routes(&self) -> bool {
        let first = self.entries.first();
        self.entries.iter().any(|entry| first.is_some_and(|first| first.route != entry.route))
    }

    fn summary(&self) -> String {
        let count = self.entries.len() as u64;
        let bytes = self.entries.iter().map(|entry| entry.memory_bytes).sum();
        let summary =
            format!("{} in {}", unit::plural(count, "entry", "entries"), unit::bytes(bytes));
        if self.is_truncated { summary + "; there are more: raise --limit" } else { summary }
    }
}

/// The URL, and what its key tells apart beside it.
fn key(entry: &ListEntriesResponse) -> String {
    let parts = entry.key_parts.iter().map(|part| format!("  {part}"));
    [entry.url.clone()].into_iter().chain(parts).collect()
}

fn row(entry: &ListEntriesResponse, has_routes: bool) -> Vec<Cell> {
    let mut cells = vec![Cell::toned(key(entry), Tone::Strong)];
    cells.extend(has_routes.then(|| Cell::from(&entry.route)));
    cells.extend([
        entry.status.into(),
        unit::count(entry.variants.into()).into(),
        unit::bytes(entry.memory_bytes).into(),
        unit::count(entry.hits).into(),
        unit::message_span(entry.age.as_ref()).into(),
        freshness(entry.ttl.as_ref()),
    ]);
    cells
}
