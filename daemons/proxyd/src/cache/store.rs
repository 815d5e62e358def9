//! The store: resources by key, each with its variants, bounded in bytes with what keeping them
//! costs, evicted by S3-FIFO (quick_cache), which a scan does not flush.

use std::{
    sync::{
        Arc,
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
use selat_core::cache::key::CacheKey;
use smallvec::SmallVec;

use super::{
    epochs::{Epochs, Ticket},
    object::Object,
};

/// Bytes that keeping a resource costs beside its key and objects: the map's and the queues' entries.
const RESOURCE_OVERHEAD_BYTES: usize = 160;

/// Share of a shard that its largest object may take.
const OBJECT_SHARE: u64 = 4;

/// Most shards, each with a lock.
const SHARDS_MAX: u64 = 64;

/// Bytes that a resource is expected to take, for the first size of the map.
const EXPECTED_RESOURCE_BYTES: u64 = 16 << 10;

/// The responses stored for one key. It is never changed: a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Newest first.
    pub(crate) variants: SmallVec<[Arc<Object>; 1]>,
    bytes: u64,
}

impl Resource {
    fn new(key: &CacheKey, variants: SmallVec<[Arc<Object>; 1]>) -> Self {
        let objects: u64 = variants.iter().map(|object| object.memory_bytes()).sum();
        let own = size_of::<Self>() + key.as_str().len() + RESOURCE_OVERHEAD_BYTES;
        Self { bytes: objects + own as u64, variants }
    }

    /// Bytes of memory that it takes, with what keeping it costs.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.bytes
    }
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Variants.
    pub(crate) variants: u64,
    /// Bytes that they took.
    pub(crate) bytes: u64,
}

/// Stored responses, shared by all threads.
#[derive(Debug)]
pub(crate) struct Store {
    resources: Cache<CacheKey, Arc<Resource>, Bytes, RandomState, Evictions>,
    epochs: Epochs,
    /// Variants stored now.
    variants: Arc<AtomicU64>,
    evicted: Arc<AtomicU64>,
    purged: AtomicU64,
}

impl Store {
    /// For `memory_bytes` of resources, with content of `object_bytes` at most.
    pub(crate) fn new(memory_bytes: u64, object_bytes: u64) -> Self {
        let shard_bytes = object_bytes.max(1 << 20).saturating_mul(OBJECT_SHARE);
        let shards = (memory_bytes / shard_bytes).clamp(1, SHARDS_MAX);
        let expected = memory_bytes / EXPECTED_RESOURCE_BYTES;
        let options = OptionsBuilder::new()
            .weight_capacity(memory_bytes)
            .estimated_items_capacity(usize::try_from(expected.min(1 << 16)).unwrap_or(1 << 16))
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let variants = Arc::new(AtomicU64::new(0));
        let evicted = Arc::new(AtomicU64::new(0));
        let evictions =
            Evictions { variants: Arc::clone(&variants), evicted: Arc::clone(&evicted) };
        let hasher = RandomState::default();
        let resources = match options {
            Ok(options) => Cache::with_options(options, Bytes, hasher, evictions),
            Err(_) => Cache::with(1 << 10, memory_bytes, Bytes, hasher, evictions),
        };
        Self { resources, epochs: Epochs::new(), variants, evicted, purged: AtomicU64::new(0) }
    }

    /// Changes how many bytes of resources it may hold; what is too much is removed.
    pub(crate) fn set_capacity(&self, memory_bytes: u64) {
        self.resources.set_capacity(memory_bytes);
    }

    /// Bytes of resources that it may hold.
    pub(crate) fn capacity(&self) -> u64 {
        self.resources.capacity()
    }

    /// What is stored under the text of a key; this counts as a use for eviction.
    pub(crate) fn lookup(&self, key: &str) -> Option<Arc<Resource>> {
        self.resources.get(key)
    }

    /// What is stored under the text of a key, without any effect.
    pub(crate) fn peek(&self, key: &str) -> Option<Arc<Resource>> {
        self.resources.peek(key)
    }

    /// To be had before the origin is asked for what is then [`Store::put`].
    pub(crate) fn ticket(&self, key: &CacheKey) -> Ticket {
        self.epochs.ticket(key)
    }

    /// Stores `object` in place of what a request with these fields selects. False if the key was
    /// purged since the ticket was had.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        ticket: Ticket,
        request: &HeaderMap,
        object: Arc<Object>,
        variants_max: usize,
    ) -> bool {
        let stored = self.epochs.while_valid(ticket, || {
            self.change(key, |before| {
                let kept = before.into_iter().flat_map(|resource| &resource.variants);
                let others = kept.filter(|variant| !variant.meta.vary().matches(request)).cloned();
                let mut variants: SmallVec<[_; 1]> = SmallVec::new();
                variants.push(Arc::clone(&object));
                variants.extend(others);
                cap(&mut variants, variants_max);
                Some(Resource::new(key, variants))
            });
        });
        stored.is_some()
    }

    /// Removes what a request with these fields selects: it is no longer true.
    pub(crate) fn drop_variant(&self, key: &CacheKey, ticket: Ticket, request: &HeaderMap) {
        self.epochs.while_valid(ticket, || {
            self.change(key, |before| {
                let mut variants = before?.variants.clone();
                variants.retain(|variant| !variant.meta.vary().matches(request));
                (!variants.is_empty()).then(|| Resource::new(key, variants))
            });
        });
    }

    /// Removes all variants under a key. What is on its way there will not be stored.
    pub(crate) fn purge(&self, key: &CacheKey) -> Removed {
        self.epochs.end(key);
        self.resources.remove(key).map(|(_, resource)| self.removed(&resource)).unwrap_or_default()
    }

    /// Removes everything. What is on its way will not be stored.
    pub(crate) fn flush(&self) -> Removed {
        self.epochs.end_all();
        self.resources.drain().fold(Removed::default(), |total, (_, resource)| {
            let Removed { variants, bytes } = self.removed(&resource);
            Removed { variants: total.variants + variants, bytes: total.bytes + bytes }
        })
    }

    /// Everything stored, in no order, as it was at about one moment.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (CacheKey, Arc<Resource>)> + '_ {
        self.resources.iter()
    }

    /// Variants stored now.
    pub(crate) fn variants(&self) -> u64 {
        self.variants.load(Relaxed)
    }

    /// Bytes that they take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.resources.weight()
    }

    /// Variants removed to make room, since start.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Variants removed by purges and flushes, since start.
    pub(crate) fn purged(&self) -> u64 {
        self.purged.load(Relaxed)
    }

    /// Puts what `change` makes of a resource in its place, as one step.
    fn change(&self, key: &CacheKey, change: impl Fn(Option<&Resource>) -> Option<Resource>) {
        let count = |resource: &Resource| resource.variants.len() as u64;
        let entry = self.resources.entry(key, None, |_, stored| {
            self.variants.fetch_sub(count(stored), Relaxed);
            match change(Some(stored)) {
                Some(resource) => {
                    self.variants.fetch_add(count(&resource), Relaxed);
                    *stored = Arc::new(resource);
                    EntryAction::Retain(())
                }
                None => EntryAction::Remove,
            }
        });
        if let EntryResult::Vacant(place) = entry
            && let Some(resource) = change(None)
        {
            self.variants.fetch_add(count(&resource), Relaxed);
            if let Err(refused) = place.insert(Arc::new(resource)) {
                self.variants.fetch_sub(count(&refused), Relaxed);
            }
        }
    }

    fn removed(&self, resource: &Resource) -> Removed {
        let variants = resource.variants.len() as u64;
        self.variants.fetch_sub(variants, Relaxed);
        self.purged.fetch_add(variants, Relaxed);
        Removed { variants, bytes: resource.bytes }
    }
}

/// Leaves the newest variant and those that were of use most recently.
fn cap(variants: &mut SmallVec<[Arc<Object>; 1]>, max: usize) {
    while variants.len() > max.max(1) {
        let used = |object: &Object| {
            object.uses.last().unwrap_or(SystemTime::UNIX_EPOCH).max(object.meta.received())
        };
        let least = (1..variants.len()).min_by_key(|index| used(&variants[*index]));
        let Some(least) = least else { return };
        variants.remove(least);
    }
}

/// Weighs a resource by its bytes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<CacheKey, Arc<Resource>> for Bytes {
    fn weight(&self, _: &CacheKey, resource: &Arc<Resource>) -> u64 {
        resource.bytes
    }
}

/// Counts what is evicted.
#[derive(Clone, Debug)]
struct Evictions {
    variants: Arc<AtomicU64>,
    evicted: Arc<AtomicU64>,
}

impl Lifecycle<CacheKey, Arc<Resource>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: CacheKey, resource: Arc<Resource>) {
        let count = resource.variants.len() as u64;
        self.variants.fetch_sub(count, Relaxed);
        self.evicted.fetch_add(count, Relaxed);
    }
}
