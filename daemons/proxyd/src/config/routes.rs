//! `[route.NAME]`: some hosts and paths that have origins or cache settings of their own.

use std::sync::Arc;

use selat_core::http::route::{HostPattern, PathPrefix, RouteTable};
use selat_runtime::config::Layers;

use super::cache::CacheConfig;
use crate::origin::OriginAddr;

/// Name of the route that takes what no other does.
pub(crate) const DEFAULT: &str = "default";

/// Routes of one configuration: a restart keeps what each counted, within a bound for all that it keeps.
pub(crate) const ROUTES_MAX: usize = 100;

/// Pairs of a host and a path of one route.
const PLACES_MAX: usize = 1024;

/// Octets of a name.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// A route. What it does not set is the daemon's.
#[derive(Clone, Debug)]
pub(crate) struct RouteConfig {
    pub(crate) name: Arc<str>,
    /// None stands for any.
    hosts: Vec<HostPattern>,
    /// None stands for any.
    paths: Vec<PathPrefix>,
    pub(crate) origins: Vec<OriginAddr>,
    pub(crate) cache: CacheConfig,
}

impl RouteConfig {
    /// Every route, each with what is set for all where it sets nothing.
    pub(super) fn all(
        layers: &mut Layers<'_>,
        origins: &[OriginAddr],
        cache: &CacheConfig,
    ) -> Vec<Self> {
        let names = layers.tables("route", name);
        let read = |layers: &mut Layers<'_>, name: Arc<str>| Self {
            hosts: layers.many("host", HostPattern::parse, Vec::new()),
            paths: layers.many("path", PathPrefix::parse, Vec::new()),
            origins: layers.many("origin", OriginAddr::parse, origins.to_vec()),
            cache: CacheConfig::settings(layers, cache),
            name,
        };
        names
            .into_iter()
            .map(|name| layers.within(&table(&name), |layers| read(layers, name)))
            .collect()
    }

    /// What says which requests it takes, and under which keys.
    pub(super) fn addressing(&self) -> impl PartialEq + use<'_> {
        (&self.name, &self.hosts, &self.paths, &self.cache.query)
    }

    /// What no key can know alone.
    pub(super) fn check(routes: &[Self], memory_bytes: u64, layers: &mut Layers<'_>) {
        let mut taken = RouteTable::default();
        for (number, route) in routes.iter().enumerate() {
            layers.within(&table(&route.name), |layers| {
                if number >= ROUTES_MAX {
                    layers.refuse("host", format!("there may be {ROUTES_MAX} routes at most"));
                }
                route.check_alone(memory_bytes, layers);
                route.take(&mut taken, layers);
            });
        }
    }

    fn check_alone(&self, memory_bytes: u64, layers: &mut Layers<'_>) {
        let is_refused = layers.is_refused("host") || layers.is_refused("path");
        if self.hosts.is_empty() && self.paths.is_empty() && !is_refused {
            let why = "a route needs a host or a path: what no route takes has origin and [cache]";
            layers.refuse("host", why);
        }
        if self.hosts.len().max(1) * self.paths.len().max(1) > PLACES_MAX {
            let why = format!("hosts times paths may be {PLACES_MAX} at most");
            layers.refuse("host", why);
        }
        if self.origins.is_empty() && !layers.is_refused("origin") {
            layers.refuse("origin", "a route needs an origin, such as http://127.0.0.1:8000");
        }
        if self.cache.object_bytes > memory_bytes {
            layers.refuse("cache.object_max", "must not be more than cache.memory");
        }
    }

    /// Takes its places, none of which may be taken.
    fn take(&self, taken: &mut RouteTable<Arc<str>>, layers: &mut Layers<'_>) {
        let key = if self.hosts.is_empty() { "path" } else { "host" };
        for (host, path) in self.places().take(PLACES_MAX) {
            let place = format!("{host}, {path}");
            if let Err(other) = taken.insert(host, path, Arc::clone(&self.name)) {
                let of = if *other == self.name { "this route" } else { other };
                layers.refuse(key, format!("{place}: {of} has that already"));
            }
        }
    }

    /// Every host and path that it is for.
    pub(crate) fn places(&self) -> impl Iterator<Item = (HostPattern, PathPrefix)> {
        let hosts = match self.hosts.as_slice() {
            [] => vec![HostPattern::Any],
            hosts => hosts.to_vec(),
        };
        let paths = match self.paths.as_slice() {
            [] => vec![PathPrefix::any()],
            paths => paths.to_vec(),
        };
        hosts
            .into_iter()
            .flat_map(move |host| paths.clone().into_iter().map(move |path| (host.clone(), path)))
    }
}

/// The dotted name of a route's table.
fn table(name: &str) -> String {
    format!("route.{name}")
}

/// It stands in keys, in counters and on command lines.
fn name(text: &str) -> Result<Arc<str>, String> {
    if text == DEFAULT {
        let why = "default is the route that takes what no other does: it has origin and [cache]";
        return Err(why.to_owned());
    }
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good) {
        Ok(text.into())
    } else {
        Err(format!("a name has 1 to {NAME_BYTES_MAX} letters, digits, - and _"))
    }
}
