//! A stored response, ready to be sent.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header};
use selat_core::cache::{reason::RevalidateReason, stored::StoredMeta};

use super::{content::Content, tags::Tags};

/// Bytes that keeping an object costs beside itself: its count of owners, that of its block, and what the
/// allocator rounds up. `benches/store.rs` compares all that is counted with what is taken.
const OVERHEAD_BYTES: usize = 80;

/// A stored response. It is never changed: a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Object {
    /// What decisions need to know of it, and its fields, fit to be sent on.
    pub(crate) meta: StoredMeta,
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
    /// Keeps a response. Its fields and short content are moved into a block of just their size.
    pub(crate) fn new(
        mut meta: StoredMeta,
        mut headers: HeaderMap,
        content: Content,
        origin: Arc<str>,
        tags: Tags,
        uses: Uses,
    ) -> Self {
        // RFC 9110 §8.6: none in a 204; elsewhere what is stored is what is sent.
        if meta.status() != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, content.length().into());
        }
        let block = meta.keep(&headers, content.short().unwrap_or_default());
        let content = if content.short().is_some() { Content::One(block) } else { content };
        Self { meta, content, origin, tags, uses }
    }

    /// Bytes of memory that it takes, with what keeping it costs.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let own = size_of::<Self>() + OVERHEAD_BYTES + self.meta.fields().len();
        own as u64 + self.content.memory_bytes() + self.tags.memory_bytes()
    }

    /// The same, marked stale.
    pub(crate) fn marked_stale(&self, reason: RevalidateReason, now: SystemTime) -> Self {
        let mut meta = self.meta.clone();
        meta.mark_stale(reason, now);
        Self {
            meta,
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
