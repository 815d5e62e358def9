//! The store as benchmarks drive it: filled with responses of their own making, looked up as hits do, purged
//! as the daemon does. Not part of what the crate promises.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use selat_core::{
    cache::{
        freshness::Times,
        key::CacheKey,
        options::PolicyOptions,
        policy::{Decision, lookup},
        storage::{Exchange, Storability, storable},
    },
    http::{
        message::{RequestHead, ResponseHead},
        target::Target,
    },
};

use crate::{
    cache::{
        content::Content,
        index::Cursor,
        object::{Object, Uses},
        selection::Selection,
        store::{PurgeMode, Store},
        tags::Tags,
    },
    counters::Ledger,
    purge::Purge,
};

/// Header fields of a stored response, as an ordinary origin sends them.
const FIELDS: [(HeaderName, &str); 5] = [
    (http::header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (http::header::CACHE_CONTROL, "public, max-age=3600"),
    (http::header::ETAG, "\"5f2c-62a1f0c7d1e40\""),
    (http::header::LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT"),
    (http::header::VIA, "1.1 proxyd"),
];

/// A store of numbered responses.
#[derive(Debug)]
pub struct Bench {
    store: Store,
    content_bytes: usize,
    origin: Arc<str>,
    headers: HeaderMap,
    request: HeaderMap,
    options: PolicyOptions,
}

impl Bench {
    /// For `memory_bytes` of responses with `content_bytes` of content each.
    #[must_use]
    pub fn new(memory_bytes: u64, content_bytes: usize) -> Self {
        let fields = FIELDS.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Self {
            store: Store::new(memory_bytes, 1 << 20, Arc::new(Ledger::new(1))),
            content_bytes,
            origin: Arc::from("http://127.0.0.1:8000"),
            headers: HeaderMap::from_iter(fields),
            request: HeaderMap::new(),
            options: PolicyOptions::default(),
        }
    }

    /// Stores a response under a number, with a tag; both make its URL. False if it may not be stored.
    pub fn store(&self, number: u64, tag: &str) -> bool {
        let key = key(number, tag);
        let Some(object) = self.object(tag) else { return false };
        self.store.put(&key, self.store.ticket(&key), &self.request, Arc::new(object), 8).is_ok()
    }

    fn object(&self, tag: &str) -> Option<Object> {
        let mut headers = self.headers.clone();
        if !tag.is_empty() {
            headers.insert("surrogate-key", HeaderValue::from_str(tag).ok()?);
        }
        let tags = Tags::take(&mut headers).unwrap_or_default();
        let (uri, now) = (Uri::from_static("http://host/"), SystemTime::now());
        let exchange = Exchange {
            request: RequestHead { method: &Method::GET, headers: &self.request },
            target: Target::of(&uri, &self.request, false).ok()?,
            response: ResponseHead { status: StatusCode::OK, headers: &headers },
            times: Times { request: now, response: now },
        };
        let Storability::Store(meta) = storable(&exchange, &self.options) else { return None };
        let content = Content::new(vec![Bytes::from(vec![0; self.content_bytes])]);
        let origin = Arc::clone(&self.origin);
        Some(Object::new(*meta, headers, content, origin, tags, Uses::default()))
    }

    /// Whether it is found.
    #[must_use]
    pub fn found(&self, number: u64, tag: &str) -> bool {
        self.store.lookup(key(number, tag).as_str()).is_some()
    }

    /// Whether a request for it is a hit, found and decided as for a client.
    #[must_use]
    pub fn hit(&self, number: u64, tag: &str) -> bool {
        let Some(resource) = self.store.lookup(key(number, tag).as_str()) else { return false };
        let request = RequestHead { method: &Method::GET, headers: &self.request };
        let metas = resource.variants().iter().map(|object| &object.meta);
        let decision = lookup(request, metas, SystemTime::now(), &self.options);
        matches!(decision, Decision::Serve(_))
    }

    /// Whether it is found and made a response of, as for the first client: that leaves its mark on the
    /// memory that it takes.
    #[must_use]
    pub fn sent(&self, number: u64, tag: &str) -> bool {
        let Some(resource) = self.store.lookup(key(number, tag).as_str()) else { return false };
        resource.variants().iter().all(|object| {
            let (headers, content) = (object.meta.fields().to_map(), object.content.clone());
            !headers.is_empty() && content.length() == self.content_bytes as u64
        })
    }

    /// Removes everything with a tag, with `pause` between two steps; how many that were.
    pub fn purge_tag(&self, tag: &str, pause: impl FnMut()) -> u64 {
        self.purge(Selection::tag(tag), pause)
    }

    /// Removes everything whose URL was made with a tag, with `pause` between two steps; how many that
    /// were.
    pub fn purge_prefix(&self, tag: &str, pause: impl FnMut()) -> u64 {
        self.purge(Selection::prefix(&format!("http://host/{tag}/")), pause)
    }

    /// Responses stored now.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.store.variants()
    }

    /// Bytes of a response that are its own: its key, the text of its fields, its content.
    #[must_use]
    pub fn own_bytes(&self, number: u64, tag: &str) -> usize {
        let fields = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        key(number, tag).as_str().len() + fields.sum::<usize>() + self.content_bytes
    }

    /// Bytes that the store counts.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.store.memory_bytes()
    }

    fn purge(&self, selection: Selection, mut pause: impl FnMut()) -> u64 {
        let purge = Purge { selection, mode: PurgeMode::Remove };
        self.store.end_epoch(&purge.selection);
        let (mut removed, mut cursor) = (0, Cursor::default());
        while let Some(step) = purge.step(&self.store, &mut cursor) {
            removed += step.variants;
            pause();
        }
        removed
    }
}

fn key(number: u64, tag: &str) -> CacheKey {
    CacheKey::from(format!("default http://host/{tag}/articles/{number}.html").as_str())
}
