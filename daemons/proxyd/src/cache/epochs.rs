//! Keeps out of the store what was on its way when its key was purged.
//!
//! A fill notes the epoch of its key before it asks the origin, and may store only while that epoch
//! lasts. A purge ends the epoch, then removes. So whatever a fill stored before is removed, and whatever comes
//! after is refused.

use std::{
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use foldhash::fast::RandomState;
use selat_core::cache::key::CacheKey;

/// Epochs kept; keys that share one refuse each other's fills now and then, and nothing worse.
const SLOTS: usize = 1024;

/// The epochs of all keys.
#[derive(Debug)]
pub(crate) struct Epochs {
    hasher: RandomState,
    /// Ends with every purge of more than one key.
    all: RwLock<u64>,
    slots: Box<[Mutex<u64>]>,
}

/// The epoch in which a fill began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: usize,
    all: u64,
    own: u64,
}

impl Ticket {
    /// The ticket after a purge of its key that its holder made itself: any other ends it as before.
    pub(crate) fn after_own_purge(self) -> Self {
        Self { own: self.own + 1, ..self }
    }
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            all: RwLock::new(0),
            slots: (0..SLOTS).map(|_| Mutex::new(0)).collect(),
        }
    }

    /// The epoch of `key` now.
    pub(crate) fn ticket(&self, key: &CacheKey) -> Ticket {
        let slot = self.slot(key);
        let all = *self.all.read().unwrap_or_else(PoisonError::into_inner);
        Ticket { slot, all, own: *self.lock(slot) }
    }

    /// Does `store` unless the ticket's epoch has ended. While it does, none of its key ends, and
    /// nothing else is stored under it.
    pub(crate) fn while_valid<T>(&self, ticket: Ticket, store: impl FnOnce() -> T) -> Option<T> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let own = self.lock(ticket.slot);
        (*all == ticket.all && *own == ticket.own).then(store)
    }

    /// Ends the epoch of `key`.
    pub(crate) fn end(&self, key: &CacheKey) {
        *self.lock(self.slot(key)) += 1;
    }

    /// Ends the epochs of all keys.
    pub(crate) fn end_all(&self) {
        *self.all.write().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn slot(&self, key: &CacheKey) -> usize {
        // The remainder is less than SLOTS.
        (self.hasher.hash_one(key) % SLOTS as u64) as usize
    }

    fn lock(&self, slot: usize) -> MutexGuard<'_, u64> {
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
