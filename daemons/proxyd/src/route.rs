//! Where requests go, and what the cache may do with them: the routes of one generation of the
//! configuration, made once and then only read.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, Uri};
use selat_core::{
    cache::{
        key::CacheKey,
        key_parts::{KeyParts, TooLong},
        options::PolicyOptions,
        query::QueryRules,
    },
    http::{route::RouteTable, target::Target},
};

use crate::{
    cache::budget::Budget,
    config::{CacheConfig, Config, DEFAULT},
    counters::{Counters, Ledger},
    network::Network,
    origin::{OriginAddr, Origins, pool::Pools},
};

/// Some hosts and paths, with their origins and what their cache may do.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its name, which sets its keys apart from those of others.
    pub(crate) namespace: Arc<str>,
    pub(crate) options: PolicyOptions,
    /// Query parameters that do not tell resources apart.
    query: QueryRules,
    /// What tells requests for one URL apart.
    pub(crate) key_parts: KeyParts,
    /// How eagerly hot responses are fetched before they are stale; 0 is not at all.
    pub(crate) early_refresh: f64,
    /// Clients that may send `PURGE`.
    pub(crate) purge_allow: Vec<Network>,
    pub(crate) origins: Origins,
    /// What it counts; that outlives it.
    pub(crate) counters: Arc<Counters>,
    /// Time between two pieces of content that a client sends.
    pub(crate) body_timeout: Duration,
    /// Octets of content of one stored response.
    pub(crate) object_bytes_max: u64,
    /// Memory for what is on its way into the store.
    pub(crate) filling_memory: Arc<Budget>,
    /// Variants stored of one resource.
    pub(crate) variants_max: usize,
}

/// Every route.
#[derive(Debug)]
pub(crate) struct Routes {
    table: RouteTable<Arc<Route>>,
    /// Takes what no other does.
    default: Arc<Route>,
    /// All of them, the default too.
    named: BTreeMap<Arc<str>, Arc<Route>>,
    shared: Shared,
}

/// What routes have in common.
#[derive(Debug)]
struct Shared {
    pools: Arc<Pools>,
    filling_memory: Arc<Budget>,
    body_timeout: Duration,
}

impl Route {
    fn new(
        name: &Arc<str>,
        origins: &[OriginAddr],
        cache: &CacheConfig,
        shared: &Shared,
        ledger: &Ledger,
    ) -> Self {
        let counters = ledger.of(name);
        let cache = cache.clone();
        let pools = origins.iter().map(|origin| shared.pools.of(origin)).collect();
        Self {
            namespace: Arc::clone(name),
            options: cache.policy,
            query: cache.query,
            key_parts: cache.key_parts,
            early_refresh: cache.early_refresh,
            purge_allow: cache.purge_allow,
            origins: Origins::new(pools, Arc::clone(&counters)),
            counters,
            body_timeout: shared.body_timeout,
            object_bytes_max: cache.object_bytes,
            filling_memory: Arc::clone(&shared.filling_memory),
            variants_max: cache.variants,
        }
    }

    /// A target's query without what does not tell resources apart: the origin is asked so as well.
    pub(crate) fn query<'q>(&self, target: &Target<'q>) -> Option<Cow<'q, str>> {
        self.query.kept(target.query)
    }

    /// What all keys of a target have in common, whose query is as [`Self::query`] has it.
    pub(crate) fn base_key(&self, target: &Target<'_>) -> CacheKey {
        CacheKey::new(&self.namespace, target)
    }

    /// Writes the text of a request's key over `to`.
    ///
    /// # Errors
    /// [`TooLong`] where a part is: nothing is to be stored or looked up for it.
    pub(crate) fn write_key(
        &self,
        to: &mut String,
        target: &Target<'_>,
        request: &HeaderMap,
    ) -> Result<(), TooLong> {
        CacheKey::write(to, &self.namespace, target);
        self.key_parts.write(to, request)
    }
}

impl Routes {
    /// The routes of `config`. What did not change is taken over from those `before`.
    pub(crate) fn new(config: &Config, ledger: &Ledger, before: Option<&Self>) -> Self {
        let shared = Shared::new(config, before.map(|before| &before.shared));
        let route = |name: &Arc<str>, origins: &[OriginAddr], cache: &CacheConfig| {
            Arc::new(Route::new(name, origins, cache, &shared, ledger))
        };
        let name: Arc<str> = DEFAULT.into();
        let default = route(&name, &config.origins, &config.cache);
        let mut named = BTreeMap::from([(name, Arc::clone(&default))]);
        let mut table = RouteTable::default();
        for one in &config.routes {
            let made = route(&one.name, &one.origins, &one.cache);
            for (host, path) in one.places() {
                // A valid configuration has each place once.
                let _ = table.insert(host, path, Arc::clone(&made));
            }
            named.insert(Arc::clone(&one.name), made);
        }
        Self { table, default, named, shared }
    }

    /// The route of a target.
    pub(crate) fn of(&self, target: &Target<'_>) -> &Arc<Route> {
        self.table.find(target).unwrap_or(&self.default)
    }

    /// What all keys of a target have in common, whatever its query.
    pub(crate) fn base_key(&self, target: &Target<'_>) -> CacheKey {
        let route = self.of(target);
        let query = route.query(target);
        route.base_key(&Target { query: query.as_deref(), ..*target })
    }

    /// Whether requests for the URL of a key find it by these routes. Of what cannot be read as a URL, nothing is known
    /// but that a client was answered so: it stays.
    pub(crate) fn reach(&self, key: &CacheKey) -> bool {
        let Ok(uri) = Uri::try_from(key.uri()) else { return true };
        let headers = HeaderMap::new();
        let target = Target::of(&uri, &headers, false);
        target.map_or(true, |target| self.base_key(&target).as_str() == key.base())
    }

    /// The route of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.named.get(name)
    }

    /// The name of each.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.named.keys()
    }
}

impl Shared {
    fn new(config: &Config, before: Option<&Self>) -> Self {
        let (limits, filling_bytes) = (&config.origin_limits, config.store.filling_bytes);
        let pools = before.map(|before| &before.pools).filter(|pools| pools.limits() == limits);
        let memory = before.map(|before| &before.filling_memory);
        let memory = memory.filter(|memory| memory.bytes() == filling_bytes);
        Self {
            pools: pools.map_or_else(|| Arc::new(Pools::new(limits.clone())), Arc::clone),
            filling_memory: memory.map_or_else(|| Arc::new(Budget::new(filling_bytes)), Arc::clone),
            body_timeout: limits.body_timeout,
        }
    }
}
