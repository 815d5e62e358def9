//! What the cache counts, each data-plane thread for itself. `cache.proto` explains each counter.

use selat_core::cache::reason::{MissReason, PassReason, RevalidateReason, StoreRefusal};
use selat_runtime::counters::{Counter, PerThread, Tally};

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
