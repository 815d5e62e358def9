//! What every request of the HTTP side shares.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Uri;
use selat_core::cache::{key::CacheKey, options::PolicyOptions, query::QueryRules};
use selat_runtime::{access::AccessLog, events::Events};

use crate::{
    cache::{
        budget::Budget,
        flight::{Flights, Part},
        selection::Selection,
        store::{PurgeMode, Purged, Store},
    },
    counters::Counters,
    network::Network,
    origin::Origins,
};

/// This cache's name in `Cache-Status`, and this hop's in `Via`.
pub(crate) const NAME: &str = "proxyd";

/// This very process in the `Via` of requests: another proxyd on the way is no loop.
pub(crate) fn hop() -> &'static str {
    static HOP: LazyLock<String> = LazyLock::new(|| {
        // A hasher is seeded at random (std::hash::RandomState).
        let number = RandomState::new().build_hasher().finish();
        format!("{NAME} ({number:016x})")
    });
    &HOP
}

/// The HTTP side of the daemon.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) route: ArcSwap<Route>,
    pub(crate) store: Store,
    pub(crate) flights: Flights,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Events,
    /// Where each request is noted.
    pub(crate) access: AccessLog,
    serial: AtomicU64,
}

/// Where requests go, and what the cache may do with them: one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Route {
    /// Sets this route's keys apart from those of others.
    pub(crate) namespace: &'static str,
    pub(crate) options: PolicyOptions,
    /// Query parameters that do not tell resources apart.
    pub(crate) query: QueryRules,
    /// How eagerly hot responses are fetched before they are stale; 0 is not at all.
    pub(crate) early_refresh: f64,
    /// Clients that may send `PURGE`.
    pub(crate) purge_allow: Vec<Network>,
    pub(crate) origins: Origins,
    /// Time between two pieces of content that a client sends.
    pub(crate) body_timeout: Duration,
    /// Octets of content of one stored response.
    pub(crate) object_bytes_max: u64,
    /// Memory for what is on its way into the store.
    pub(crate) filling_memory: Arc<Budget>,
    /// Variants stored of one resource.
    pub(crate) variants_max: usize,
}

impl Route {
    /// The URI with its query as the rules have it; `None` where they change nothing.
    pub(crate) fn rewritten(&self, uri: &Uri) -> Option<Uri> {
        let query = uri.query().filter(|_| !self.query.is_empty())?;
        let kept = self.query.apply(query);
        if kept.as_deref() == Some(query) {
            return None;
        }
        let path = uri.path();
        let path_and_query = kept.map_or_else(|| path.to_owned(), |kept| format!("{path}?{kept}"));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path_and_query.parse().ok()?);
        Uri::from_parts(parts).ok()
    }
}

impl Proxy {
    pub(crate) fn new(
        route: Route,
        store: Store,
        counters: Arc<Counters>,
        events: Events,
        access: AccessLog,
    ) -> Self {
        Self {
            route: ArcSwap::from_pointee(route),
            store,
            flights: Flights::default(),
            counters,
            events,
            access,
            serial: AtomicU64::new(0),
        }
    }

    /// Joins the fetch for `key`, or begins it.
    pub(crate) fn join(&self, key: &CacheKey) -> Part {
        self.flights.join(key, self.serial.fetch_add(1, Relaxed))
    }

    /// Removes all that is stored for `key`. Every later request sees it gone.
    pub(crate) fn purge(&self, key: &CacheKey) -> Purged {
        let selection = Selection::Key(key.clone());
        self.begin_purge(&selection);
        self.store.purge(key, &selection, PurgeMode::Remove)
    }

    /// Keeps out of the store, and from later requests, what is selected of what is on its way.
    pub(crate) fn begin_purge(&self, selection: &Selection) {
        self.store.end_epoch(selection);
        self.flights.leave_selected(selection);
    }
}
