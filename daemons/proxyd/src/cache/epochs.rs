//! Keeps out of the store what was on its way when it was purged.
//!
//! A fill takes a ticket before it asks the origin, and may store only if nothing that it brings was purged
//! since. A purge is remembered for the fills that began before it; only then it removes. So whatever a fill
//! stored before is removed, and whatever comes after is refused, without harm to fills that the purge does
//! not concern; only a pattern refuses all.

use std::{
    collections::VecDeque,
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use foldhash::fast::RandomState;
use selat_core::cache::key::CacheKey;

use super::{
    selection::{Selection, Which},
    tags::Tags,
};

/// Slots among which keys are spread.
const SLOTS: usize = 1024;

/// Purges of one URL that a slot remembers. A fill that began before all of them is refused.
const KEYS_MAX: usize = 8;

/// Purges of many that are remembered. A fill that began before all of them is refused.
const PURGES_MAX: usize = 256;

/// What was purged of late.
#[derive(Debug)]
pub(crate) struct Epochs {
    hasher: RandomState,
    purges: RwLock<Purges>,
    slots: Box<[Mutex<Slot>]>,
}

/// The purges of one URL each, by number.
#[derive(Debug, Default)]
struct Slot {
    /// Number of the first that is remembered.
    first: u64,
    /// Hashes of their keys' bases.
    last: VecDeque<u64>,
}

/// The purges of many, by number.
#[derive(Debug, Default)]
struct Purges {
    /// Number of the first that is remembered.
    first: u64,
    last: VecDeque<Selection>,
}

/// When a fill began, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Hash of the key's base: of its URL.
    hash: u64,
    /// Number of the next purge of many.
    purge: u64,
    /// Number of the next purge in the key's slot.
    own: u64,
    /// Purges of the key by the fill itself.
    by_itself: usize,
}

impl Ticket {
    /// The ticket of a fill that has itself purged its key since.
    pub(crate) fn after_own_purge(self) -> Self {
        Self { by_itself: self.by_itself + 1, ..self }
    }
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            purges: RwLock::default(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// To be had before the origin is asked for what is then stored under `key`.
    pub(crate) fn ticket(&self, key: &CacheKey) -> Ticket {
        let hash = self.hasher.hash_one(key.base());
        let purge = self.purges.read().unwrap_or_else(PoisonError::into_inner).next();
        Ticket { hash, purge, own: self.slot(hash).next(), by_itself: 0 }
    }

    /// Does `store` unless a response under `key` with these tags was purged since the ticket was
    /// had. While it does, none is, and nothing else is stored under the key.
    pub(crate) fn while_valid<T>(
        &self,
        ticket: Ticket,
        key: &CacheKey,
        tags: &Tags,
        store: impl FnOnce() -> T,
    ) -> Option<T> {
        let purges = self.purges.read().unwrap_or_else(PoisonError::into_inner);
        let slot = self.slot(ticket.hash);
        (!slot.concerns(ticket) && !purges.concern(ticket, key, tags)).then(store)
    }

    /// Remembers that what is selected is purged.
    pub(crate) fn end(&self, selection: &Selection) {
        if selection.is_of_the_past() {
            return;
        }
        if let Which::Resource(base) = &selection.which {
            let hash = self.hasher.hash_one(base.as_str());
            self.slot(hash).remember(hash);
        } else {
            let mut purges = self.purges.write().unwrap_or_else(PoisonError::into_inner);
            purges.remember(selection.cheapened());
        }
    }

    fn slot(&self, hash: u64) -> MutexGuard<'_, Slot> {
        // The remainder is less than SLOTS.
        let slot = (hash % SLOTS as u64) as usize;
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn next(&self) -> u64 {
        self.first + self.last.len() as u64
    }

    fn remember(&mut self, hash: u64) {
        if self.last.len() == KEYS_MAX {
            self.last.pop_front();
            self.first += 1;
        }
        self.last.push_back(hash);
    }

    /// Whether any purge since the ticket was had may concern its key.
    fn concerns(&self, ticket: Ticket) -> bool {
        let Some(known) = ticket.own.checked_sub(self.first) else { return true };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let purges = self.last.iter().skip(known).filter(|hash| **hash == ticket.hash);
        purges.count() > ticket.by_itself
    }
}

impl Purges {
    fn next(&self) -> u64 {
        self.first + self.last.len() as u64
    }

    fn remember(&mut self, selection: Selection) {
        if self.last.len() == PURGES_MAX {
            self.last.pop_front();
            self.first += 1;
        }
        self.last.push_back(selection);
    }

    /// Whether any purge since the ticket was had may concern such a response.
    fn concern(&self, ticket: Ticket, key: &CacheKey, tags: &Tags) -> bool {
        let Some(known) = ticket.purge.checked_sub(self.first) else { return true };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        self.last.iter().skip(known).any(|selection| selection.matches(key, tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> CacheKey {
        CacheKey::from(format!("default http://host{path}").as_str())
    }

    fn is_valid(epochs: &Epochs, ticket: Ticket, key: &CacheKey) -> bool {
        epochs.while_valid(ticket, key, &Tags::default(), || ()).is_some()
    }

    #[test]
    fn a_fill_is_refused_only_if_it_was_purged_since_it_began() {
        let epochs = Epochs::new();
        let (a, b) = (key("/a"), key("/b"));
        let before = [epochs.ticket(&a), epochs.ticket(&b)];
        epochs.end(&Selection::prefix("http://host/a"));
        assert!(!is_valid(&epochs, before[0], &a));
        assert!(is_valid(&epochs, before[1], &b));
        assert!(is_valid(&epochs, epochs.ticket(&a), &a));
        epochs.end(&Selection::resource(&b));
        assert!(!is_valid(&epochs, before[1], &b));
    }

    #[test]
    fn a_fill_outlasts_purges_of_other_keys_and_its_own() {
        let epochs = Epochs::new();
        let a = key("/a");
        let ticket = epochs.ticket(&a);
        for number in 0..SLOTS {
            epochs.end(&Selection::resource(&key(&format!("/other/{number}"))));
        }
        assert!(is_valid(&epochs, ticket, &a));
        epochs.end(&Selection::resource(&a));
        assert!(!is_valid(&epochs, ticket, &a));
        assert!(is_valid(&epochs, ticket.after_own_purge(), &a));
        epochs.end(&Selection::resource(&a));
        assert!(!is_valid(&epochs, ticket.after_own_purge(), &a));
    }

    #[test]
    fn a_fill_older_than_all_remembered_purges_is_refused() {
        let epochs = Epochs::new();
        let (a, elsewhere) = (key("/a"), Selection::prefix("http://elsewhere/"));
        let ticket = epochs.ticket(&a);
        for _ in 0..PURGES_MAX {
            epochs.end(&elsewhere);
        }
        assert!(is_valid(&epochs, ticket, &a));
        epochs.end(&elsewhere);
        assert!(!is_valid(&epochs, ticket, &a));
    }
}
