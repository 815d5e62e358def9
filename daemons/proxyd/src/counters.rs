//! What the cache counts, for each route, each data-plane thread for itself. `cache.proto` explains each
//! counter.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_runtime::counters::{Counter, Gauge, Named, PerThread, Tally};

use crate::{latency::Latency, origin::OriginError};

/// The counters of a route, of all threads.
pub(crate) type Counters = PerThread<ThreadCounters>;

/// The counters of one thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadCounters {
    pub(crate) hits: Counter,
    pub(crate) stale_hits: Counter,
    pub(crate) revalidated: Counter,
    pub(crate) collapsed: Counter,
    pub(crate) misses: Tally<{ MissReason::COUNT }>,
    pub(crate) replaced: Tally<{ RevalidateReason::COUNT }>,
    pub(crate) passes: Tally<{ PassReason::COUNT }>,
    pub(crate) not_stored: Tally<{ StoreRefusal::COUNT }>,
    pub(crate) origin_errors: Tally<{ OriginError::ALL.len() }>,
    pub(crate) stores: Counter,
    pub(crate) evictions: Counter,
    pub(crate) purges: Counter,
    pub(crate) soft_purges: Counter,
    pub(crate) hit_latency: Latency,
    pub(crate) fill_latency: Latency,
    pub(crate) cache_body_bytes: Counter,
    pub(crate) origin_body_bytes: Counter,
    pub(crate) entries: Gauge,
    pub(crate) memory_bytes: Gauge,
}

/// The counters of every route that there has been since start, by name. Those of one that is gone stay, so that
/// no sum ever goes down.
#[derive(Debug)]
pub(crate) struct Ledger {
    threads: usize,
    routes: RwLock<BTreeMap<Arc<str>, Arc<Counters>>>,
}

impl Ledger {
    /// For this many data-plane threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, routes: RwLock::default() }
    }

    /// The counters of a route.
    pub(crate) fn of(&self, route: &str) -> Arc<Counters> {
        let known = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(route).cloned();
        known.unwrap_or_else(|| {
            let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(Counters::new(self.threads));
            Arc::clone(routes.entry(route.into()).or_insert_with(made))
        })
    }

    /// Every route's, in order of their names.
    pub(crate) fn all(&self) -> Vec<(Arc<str>, Arc<Counters>)> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().map(|(name, counters)| (Arc::clone(name), Arc::clone(counters))).collect()
    }
}

/// Each route's under its own name.
impl Named for Ledger {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        for (route, counters) in self.all() {
            counters.visit(&mut |name, counter| visit(&format!("{route}.{name}"), counter));
        }
    }
}

impl Named for ThreadCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("cache.hits", &self.hits);
        visit("cache.stale_hits", &self.stale_hits);
        visit("cache.revalidated", &self.revalidated);
        visit("cache.collapsed", &self.collapsed);
        visit("cache.stores", &self.stores);
        visit("cache.evictions", &self.evictions);
        visit("cache.purges", &self.purges);
        visit("cache.soft_purges", &self.soft_purges);
        visit("cache.cache_body_bytes", &self.cache_body_bytes);
        visit("cache.origin_body_bytes", &self.origin_body_bytes);
        self.misses.visit("cache.misses.", MissReason::ALL, visit);
        self.replaced.visit("cache.replaced.", RevalidateReason::ALL, visit);
        self.passes.visit("cache.passes.", PassReason::ALL, visit);
        self.not_stored.visit("cache.not_stored.", StoreRefusal::ALL, visit);
        let errors = OriginError::ALL.map(OriginError::as_str);
        self.origin_errors.visit("cache.origin_errors.", errors, visit);
        self.hit_latency.visit("cache.hit_latency.", visit);
        self.fill_latency.visit("cache.fill_latency.", visit);
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use selat_proto::v1::KeptState;
    use selat_runtime::{counters::counted, keep::STATE_BYTES_MAX};

    use super::*;
    use crate::config::routes::{NAME_BYTES_MAX, ROUTES_MAX};

    #[test]
    fn what_as_many_routes_as_may_be_count_outlives_a_restart() {
        let ledger = Ledger::new(1);
        for route in 0..=ROUTES_MAX {
            let _ = ledger.of(&format!("{route:0NAME_BYTES_MAX$}"));
        }
        ledger.visit(&mut |_, counter| counter.add(u64::MAX));
        let counters = counted(|visit| ledger.visit(visit));
        let bytes = KeptState { counters, sessions: Vec::new() }.encoded_len();
        assert!(bytes < STATE_BYTES_MAX / 3 * 2, "{bytes} of {STATE_BYTES_MAX} bytes");
    }
}
