//! The store: resources by key, each with its variants, bounded in bytes with what keeping them
//! costs, evicted by S3-FIFO (quick_cache), which a scan does not flush.
//!
//! A hit takes the read lock of one shard and nothing else. Whoever changes a resource brings the
//! [`Index`] up to date after the shard's lock is released, also for what was evicted by the change.

use std::{
    cell::Cell,
    ops::{Add, AddAssign},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use foldhash::fast::RandomState;
use http::HeaderMap;
use quick_cache::{
    Lifecycle, OptionsBuilder, Weighter,
    sync::{Cache, EntryAction, EntryResult},
};
use selat_core::cache::{
    key::CacheKey,
    partial::are_apart,
    reason::{RevalidateReason, StoreRefusal},
};
use smallvec::SmallVec;

use super::{
    epochs::{Epochs, Ticket},
    index::{Cursor, Index},
    object::Object,
    resource::{Chosen, Resource, cap},
    selection::Selection,
    tags::Tags,
};
use crate::counters::{Counters, Ledger};

/// Share of a shard that its largest object may take.
const OBJECT_SHARE: u64 = 4;

/// Most shards, each with a lock.
const SHARDS_MAX: u64 = 64;

/// Bytes that a resource is expected to take, for the first size of the map.
const EXPECTED_RESOURCE_BYTES: u64 = 16 << 10;

/// How much was meant by a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purged {
    /// Variants.
    pub(crate) variants: u64,
    /// Bytes that they take or took.
    pub(crate) bytes: u64,
}

impl Add for Purged {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { variants: self.variants + other.variants, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Purged {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// What a purge does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PurgeMode {
    /// Remove it.
    Remove,
    /// Mark it stale: it is validated before it is next served, or served stale where that is
    /// allowed.
    MarkStale,
    /// Only count it.
    Count,
}

impl PurgeMode {
    /// What was done, in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "removed",
            Self::MarkStale => "marked stale",
            Self::Count => "counted",
        }
    }
}

/// Stored responses, shared by all threads.
#[derive(Debug)]
pub(crate) struct Store {
    resources: Cache<CacheKey, Resource, Bytes, RandomState, Evictions>,
    index: Index,
    epochs: Epochs,
    /// Variants stored now.
    variants: Arc<AtomicU64>,
    evictions: Evictions,
    /// What is counted of each route.
    ledger: Arc<Ledger>,
}

impl Store {
    /// For `memory_bytes` of resources, with content of `object_bytes` at most.
    pub(crate) fn new(memory_bytes: u64, object_bytes: u64, ledger: Arc<Ledger>) -> Self {
        let shard_bytes = object_bytes.max(1 << 20).saturating_mul(OBJECT_SHARE);
        let shards = (memory_bytes / shard_bytes).clamp(1, SHARDS_MAX);
        let expected = memory_bytes / EXPECTED_RESOURCE_BYTES;
        let options = OptionsBuilder::new()
            .weight_capacity(memory_bytes)
            .estimated_items_capacity(usize::try_from(expected.min(1 << 16)).unwrap_or(1 << 16))
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let variants = Arc::new(AtomicU64::new(0));
        let evictions = Evictions {
            variants: Arc::clone(&variants),
            ledger: Arc::clone(&ledger),
            keys: Arc::default(),
        };
        let hasher = RandomState::default();
        let resources = match options {
            Ok(options) => Cache::with_options(options, Bytes, hasher, evictions.clone()),
            Err(_) => Cache::with(1 << 10, memory_bytes, Bytes, hasher, evictions.clone()),
        };
        Self { resources, index: Index::new(), epochs: Epochs::new(), variants, evictions, ledger }
    }

    /// Changes how many bytes of resources it may hold; what is too much is removed.
    pub(crate) fn set_capacity(&self, memory_bytes: u64) {
        self.resources.set_capacity(memory_bytes);
        self.forget_evicted();
    }

    /// Bytes of resources that it may hold.
    pub(crate) fn capacity(&self) -> u64 {
        self.resources.capacity()
    }

    /// What is stored under the text of a key; this counts as a use for eviction.
    pub(crate) fn lookup(&self, key: &str) -> Option<Resource> {
        self.resources.get(key)
    }

    /// What is stored under the text of a key, without any effect.
    pub(crate) fn peek(&self, key: &str) -> Option<Resource> {
        self.resources.peek(key)
    }

    /// Whether an object is among what is stored under a key.
    pub(crate) fn holds(&self, key: &CacheKey, object: &Arc<Object>) -> bool {
        let stored = self.peek(key.as_str());
        stored.is_some_and(|stored| stored.variants().iter().any(|it| Arc::ptr_eq(it, object)))
    }

    /// To be had before the origin is asked for what is then [`Store::put`].
    pub(crate) fn ticket(&self, key: &CacheKey) -> Ticket {
        self.epochs.ticket(key)
    }

    /// Whether nothing was purged since the ticket was had that a response under `key` with these tags may be.
    pub(crate) fn is_current(&self, ticket: Ticket, key: &CacheKey, tags: &Tags) -> bool {
        self.epochs.while_valid(ticket, key, tags, || ()).is_some()
    }

    /// Stores `object` in place of what a request with these fields selects. Parts of one representation that have
    /// no octet in common stay beside each other, each as a variant.
    ///
    /// # Errors
    /// [`StoreRefusal::Superseded`] if it was purged since the ticket was had, [`StoreRefusal::TooLarge`] if
    /// the cache takes none of its size with what is stored under the key.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        ticket: Ticket,
        request: &HeaderMap,
        object: Arc<Object>,
        variants_max: usize,
    ) -> Result<(), StoreRefusal> {
        let (bytes, crowded_out) = (Cell::new(0), Cell::new(0));
        let stored = self.epochs.while_valid(ticket, key, &object.tags, || {
            self.change(key, |before| {
                let kept = before.into_iter().flat_map(Resource::variants);
                let stays = |variant: &&Arc<Object>| {
                    !variant.meta.vary().matches(request) || are_apart(&variant.meta, &object.meta)
                };
                let others = kept.filter(stays).cloned();
                let mut variants = Chosen::new();
                variants.push(Arc::clone(&object));
                variants.extend(others);
                crowded_out.set(cap(&mut variants, variants_max));
                let resource = Resource::of(variants);
                bytes.set(resource.as_ref().map_or(0, |resource| resource.memory_bytes(key)));
                resource
            });
        });
        stored.ok_or(StoreRefusal::Superseded)?;
        self.counters(key).here().evictions.add(crowded_out.get());
        // One that is gone by now was stored: something else took its place.
        let is_too_large = bytes.get() > self.resources.shard_capacity();
        if is_too_large && !self.holds(key, &object) { Err(StoreRefusal::TooLarge) } else { Ok(()) }
    }

    /// Stores `object`, which the origin made of `before` by an update, in its place. False if
    /// `before` is not stored any more, purged above all: an update brings nothing back.
    pub(crate) fn update(
        &self,
        key: &CacheKey,
        ticket: Ticket,
        before: &Arc<Object>,
        object: &Arc<Object>,
    ) -> bool {
        let stored = Cell::new(false);
        self.epochs.while_valid(ticket, key, &object.tags, || {
            self.change_stored(key, |resource| {
                let mut variants = Chosen::from(resource.variants());
                let place = variants.iter().position(|variant| Arc::ptr_eq(variant, before));
                stored.set(place.is_some());
                if let Some(place) = place {
                    variants.remove(place);
                    variants.insert(0, Arc::clone(object));
                }
                Resource::of(variants)
            });
        });
        stored.get()
    }

    /// Removes what a request with these fields selects: it is no longer true.
    pub(crate) fn drop_variant(&self, key: &CacheKey, ticket: Ticket, request: &HeaderMap) {
        self.epochs.while_valid(ticket, key, &Tags::default(), || {
            self.change_stored(key, |before| {
                let mut variants = Chosen::from(before.variants());
                variants.retain(|variant| !variant.meta.vary().matches(request));
                Resource::of(variants)
            });
        });
    }

    /// Ends the epoch of what is selected: what is on its way will not be stored.
    pub(crate) fn end_epoch(&self, selection: &Selection) {
        self.epochs.end(selection);
    }

    /// The next keys under which something may be selected, a step's worth; `None` after the last.
    pub(crate) fn next_keys(
        &self,
        selection: &Selection,
        cursor: &mut Cursor,
    ) -> Option<Vec<CacheKey>> {
        self.index.next(selection, cursor)
    }

    /// Purges what is selected under one key.
    pub(crate) fn purge(&self, key: &CacheKey, selection: &Selection, mode: PurgeMode) -> Purged {
        let counted = Cell::new(Purged::default());
        let change = |resource: &Resource| {
            let (meant, mut kept): (Chosen, Chosen) = resource
                .variants()
                .iter()
                .cloned()
                .partition(|object| selection.matches(key, &object.tags));
            counted.set(purged(key, resource, &meant));
            if mode == PurgeMode::MarkStale {
                let now = SystemTime::now();
                kept = resource.variants().iter().map(|one| stale(one, &meant, now)).collect();
            }
            Resource::of(kept)
        };
        match mode {
            PurgeMode::Count => {
                self.resources.peek(key).map(|resource| change(&resource));
            }
            PurgeMode::Remove => {
                self.change_stored(key, change);
                self.counters(key).here().purges.add(counted.get().variants);
            }
            PurgeMode::MarkStale => {
                self.change_stored(key, change);
                self.counters(key).here().soft_purges.add(counted.get().variants);
            }
        }
        counted.get()
    }

    /// Variants stored now.
    pub(crate) fn variants(&self) -> u64 {
        self.variants.load(Relaxed)
    }

    /// Bytes that they take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.resources.weight()
    }

    /// What it counts.
    #[cfg(test)]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Keys and tags that the index knows.
    #[cfg(test)]
    pub(crate) fn indexed(&self) -> (usize, usize) {
        self.index.sizes()
    }

    /// Puts what `change` makes of what is or is not stored in its place, as one step.
    fn change(&self, key: &CacheKey, change: impl Fn(Option<&Resource>) -> Option<Resource>) {
        let entry = self
            .resources
            .entry(key, None, |_, stored| self.replace(key, stored, change(Some(stored))));
        if let EntryResult::Vacant(place) = entry
            && let Some(resource) = change(None)
        {
            self.count_in(key, &resource);
            if place.insert(resource.clone()).is_err() {
                self.count_out(key, &resource);
            }
        }
        self.sync(key);
    }

    /// Puts what `change` makes of what is stored in its place, as one step; nothing where nothing is.
    fn change_stored(&self, key: &CacheKey, change: impl Fn(&Resource) -> Option<Resource>) {
        self.change(key, |before| before.and_then(&change));
    }

    fn replace(
        &self,
        key: &CacheKey,
        stored: &mut Resource,
        with: Option<Resource>,
    ) -> EntryAction<Resource> {
        self.count_out(key, stored);
        let Some(resource) = with else { return EntryAction::Remove };
        self.count_in(key, &resource);
        // What was stored is let go after the lock.
        EntryAction::Retain(std::mem::replace(stored, resource))
    }

    /// The counters of the route that a key is of.
    fn counters(&self, key: &CacheKey) -> Arc<Counters> {
        self.ledger.of(key.namespace())
    }

    fn count_in(&self, key: &CacheKey, resource: &Resource) {
        let (variants, counters) = (resource.variants().len() as u64, self.counters(key));
        self.variants.fetch_add(variants, Relaxed);
        counters.here().entries.add(variants);
        counters.here().memory_bytes.add(resource.memory_bytes(key));
    }

    fn count_out(&self, key: &CacheKey, resource: &Resource) {
        let (variants, counters) = (resource.variants().len() as u64, self.counters(key));
        self.variants.fetch_sub(variants, Relaxed);
        counters.here().entries.subtract(variants);
        counters.here().memory_bytes.subtract(resource.memory_bytes(key));
    }

    /// Brings the index up to date after a change under `key`.
    fn sync(&self, key: &CacheKey) {
        self.index.sync(key, || self.resources.peek(key).map(|resource| resource.tags()));
        self.forget_evicted();
    }

    fn forget_evicted(&self) {
        for key in self.evictions.take() {
            self.index.sync(&key, || self.resources.peek(&key).map(|resource| resource.tags()));
        }
    }
}

/// How much `meant` is of `resource`: with what keeping the resource costs where it is all of it.
fn purged(key: &CacheKey, resource: &Resource, meant: &[Arc<Object>]) -> Purged {
    let bytes = if meant.len() == resource.variants().len() {
        resource.memory_bytes(key)
    } else {
        meant.iter().map(|object| object.memory_bytes()).sum()
    };
    Purged { variants: meant.len() as u64, bytes }
}

/// `object` marked stale if it is `meant`.
fn stale(object: &Arc<Object>, meant: &[Arc<Object>], now: SystemTime) -> Arc<Object> {
    if meant.iter().any(|one| Arc::ptr_eq(one, object)) {
        Arc::new(object.marked_stale(RevalidateReason::Purged, now))
    } else {
        Arc::clone(object)
    }
}

/// Weighs a resource by its bytes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<CacheKey, Resource> for Bytes {
    fn weight(&self, key: &CacheKey, resource: &Resource) -> u64 {
        resource.memory_bytes(key)
    }
}

/// Counts what is evicted, and keeps its keys until the index has been told.
#[derive(Clone, Debug)]
struct Evictions {
    variants: Arc<AtomicU64>,
    ledger: Arc<Ledger>,
    keys: Arc<Mutex<Vec<CacheKey>>>,
}

impl Evictions {
    fn take(&self) -> Vec<CacheKey> {
        std::mem::take(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lifecycle<CacheKey, Resource> for Evictions {
    /// What was evicted is let go after the shard's lock.
    type RequestState = SmallVec<[Resource; 4]>;

    fn on_evict(&self, gone: &mut Self::RequestState, key: CacheKey, resource: Resource) {
        let count = resource.variants().len() as u64;
        self.variants.fetch_sub(count, Relaxed);
        let counters = self.ledger.of(key.namespace());
        counters.here().evictions.add(count);
        counters.here().entries.subtract(count);
        counters.here().memory_bytes.subtract(resource.memory_bytes(&key));
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        gone.push(resource);
    }
}
