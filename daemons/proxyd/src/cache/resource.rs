//! The responses that are stored for one key, which select among requests by their fields.

use std::{slice, sync::Arc, time::SystemTime};

use selat_core::cache::key::CacheKey;
use smallvec::SmallVec;

use super::{object::Object, tags::Tags};

/// Bytes that keeping a resource costs beside its key and objects: the entries of the map, the queues and the
/// index, and what the allocator rounds up. `benches/store.rs` compares all that is counted with what is taken.
const RESOURCE_OVERHEAD_BYTES: usize = 160;

/// The responses stored for one key, newest first. It is never changed: a newer one takes its place. Cloning
/// it copies a pointer.
#[derive(Clone, Debug)]
pub(crate) struct Resource(Variants);

#[derive(Clone, Debug)]
enum Variants {
    /// As most have it, without a list.
    One(Arc<Object>),
    Many(Arc<[Arc<Object>]>),
}

/// Variants on their way into a resource.
pub(super) type Chosen = SmallVec<[Arc<Object>; 1]>;

impl Resource {
    /// Of at least one variant.
    pub(super) fn of(mut variants: Chosen) -> Option<Self> {
        match variants.len() {
            0 | 1 => variants.pop().map(|only| Self(Variants::One(only))),
            _ => Some(Self(Variants::Many(variants.to_vec().into()))),
        }
    }

    /// Its variants.
    pub(crate) fn variants(&self) -> &[Arc<Object>] {
        match &self.0 {
            Variants::One(only) => slice::from_ref(only),
            Variants::Many(all) => all,
        }
    }

    /// Bytes of memory that it takes under `key`, with what keeping it costs.
    pub(crate) fn memory_bytes(&self, key: &CacheKey) -> u64 {
        let own = key.as_str().len() + RESOURCE_OVERHEAD_BYTES;
        own as u64 + self.variants().iter().map(|object| object.memory_bytes()).sum::<u64>()
    }

    /// The tags of all its variants.
    pub(crate) fn tags(&self) -> Tags {
        Tags::union(self.variants().iter().map(|object| &object.tags))
    }
}

/// Leaves the newest variant and those that were of use most recently; how many it does not.
pub(super) fn cap(variants: &mut Chosen, max: usize) -> u64 {
    let all = variants.len();
    while variants.len() > max.max(1) {
        let used = |object: &Object| {
            object.uses.last().unwrap_or(SystemTime::UNIX_EPOCH).max(object.meta.received())
        };
        let least = (1..variants.len()).min_by_key(|index| used(&variants[*index]));
        let Some(least) = least else { break };
        variants.remove(least);
    }
    (all - variants.len()) as u64
}
