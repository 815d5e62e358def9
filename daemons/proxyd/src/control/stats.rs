//! The cache's statistics, summed over the threads.

use std::collections::HashMap;

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_proto::v1::CacheServiceGetStatsResponse;
use selat_runtime::counters::Counter;

use crate::{
    counters::{Counters, ThreadCounters},
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
    CacheServiceGetStatsResponse {
        hits,
        misses,
        stale_hits,
        revalidated,
        collapsed,
        passes,
        stores: sum(|it| &it.stores),
        evictions: store.evicted(),
        purges: store.purged(),
        entries: store.variants(),
        memory_bytes: store.memory_bytes(),
        memory_max_bytes: store.capacity(),
        disk_bytes: 0,
        hit_ratio: ratio(answered, answered + misses + passes),
        cache_body_bytes: sum(|it| &it.cache_body_bytes),
        origin_body_bytes: sum(|it| &it.origin_body_bytes),
        misses_by_reason,
        passes_by_reason,
        not_stored_by_reason: by_reason(StoreRefusal::ALL, StoreRefusal::as_str, |reason| {
            counters.sum(|it| it.not_stored.value(reason.index()))
        }),
        origin_errors: by_reason(&OriginError::ALL, OriginError::as_str, |reason| {
            counters.sum(|it| it.origin_errors.value(reason.index()))
        }),
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
