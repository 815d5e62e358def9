//! The cache's statistics, summed over the threads.

use std::collections::HashMap;

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_proto::v1::{CacheServiceGetStatsResponse, LatencyBucket, LatencyHistogram, RouteStats};
use selat_runtime::counters::Counter;

use super::entries::span;
use crate::{
    counters::{Counters, ThreadCounters},
    latency::{self, Latency},
    origin::OriginError,
    proxy::Proxy,
};

/// What was counted until now.
pub(super) fn of(proxy: &Proxy) -> CacheServiceGetStatsResponse {
    let (store, counters) = (&proxy.store, &*proxy.counters);
    let sum = |pick: fn(&ThreadCounters) -> &Counter| counters.sum(|it| pick(it).value());
    let (hits, stale_hits) = (sum(|it| &it.hits), sum(|it| &it.stale_hits));
    let (revalidated, collapsed) = (sum(|it| &it.revalidated), sum(|it| &it.collapsed));
    let misses_by_reason = misses(counters);
    let passes_by_reason = by_reason(PassReason::ALL, PassReason::as_str, |reason| {
        counters.sum(|it| it.passes.value(reason.index()))
    });
    let misses = misses_by_reason.values().sum();
    let passes = passes_by_reason.values().sum();
    let answered = hits + stale_hits + revalidated + collapsed;
    let hit_ratio = ratio(answered, answered + misses + passes);
    let (stores, cache_body_bytes) = (sum(|it| &it.stores), sum(|it| &it.cache_body_bytes));
    let origin_body_bytes = sum(|it| &it.origin_body_bytes);
    let route = RouteStats {
        route: proxy.route.load().namespace.to_owned(),
        hits,
        misses,
        stale_hits,
        revalidated,
        collapsed,
        passes,
        stores,
        cache_body_bytes,
        origin_body_bytes,
        hit_ratio,
    };
    CacheServiceGetStatsResponse {
        hits,
        misses,
        stale_hits,
        revalidated,
        collapsed,
        passes,
        stores,
        evictions: store.evicted(),
        purges: store.removed(),
        soft_purges: store.marked_stale(),
        entries: store.variants(),
        memory_bytes: store.memory_bytes(),
        memory_max_bytes: store.capacity(),
        disk_bytes: 0,
        hit_ratio,
        cache_body_bytes,
        origin_body_bytes,
        misses_by_reason,
        passes_by_reason,
        not_stored_by_reason: by_reason(StoreRefusal::ALL, StoreRefusal::as_str, |reason| {
            counters.sum(|it| it.not_stored.value(reason.index()))
        }),
        origin_errors: by_reason(&OriginError::ALL, OriginError::as_str, |reason| {
            counters.sum(|it| it.origin_errors.value(reason.index()))
        }),
        hit_latency: Some(histogram(counters, |it| &it.hit_latency)),
        fill_latency: Some(histogram(counters, |it| &it.fill_latency)),
        // All requests take the one route that there is.
        routes: vec![route],
    }
}

fn histogram(counters: &Counters, pick: fn(&ThreadCounters) -> &Latency) -> LatencyHistogram {
    let counts: Vec<u64> =
        (0..latency::BUCKETS).map(|index| counters.sum(|it| pick(it).count(index))).collect();
    let quantile = |share| latency::quantile(&counts, share).and_then(span);
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    LatencyHistogram {
        count: counts.iter().sum(),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p999: quantile(0.999),
        buckets: filled
            .map(|(index, count)| LatencyBucket {
                upper: span(latency::upper(index)),
                count: *count,
            })
            .collect(),
    }
}

/// Nothing was stored, or what was stored was replaced.
fn misses(counters: &Counters) -> HashMap<String, u64> {
    let absent = by_reason(MissReason::ALL, MissReason::as_str, |reason| {
        counters.sum(|it| it.misses.value(reason.index()))
    });
    let replaced = by_reason(RevalidateReason::ALL, RevalidateReason::as_str, |reason| {
        counters.sum(|it| it.replaced.value(reason.index()))
    });
    absent.into_iter().chain(replaced).collect()
}

fn by_reason<R: Copy>(
    all: &[R],
    name: impl Fn(R) -> &'static str,
    count: impl Fn(R) -> u64,
) -> HashMap<String, u64> {
    all.iter().map(|reason| (name(*reason).to_owned(), count(*reason))).collect()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
