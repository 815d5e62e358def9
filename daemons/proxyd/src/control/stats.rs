//! The cache's statistics: of each route, summed over the threads, and of all of them.

use std::{collections::HashMap, slice, sync::Arc};

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_proto::v1::{CacheServiceGetStatsResponse, LatencyBucket, LatencyHistogram, RouteStats};

use super::entries::span;
use crate::{
    counters::{Counters, ThreadCounters},
    latency::{self, Latency},
    origin::OriginError,
    proxy::Proxy,
};

/// What was counted until now, of the route of this name or of all; `None` where there never was one.
pub(super) fn of(proxy: &Proxy, route: Option<&str>) -> Option<CacheServiceGetStatsResponse> {
    let mut ledger = proxy.ledger.all();
    ledger.retain(|(name, _)| route.is_none_or(|route| **name == *route));
    if ledger.is_empty() {
        return None;
    }
    let routes = ledger.iter().map(|(name, counters)| stats(name, slice::from_ref(counters)));
    let routes = routes.collect();
    let all: Vec<_> = ledger.iter().map(|(_, counters)| Arc::clone(counters)).collect();
    let all = stats(route.unwrap_or_default(), &all);
    Some(CacheServiceGetStatsResponse {
        hits: all.hits,
        misses: all.misses,
        stale_hits: all.stale_hits,
        revalidated: all.revalidated,
        collapsed: all.collapsed,
        passes: all.passes,
        stores: all.stores,
        evictions: all.evictions,
        purges: all.purges,
        soft_purges: all.soft_purges,
        entries: all.entries,
        memory_bytes: all.memory_bytes,
        memory_max_bytes: proxy.store.capacity(),
        disk_bytes: 0,
        hit_ratio: all.hit_ratio,
        cache_body_bytes: all.cache_body_bytes,
        origin_body_bytes: all.origin_body_bytes,
        misses_by_reason: all.misses_by_reason,
        passes_by_reason: all.passes_by_reason,
        not_stored_by_reason: all.not_stored_by_reason,
        origin_errors: all.origin_errors,
        hit_latency: all.hit_latency,
        fill_latency: all.fill_latency,
        routes,
    })
}

/// The counters of one route, or of several taken together.
fn stats(route: &str, counters: &[Arc<Counters>]) -> RouteStats {
    let counters = Sum(counters);
    let (hits, stale_hits) =
        (counters.of(|it| it.hits.value()), counters.of(|it| it.stale_hits.value()));
    let revalidated = counters.of(|it| it.revalidated.value());
    let collapsed = counters.of(|it| it.collapsed.value());
    let misses_by_reason = misses(counters);
    let passes_by_reason = by_reason(PassReason::ALL, PassReason::as_str, |reason| {
        counters.of(|it| it.passes.value(reason.index()))
    });
    let misses = misses_by_reason.values().sum();
    let passes = passes_by_reason.values().sum();
    let answered = hits + stale_hits + revalidated + collapsed;
    RouteStats {
        route: route.to_owned(),
        hits,
        misses,
        stale_hits,
        revalidated,
        collapsed,
        passes,
        stores: counters.of(|it| it.stores.value()),
        evictions: counters.of(|it| it.evictions.value()),
        purges: counters.of(|it| it.purges.value()),
        soft_purges: counters.of(|it| it.soft_purges.value()),
        entries: counters.of(|it| it.entries.value()),
        memory_bytes: counters.of(|it| it.memory_bytes.value()),
        hit_ratio: ratio(answered, answered + misses + passes),
        cache_body_bytes: counters.of(|it| it.cache_body_bytes.value()),
        origin_body_bytes: counters.of(|it| it.origin_body_bytes.value()),
        misses_by_reason,
        passes_by_reason,
        not_stored_by_reason: by_reason(StoreRefusal::ALL, StoreRefusal::as_str, |reason| {
            counters.of(|it| it.not_stored.value(reason.index()))
        }),
        origin_errors: by_reason(&OriginError::ALL, OriginError::as_str, |reason| {
            counters.of(|it| it.origin_errors.value(reason.index()))
        }),
        hit_latency: Some(histogram(counters, |it| &it.hit_latency)),
        fill_latency: Some(histogram(counters, |it| &it.fill_latency)),
    }
}

/// Counters of some routes, taken together.
#[derive(Clone, Copy)]
struct Sum<'a>(&'a [Arc<Counters>]);

impl Sum<'_> {
    /// The sum of what `pick` picks. A gauge of one thread may be below zero: the sum of all is not.
    fn of(self, pick: impl Fn(&ThreadCounters) -> u64) -> u64 {
        self.0.iter().map(|counters| counters.sum(&pick)).fold(0, u64::wrapping_add)
    }
}

fn histogram(counters: Sum<'_>, pick: fn(&ThreadCounters) -> &Latency) -> LatencyHistogram {
    let counts: Vec<u64> =
        (0..latency::BUCKETS).map(|index| counters.of(|it| pick(it).count(index))).collect();
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
fn misses(counters: Sum<'_>) -> HashMap<String, u64> {
    let absent = by_reason(MissReason::ALL, MissReason::as_str, |reason| {
        counters.of(|it| it.misses.value(reason.index()))
    });
    let replaced = by_reason(RevalidateReason::ALL, RevalidateReason::as_str, |reason| {
        counters.of(|it| it.replaced.value(reason.index()))
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
