//! `cache stats --watch`: what the cache did since the line before, over and over.

use std::time::Duration;

use jiff::Timestamp;
use selat_proto::json::to_json;
use selat_proto::v1::{CacheServiceGetStatsRequest, CacheServiceGetStatsResponse};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Watching;
use crate::client::Control;
use crate::output::{Output, Page, Records, Report, field_names, labelled, unit};

/// Lines between two headers.
const HEADER_EVERY: u64 = 20;

/// Shows statistics every `pause`, as often as `watching` wants.
pub(super) async fn watch(
    control: &Control,
    pause: Duration,
    watching: &Watching,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<()> {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut number) = (None, 0);
    while watching.count.is_none_or(|count| number < count) {
        ticks.tick().await;
        let request = CacheServiceGetStatsRequest { route: watching.route.clone() };
        let stats = control.answer(control.cache().get_stats(request)).await?;
        let at = Instant::now();
        let line = Line { stats, before, at, time: Timestamp::now(), number };
        output.show_next(&line, number == 0)?;
        before = Some((line.stats, at));
        number += 1;
    }
    Ok(())
}

/// The statistics of a moment, and those of the moment before.
struct Line {
    stats: CacheServiceGetStatsResponse,
    before: Option<(CacheServiceGetStatsResponse, Instant)>,
    at: Instant,
    /// The same by the clock of this machine.
    time: Timestamp,
    number: u64,
}

impl Report for Line {
    fn page(&self, page: &mut Page) {
        if self.number.is_multiple_of(HEADER_EVERY) {
            page.line(row([
                "REQ/S",
                "HIT/S",
                "STALE/S",
                "MISS/S",
                "PASS/S",
                "HITS",
                "FROM CACHE/S",
                "FROM ORIGIN/S",
                "EVICT/S",
                "PURGE/S",
                "ENTRIES",
                "MEMORY",
                "HIT P99",
            ]));
        }
        page.line(row(self.cells().each_ref().map(String::as_str)));
    }

    fn json(&self) -> anyhow::Result<Value> {
        // RFC 3339, as times of messages are.
        Ok(labelled("time", &format!("{:.3}", self.time), to_json(&self.stats)?))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let time = ["time".to_owned()].into_iter();
        let columns = time.chain(field_names::<CacheServiceGetStatsResponse>()?);
        let mut records = Records::new(columns);
        records.push_object(&self.json()?);
        Ok(records)
    }
}

impl Line {
    fn cells(&self) -> [String; COLUMNS] {
        let rate = |pick: fn(&CacheServiceGetStatsResponse) -> u64| self.rate(pick);
        let per_s = |rate: Option<f64>| rate.map_or(unit::NONE.to_owned(), |it| format!("{it:.0}"));
        let bytes =
            |rate: Option<f64>| rate.map_or(unit::NONE.to_owned(), |it| unit::bytes(it as u64));
        let all = rate(|it| answered(it) + it.misses + it.passes);
        let share = rate(answered).zip(all).filter(|(_, all)| *all > 0.0);
        let p99 = self.stats.hit_latency.as_ref().and_then(|latency| latency.p99.as_ref());
        [
            per_s(all),
            per_s(rate(|it| it.hits)),
            per_s(rate(|it| it.stale_hits)),
            per_s(rate(|it| it.misses)),
            per_s(rate(|it| it.passes)),
            share.map_or(unit::NONE.to_owned(), |(hits, all)| unit::percent(hits * 100.0 / all)),
            bytes(rate(|it| it.cache_body_bytes)),
            bytes(rate(|it| it.origin_body_bytes)),
            per_s(rate(|it| it.evictions)),
            per_s(rate(|it| it.purges + it.soft_purges)),
            unit::count(self.stats.entries),
            unit::bytes(self.stats.memory_bytes),
            unit::message_span(p99),
        ]
    }

    /// A counter's growth per second since the line before; none on the first line.
    fn rate(&self, pick: fn(&CacheServiceGetStatsResponse) -> u64) -> Option<f64> {
        let (before, since) = self.before.as_ref()?;
        let seconds = self.at.saturating_duration_since(*since).as_secs_f64();
        let grown = pick(&self.stats).saturating_sub(pick(before));
        (seconds > 0.0).then(|| grown as f64 / seconds)
    }
}

/// Requests that the origin was spared.
fn answered(stats: &CacheServiceGetStatsResponse) -> u64 {
    stats.hits + stats.stale_hits + stats.revalidated + stats.collapsed
}

/// Columns of a line.
const COLUMNS: usize = 13;

/// Their widths.
const WIDTHS: [usize; COLUMNS] = [8, 8, 8, 8, 8, 8, 12, 13, 8, 8, 9, 10, 10];

fn row(cells: [&str; COLUMNS]) -> String {
    let cells = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}"));
    cells.collect::<Vec<_>>().join(" ")
}
