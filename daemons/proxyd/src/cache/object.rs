//! A stored response, ready to be sent.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use selat_core::cache::stored::StoredMeta;

use super::{content::Content, tags::Tags};

/// Bytes that keeping one header field costs beside its name and value: its place in the map.
const FIELD_OVERHEAD_BYTES: usize = 112;

/// A stored response. It is never changed: a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Object {
    /// What decisions need to know of it.
    pub(crate) meta: StoredMeta,
    /// Its fields, fit to be sent on.
    pub(crate) headers: HeaderMap,
    /// Its content.
    pub(crate) content: Content,
    /// Where it came from: `scheme://host:port`.
    pub(crate) origin: Arc<str>,
    /// What its origin lets it be purged by.
    pub(crate) tags: Tags,
    /// How often it was of use.
    pub(crate) uses: Uses,
}

/// How often and when an object was of use.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    count: AtomicU64,
    /// Seconds since the epoch; 0 is never.
    last_s: AtomicU64,
}

impl Object {
    /// Bytes of memory that it takes, with what keeping it costs.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let fields: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES)
            .sum();
        (size_of::<Self>() + fields) as u64 + self.content.memory_bytes() + self.tags.memory_bytes()
    }

    /// The same, marked stale by a soft purge.
    pub(crate) fn marked_stale(&self) -> Self {
        let mut meta = self.meta.clone();
        meta.mark_stale();
        Self {
            meta,
            headers: self.headers.clone(),
            content: self.content.clone(),
            origin: Arc::clone(&self.origin),
            tags: self.tags.clone(),
            uses: Uses::continuing(&self.uses),
        }
    }
}

impl Uses {
    /// Counts one use at `now`.
    pub(crate) fn count(&self, now: SystemTime) {
        self.count.fetch_add(1, Relaxed);
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_s.store(seconds, Relaxed);
    }

    /// How often.
    pub(crate) fn total(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// When last, to the second.
    pub(crate) fn last(&self) -> Option<SystemTime> {
        let seconds = self.last_s.load(Relaxed);
        (seconds > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Goes on counting where `before` was.
    pub(crate) fn continuing(before: &Self) -> Self {
        Self {
            count: AtomicU64::new(before.total()),
            last_s: AtomicU64::new(before.last_s.load(Relaxed)),
        }
    }
}
