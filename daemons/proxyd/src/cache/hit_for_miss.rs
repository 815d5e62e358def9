//! Keys whose last response could not be stored, bounded in bytes.
//!
//! A purge takes none out: each has the ticket of its fetch, and no longer counts once anything was purged since that
//! its response could have been.

use std::time::SystemTime;

use foldhash::fast::RandomState;
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};
use selat_core::cache::{hit_for_miss::HitForMiss, key::CacheKey, reason::StoreRefusal};

use super::{epochs::Ticket, store::Store, tags::Tags};

/// Bytes of all of them together: of more, those that were of no use go.
const BYTES_MAX: u64 = 4 << 20;

/// Bytes that each costs beside its key and tags: the entries of the map and of its queues.
const OVERHEAD_BYTES: usize = 256;

/// What is remembered of the response to a fetch.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) said: HitForMiss,
    /// Had before the origin was asked.
    pub(crate) ticket: Ticket,
    pub(crate) tags: Tags,
}

/// The keys, shared by all threads.
#[derive(Debug)]
pub(crate) struct HitsForMiss(
    Cache<CacheKey, Refused, Bytes, RandomState, DefaultLifecycle<CacheKey, Refused>>,
);

impl HitsForMiss {
    pub(crate) fn new() -> Self {
        let expected = BYTES_MAX as usize / (2 * OVERHEAD_BYTES);
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self(Cache::with(expected, BYTES_MAX, Bytes, hasher, lifecycle))
    }

    /// Remembers the response in place of what was remembered of the key.
    pub(crate) fn remember(&self, key: CacheKey, refused: Refused) {
        self.0.insert(key, refused);
    }

    /// Forgets a key: a response of it was stored.
    pub(crate) fn forget(&self, key: &CacheKey) {
        self.0.remove(key);
    }

    /// Forgets a key whose response is on its way into the store, unless this may yet keep it out as it did the last.
    pub(crate) fn forget_unless(&self, key: &CacheKey, refusal: StoreRefusal) {
        self.0.remove_if(key, |refused| refused.said.refusal() != refusal);
    }

    /// What says that a request for `key`, which `selects` something stored or not, need not wait for another's fetch.
    pub(crate) fn find(
        &self,
        key: &CacheKey,
        selects: bool,
        now: SystemTime,
        store: &Store,
    ) -> Option<HitForMiss> {
        let Refused { said, ticket, tags } = self.0.get(key)?;
        (said.applies(selects, now) && store.is_current(ticket, key, &tags)).then_some(said)
    }
}

/// Weighs what is remembered by its bytes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<CacheKey, Refused> for Bytes {
    fn weight(&self, key: &CacheKey, refused: &Refused) -> u64 {
        (key.as_str().len() + OVERHEAD_BYTES) as u64 + refused.tags.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;
    use selat_core::cache::options::PolicyOptions;

    use super::*;
    use crate::counters::Ledger;

    #[test]
    fn keys_without_end_take_no_more_than_is_allowed() {
        let store = Store::new(1 << 20, 1 << 20, Arc::new(Ledger::new(1)));
        let (keys, now) = (HitsForMiss::new(), SystemTime::now());
        let (private, options) = (StoreRefusal::Private, PolicyOptions::default());
        let said = HitForMiss::of(private, StatusCode::OK, false, now, &options).unwrap();
        let remember = |number: usize| {
            let key = CacheKey::from(format!("default http://host/{number}").as_str());
            let refused = Refused { said, ticket: store.ticket(&key), tags: Tags::default() };
            keys.remember(key.clone(), refused);
            keys.find(&key, false, now, &store)
        };
        assert_eq!(remember(0), Some(said));
        for number in 0..100_000 {
            remember(number);
        }
        assert!(keys.0.len() > 1000 && keys.0.weight() <= BYTES_MAX, "{:?}", keys.0);
    }
}
