//! What the cache counts, each data-plane thread for itself. `cache.proto` explains each counter.

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_runtime::counters::{Counter, Named, PerThread, Tally};

use crate::{latency::Latency, origin::OriginError};

/// The counters of all threads.
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
    pub(crate) hit_latency: Latency,
    pub(crate) fill_latency: Latency,
    pub(crate) cache_body_bytes: Counter,
    pub(crate) origin_body_bytes: Counter,
}

impl Named for ThreadCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("cache.hits", &self.hits);
        visit("cache.stale_hits", &self.stale_hits);
        visit("cache.revalidated", &self.revalidated);
        visit("cache.collapsed", &self.collapsed);
        visit("cache.stores", &self.stores);
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
