//! proxyd's configuration: every key with its bounds and its default, once. The sample in
//! `packaging/proxyd.toml` explains each key.

mod cache;
pub(crate) mod routes;

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use selat_core::relay::{Limits, UpstreamAddr};
use selat_proto::socket::Daemon;
use selat_runtime::{
    config::{ConfigErrors, Layers, Shown, Sources, text},
    listen,
    process::ProcessConfig,
    service::{ServiceConfig, timeout},
};

pub(crate) use self::{
    cache::CacheConfig,
    routes::{DEFAULT, RouteConfig},
};
use crate::{
    origin::{OriginAddr, OriginLimits},
    relay::{TcpConfig, UdpConfig},
};

/// Most bytes of memory that the cache may be given.
const MEMORY_BYTES_MAX: u64 = 1 << 44;

/// Content that may be on its way into the cache.
const FILLING_BYTES: u64 = 64 << 20;

/// UDP sessions that a restart does not end: the shipped unit allows for 24 descriptors more.
const KEPT_SESSIONS: usize = 1000;

/// Most of them: their names are passed in one environment variable, which may have 128 KiB.
const KEPT_SESSIONS_MAX: usize = 4000;

/// A configuration that cannot be invalid.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) origins: Vec<OriginAddr>,
    pub(crate) udp: Vec<Forwarding>,
    pub(crate) tcp: Vec<Forwarding>,
    pub(crate) store: StoreLimits,
    /// Of all requests that no route takes.
    pub(crate) cache: CacheConfig,
    pub(crate) routes: Vec<RouteConfig>,
    pub(crate) origin_limits: OriginLimits,
    relay: RelayLimits,
    pub(crate) service: ServiceConfig,
    shown: Shown,
}

/// A relay's listener and where its traffic goes, `ADDR=UPSTREAM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarding {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: UpstreamAddr,
}

/// What the cache may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreLimits {
    /// Bytes of all resources together.
    pub(crate) memory_bytes: u64,
    /// Bytes of content on its way in.
    pub(crate) filling_bytes: u64,
}

#[derive(Clone, Debug)]
struct RelayLimits {
    udp_idle: Duration,
    udp_sessions: u32,
    udp_sessions_per_client: u32,
    udp_kept: usize,
    tcp_idle: Duration,
    tcp_connections: u32,
    tcp_connections_per_client: u32,
}

impl ProcessConfig for Config {
    fn read(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut layers = sources.read();
        let mut config = Self::settings(&mut layers);
        config.check(&mut layers);
        config.shown = layers.shown();
        layers.finish(config)
    }

    fn service(&self) -> &ServiceConfig {
        &self.service
    }
}

impl Config {
    /// Each key with its parser and its default.
    fn settings(layers: &mut Layers<'_>) -> Self {
        let store = store_limits(layers);
        let origins = layers.many("origin", OriginAddr::parse, default_origins());
        let cache = CacheConfig::settings(layers, &CacheConfig::built_in(store.memory_bytes));
        Self {
            http: layers.many("http", text::address, vec![([127, 0, 0, 1], 8080).into()]),
            routes: RouteConfig::all(layers, &origins, &cache),
            origins,
            udp: layers.many("udp", forwarding, default_udp()),
            tcp: layers.many("tcp", forwarding, Vec::new()),
            store,
            cache,
            origin_limits: origin_limits(layers),
            relay: RelayLimits::settings(layers),
            service: ServiceConfig::settings(layers, Daemon::Proxyd),
            shown: Shown::default(),
        }
    }

    /// Whether every URL has the same key by both.
    pub(crate) fn keys_as(&self, other: &Self) -> bool {
        let own = self.routes.iter().map(RouteConfig::addressing);
        self.cache.query == other.cache.query
            && own.eq(other.routes.iter().map(RouteConfig::addressing))
    }

    /// What no key can know alone.
    fn check(&self, layers: &mut Layers<'_>) {
        let listens = |relays: &[Forwarding]| -> Vec<SocketAddr> {
            relays.iter().map(|relay| relay.listen).collect()
        };
        let streams = [self.http.clone(), listens(&self.tcp)].concat();
        for (key, addresses) in [("http", &streams), ("udp", &listens(&self.udp))] {
            for address in listen::repeated(addresses) {
                layers.refuse(key, format!("{address} is covered by an address before it"));
            }
        }
        if !self.http.is_empty() && self.origins.is_empty() && !layers.is_refused("origin") {
            layers.refuse("origin", "http needs an origin, such as http://127.0.0.1:8000");
        }
        let nothing = self.http.is_empty() && self.udp.is_empty() && self.tcp.is_empty();
        let is_refused = ["http", "udp", "tcp"].iter().any(|key| layers.is_refused(key));
        if nothing && !is_refused && !layers.is_passed("http") {
            layers.refuse("http", "nothing would be served: http, udp or tcp needs an address");
        }
        for (key, relays, listening) in
            [("udp", &self.udp, &listens(&self.udp)), ("tcp", &self.tcp, &streams)]
        {
            let is_own = |relay: &&Forwarding| {
                let upstream = relay.upstream.socket_addr();
                listening.iter().any(|address| listen::overlap(*address, upstream))
            };
            for relay in relays.iter().filter(is_own) {
                let loops = format!("{} is an address of this very daemon", relay.upstream);
                layers.refuse(key, loops);
            }
        }
        if self.cache.object_bytes > self.store.memory_bytes {
            layers.refuse("cache.object_max", "must not be more than cache.memory");
        }
        RouteConfig::check(&self.routes, self.store.memory_bytes, layers);
    }

    /// Octets of content of the largest response that any route stores.
    pub(crate) fn object_bytes_max(&self) -> u64 {
        let caches = self.routes.iter().map(|route| &route.cache).chain([&self.cache]);
        caches.map(|cache| cache.object_bytes).max().unwrap_or_default()
    }

    /// Every key with its value.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Most UDP sessions that the service manager keeps for the next instance.
    pub(crate) fn kept_sessions_max(&self) -> usize {
        self.relay.udp_kept
    }

    /// What a UDP listener may do.
    pub(crate) fn udp_relay(&self, upstream: UpstreamAddr) -> UdpConfig {
        let limits = Limits {
            idle_timeout: self.relay.udp_idle,
            sessions_max: self.relay.udp_sessions,
            sessions_per_client_max: self.relay.udp_sessions_per_client,
            ..Limits::default()
        };
        UdpConfig { upstream, limits }
    }

    /// What a TCP listener may do.
    pub(crate) fn tcp_relay(&self, upstream: UpstreamAddr) -> TcpConfig {
        TcpConfig {
            connect_timeout: self.origin_limits.connect_timeout,
            idle_timeout: self.relay.tcp_idle,
            connections_max: self.relay.tcp_connections,
            connections_per_client_max: self.relay.tcp_connections_per_client,
            ..TcpConfig::new(upstream)
        }
    }
}

impl RelayLimits {
    fn settings(layers: &mut Layers<'_>) -> Self {
        let count = text::number_within(1_u32, 10_000_000);
        Self {
            udp_idle: layers.one("relay.udp_idle", timeout(), Limits::IDLE_TIMEOUT),
            udp_sessions: layers.one("relay.udp_sessions", &count, Limits::SESSIONS_MAX),
            udp_sessions_per_client: layers.one(
                "relay.udp_sessions_per_client",
                &count,
                Limits::SESSIONS_PER_CLIENT_MAX,
            ),
            udp_kept: layers.one(
                "relay.udp_kept",
                text::number_within(0, KEPT_SESSIONS_MAX),
                KEPT_SESSIONS,
            ),
            tcp_idle: layers.one("relay.tcp_idle", timeout(), TcpConfig::IDLE_TIMEOUT),
            tcp_connections: layers.one(
                "relay.tcp_connections",
                &count,
                TcpConfig::CONNECTIONS_MAX,
            ),
            tcp_connections_per_client: layers.one(
                "relay.tcp_connections_per_client",
                &count,
                TcpConfig::CONNECTIONS_PER_CLIENT_MAX,
            ),
        }
    }
}

fn store_limits(layers: &mut Layers<'_>) -> StoreLimits {
    let memory = text::bytes_within(1 << 20, MEMORY_BYTES_MAX);
    StoreLimits {
        memory_bytes: layers.one("cache.memory", memory, 256 << 20),
        filling_bytes: layers.one(
            "cache.filling_memory",
            text::bytes_within(0, MEMORY_BYTES_MAX),
            FILLING_BYTES,
        ),
    }
}

fn origin_limits(layers: &mut Layers<'_>) -> OriginLimits {
    let defaults = OriginLimits::default();
    OriginLimits {
        connect_timeout: layers.one("timeouts.connect", timeout(), defaults.connect_timeout),
        head_timeout: layers.one("timeouts.origin", timeout(), defaults.head_timeout),
        body_timeout: layers.one("timeouts.body", timeout(), defaults.body_timeout),
        idle_timeout: layers.one("timeouts.origin_idle", timeout(), defaults.idle_timeout),
        connections_max: layers.one(
            "limits.origin_connections",
            text::number_within(1, 100_000),
            defaults.connections_max,
        ),
        idle_max: layers.one(
            "limits.origin_idle",
            text::number_within(0, 100_000),
            defaults.idle_max,
        ),
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.upstream)
    }
}

fn default_origins() -> Vec<OriginAddr> {
    OriginAddr::parse("http://127.0.0.1:8000").into_iter().collect()
}

fn default_udp() -> Vec<Forwarding> {
    let upstream = UpstreamAddr::new(([127, 0, 0, 1], 9000).into());
    vec![Forwarding { listen: ([127, 0, 0, 1], 9090).into(), upstream }]
}

/// A name is looked up once, here; a reload looks it up again.
fn forwarding(text: &str) -> Result<Forwarding, String> {
    let expected = "LISTEN=UPSTREAM is expected, such as 127.0.0.1:9090=127.0.0.1:9000";
    let (listen, upstream) = text.split_once('=').ok_or_else(|| expected.to_owned())?;
    let listen = text::address(listen)?;
    let mut found = upstream
        .to_socket_addrs()
        .map_err(|error| format!("cannot find the upstream {upstream}: {error}; {expected}"))?;
    let upstream = found.next().ok_or_else(|| format!("{upstream} has no address"))?;
    if upstream.port() == 0 {
        return Err("an upstream needs a port other than 0".to_owned());
    }
    Ok(Forwarding { listen, upstream: UpstreamAddr::new(upstream) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use selat_runtime::config::sample;

    use super::*;

    const SAMPLE: &str = include_str!("../../../packaging/proxyd.toml");

    #[test]
    fn the_packaged_sample_says_the_defaults_of_every_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("proxyd.toml");
        std::fs::write(&file, sample::in_force(SAMPLE)).expect("written");
        let sources = Sources::of("proxydsample");
        let with_sample = sources.clone().with_file(file);
        let mut layers = with_sample.read();
        let mut sampled = Config::settings(&mut layers);
        let (shown, keys) = (layers.shown(), layers.keys().count());
        sampled = layers.finish(sampled).expect("a good sample");
        let lines = sample::in_force(SAMPLE);
        let lines = lines.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
        assert_eq!(keys, lines.count(), "every key is in the sample");
        assert_eq!(sampled.service.control.path, Path::new("/run/proxyd/control.sock"));
        assert_eq!(sampled.service.status.path, Path::new("/run/proxyd/status.sock"));
        let without_file = sources.without_file();
        let mut defaults = without_file.read();
        Config::settings(&mut defaults);
        // The defaults of the sockets depend on the environment that the daemon is started in.
        let changes = defaults.shown().changes(&shown);
        let is_socket = |key: &str| ["control", "status"].contains(&key);
        let others: Vec<_> = changes.iter().filter(|change| !is_socket(&change.key)).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// The configuration of a file with these lines.
    fn read(lines: &str) -> Result<Config, ConfigErrors> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("proxyd.toml");
        std::fs::write(&file, lines).expect("written");
        Config::read(&Sources::of("proxydsample").with_file(file))
    }

    #[test]
    fn the_routes_of_the_sample_are_good() {
        let example = SAMPLE.lines().filter_map(|line| line.strip_prefix("#   "));
        let example = example.skip_while(|line| !line.starts_with("[route.")).collect::<Vec<_>>();
        let config = read(&example.join("\n")).expect("a good example");
        let [route] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
        assert_eq!((&*route.name, route.places().count()), ("images", 4));
        assert_eq!(route.origins[0].to_string(), "http://127.0.0.1:8001");
        assert_eq!(route.cache.policy.lifetime_max, Duration::from_hours(7 * 24));
        assert_eq!(route.cache.policy.targeted.len(), 1);
        assert_eq!(config.cache.policy.targeted.len(), 0);
    }

    #[test]
    fn a_route_has_the_settings_of_all_where_it_has_none() {
        let config = read(concat!(
            "origin = \"http://127.0.0.1:81\"\n[cache]\ngrace = \"5s\"\nquery_sort = true\n",
            "[route.a]\npath = \"/a\"\n[route.a.cache]\ngrace = \"1s\"\nkey_cookies = [\"lang\"]\n",
        ));
        let route = &config.expect("good").routes[0];
        assert_eq!(route.cache.policy.grace_while_revalidate, Duration::from_secs(1));
        assert!(route.cache.query.sort);
        assert_eq!(route.cache.key_parts.cookies, ["lang"]);
        assert_eq!(route.origins[0].to_string(), "http://127.0.0.1:81");
    }

    #[test]
    fn routes_that_cannot_be_meant_are_refused_with_their_place() {
        for (lines, expected) in [
            ("[route.a]\n", ":1: route.a.host: a route needs a host or a path"),
            ("[route.default]\npath = \"/\"\n", ":1: route.default: default is the route"),
            ("[route.\"a b\"]\npath = \"/\"\n", ":1: route.a b: a name has 1 to 64"),
            ("[route.a]\nhost = \"a:80\"\n", ":2: route.a.host = \"a:80\": a host is expected"),
            ("[route.a]\npath = \"x\"\n", ":2: route.a.path = \"x\": the beginning of a path"),
            (
                "[route.a]\npath = \"/x\"\norigin = []\n",
                ":3: route.a.origin: a route needs an origin",
            ),
            (
                "[route.a]\npath = \"/x\"\n[route.b]\npath = [\"/y\", \"/%78\"]\n",
                ":4: route.b.path = \"/y, /%78\": any host, /x: a has that already",
            ),
            ("[route.a]\nhost = [\"h\", \"H\"]\n", "h, /: this route has that already"),
            ("[route.a]\npath = \"/x\"\ncolour = 1\n", ":3: route.a.colour: unknown key"),
            (
                "[route.a]\npath = \"/x\"\n[route.a.cache]\nmemory = \"1GiB\"\n",
                ":4: route.a.cache.memory: unknown key; cache.memory is for all and belongs in [cache]",
            ),
            (
                "[route.a]\npath = \"/x\"\nthreads = 2\n",
                ":3: route.a.threads: unknown key; threads is for all and belongs before any table",
            ),
            ("[cache]\nquery_drop = [\"a*b\"]\n", "where * may only be the end"),
            ("[cache]\nquery_drop = [\"**\"]\n", "where * may only be the end"),
            ("[cache]\nlifetime_max = \"0s\"\n", "must be from 1s to 365d"),
            ("[cache]\nobject_max = \"0\"\n", "must be from 1B to 16TiB"),
            ("[cache]\nmemory = \"1KiB\"\n", "must be from 1MiB to 16TiB"),
            ("[[route]]\nname = \"a\"\n", ":1: route: tables here have names: [route.NAME]"),
            (
                "[route.a]\npath = \"/x\"\n[route.a.cache]\nobject_max = \"1GiB\"\n",
                "route.a.cache.object_max = \"1GiB\": must not be more than cache.memory",
            ),
            ("[cache]\nkey_cookies = [\"a=b\"]\n", "the name of a cookie is expected"),
            ("[cache]\nkey_headers = [\"Cookie\"]\n", "key_cookies names single cookies"),
        ] {
            let report = read(lines).expect_err(lines).to_string();
            assert!(report.contains(expected), "{expected}\nis not in\n{report}");
            assert_eq!(report.lines().count(), 1, "{report}");
        }
    }

    #[test]
    fn what_a_reload_changes_is_told_as_the_file_has_it() {
        let next = "[cache]\nmemory = \"2MiB\"\nobject_max = \"1MiB\"\nset_cookie = \"never\"\n\
                    purge_allow = [\"127.0.0.1\"]\n[route.a]\npath = \"/img/\"\n";
        let [before, after] = ["", next].map(|lines| read(lines).expect(lines));
        let changes = before.shown().changes(after.shown());
        assert_eq!(
            changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "cache.memory: 256MiB is now 2MiB",
                "cache.object_max: 16MiB is now 1MiB",
                "cache.purge_allow: [] is now 127.0.0.1",
                "cache.set_cookie: explicit is now never",
                "route.a.path: is now /img/",
            ]
        );
    }

    #[test]
    fn a_relay_into_itself_is_refused() {
        for (key, value) in [
            ("udp", "127.0.0.1:9090=127.0.0.1:9090"),
            ("tcp", "127.0.0.1:7070=127.0.0.1:7070"),
            ("tcp", "127.0.0.1:7070=127.0.0.1:8080"),
            ("udp", "0.0.0.0:9090=127.0.0.1:9090"),
        ] {
            let sources = Sources::of("proxydsample").without_file();
            let refused = Config::read(&sources.with_flag(key, [value.to_owned()]));
            let report = refused.expect_err(value).to_string();
            assert!(report.contains("this very daemon"), "{report}");
        }
    }
}
