//! What the cache did.

use std::collections::HashMap;

use selat_proto::json::to_json;
use selat_proto::v1::{CacheServiceGetStatsResponse, LatencyHistogram, RouteStats};
use serde_json::Value;

use crate::output::{Cell, Column, Grid, Page, Records, Report, Tone, unit};

pub(super) struct Stats(pub(super) CacheServiceGetStatsResponse);

impl Report for Stats {
    fn page(&self, page: &mut Page) {
        page.grid(&self.requests());
        page.gap();
        page.grid(&self.storage());
        if self.0.routes.len() > 1 {
            page.gap();
            page.grid(&self.routes());
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(to_json(&self.0)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(std::slice::from_ref(&self.0))
    }
}

impl Stats {
    fn requests(&self) -> Grid {
        let stats = &self.0;
        let mut grid = Grid::new(&[
            Column::Left("REQUESTS"),
            Column::Right("COUNT"),
            Column::Right("SHARE"),
            Column::Left("MEANING"),
        ]);
        let lines = [
            ("hits", stats.hits, "answered from a fresh stored response".to_owned()),
            ("revalidated", stats.revalidated, "stored, and the origin confirmed it".to_owned()),
            ("stale hits", stats.stale_hits, "answered from a stale stored response".to_owned()),
            ("collapsed", stats.collapsed, "shared another request's fetch".to_owned()),
            ("misses", stats.misses, with("fetched", &stats.misses_by_reason)),
            ("passes", stats.passes, with("not for a cache", &stats.passes_by_reason)),
        ];
        let all: u64 = lines.iter().map(|(_, count, _)| count).sum();
        for (name, count, meaning) in lines {
            grid.row(line(name, count, all, meaning));
        }
        grid.row([
            Cell::toned("all", Tone::Strong),
            Cell::toned(unit::count(all), Tone::Strong),
            "".into(),
            "".into(),
        ]);
        grid
    }

    fn routes(&self) -> Grid {
        let mut grid = Grid::new(&[
            Column::Left("ROUTE"),
            Column::Right("HITS"),
            Column::Right("SHARED"),
            Column::Right("MISSES"),
            Column::Right("PASSES"),
            Column::Right("RATIO"),
            Column::Right("STORED"),
            Column::Right("MEMORY"),
            Column::Right("HIT P99"),
        ]);
        self.0.routes.iter().for_each(|stats| grid.row(route(stats)));
        grid
    }

    fn storage(&self) -> Grid {
        let stats = &self.0;
        let mut facts = Grid::facts();
        let ratio = format!("{} answered by the cache", unit::percent(stats.hit_ratio * 100.0));
        facts.fact("hit ratio", Cell::toned(ratio, Tone::Strong));
        facts.fact("stored now", unit::plural(stats.entries, "variant", "variants"));
        facts.fact("memory", filled(stats.memory_bytes, stats.memory_max_bytes));
        if stats.disk_bytes > 0 {
            facts.fact("disk", unit::bytes(stats.disk_bytes));
        }
        facts.fact(
            "so far",
            format!(
                "{} stored, {} evicted to make room, {} purged, {} marked stale",
                unit::count(stats.stores),
                unit::count(stats.evictions),
                unit::count(stats.purges),
                unit::count(stats.soft_purges)
            ),
        );
        facts.fact(
            "bodies",
            format!(
                "{} served from the cache, {} fetched from origins",
                unit::bytes(stats.cache_body_bytes),
                unit::bytes(stats.origin_body_bytes)
            ),
        );
        facts.fact("hits took", latency(stats.hit_latency.as_ref()));
        facts.fact("fills took", latency(stats.fill_latency.as_ref()));
        let failures = reasons(&stats.origin_errors);
        if !failures.is_empty() {
            facts.fact("failed fetches", Cell::toned(failures, Tone::Bad));
        }
        facts
    }
}

/// A line for each route.
fn route(stats: &RouteStats) -> [Cell; 9] {
    let p99 = stats.hit_latency.as_ref().and_then(|latency| latency.p99.as_ref());
    [
        Cell::toned(&stats.route, Tone::Strong),
        unit::count(stats.hits + stats.stale_hits).into(),
        unit::count(stats.revalidated + stats.collapsed).into(),
        unit::count(stats.misses).into(),
        unit::count(stats.passes).into(),
        unit::percent(stats.hit_ratio * 100.0).into(),
        unit::count(stats.entries).into(),
        unit::bytes(stats.memory_bytes).into(),
        unit::message_span(p99).into(),
    ]
}

fn line(name: &str, count: u64, all: u64, meaning: String) -> [Cell; 4] {
    let share = match all {
        0 => unit::NONE.to_owned(),
        all => unit::percent(count as f64 * 100.0 / all as f64),
    };
    [name.into(), unit::count(count).into(), share.into(), Cell::toned(meaning, Tone::Faint)]
}

fn latency(measured: Option<&LatencyHistogram>) -> String {
    match measured {
        Some(measured) if measured.count > 0 => format!(
            "half in at most {}, 99 % in {}, 99.9 % in {}",
            unit::message_span(measured.p50.as_ref()),
            unit::message_span(measured.p99.as_ref()),
            unit::message_span(measured.p999.as_ref())
        ),
        _ => unit::NONE.to_owned(),
    }
}

fn filled(bytes: u64, max: u64) -> String {
    match max {
        0 => unit::bytes(bytes),
        max => {
            let filled = unit::percent(bytes as f64 * 100.0 / max as f64);
            format!("{} of {} ({filled})", unit::bytes(bytes), unit::bytes(max))
        }
    }
}

fn with(meaning: &str, counts: &HashMap<String, u64>) -> String {
    match reasons(counts).as_str() {
        "" => meaning.to_owned(),
        reasons => format!("{meaning}: {reasons}"),
    }
}

/// Largest first; a reason that never occurred is left out.
fn reasons(counts: &HashMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let each = counts.iter().map(|(reason, count)| format!("{reason} {}", unit::count(**count)));
    each.collect::<Vec<_>>().join(", ")
}
