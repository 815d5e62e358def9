//! What the cache does with a route's requests: `[cache]` for all, `[route.NAME.cache]` for what one
//! does otherwise.

use std::{fmt::Debug, time::Duration};

use http::HeaderName;
use selat_core::cache::{
    key_parts::KeyParts,
    options::{CDN_CACHE_CONTROL, ClientDirectives, PolicyOptions, SMaxageStale, SetCookie},
    query::QueryRules,
};
use selat_runtime::{
    config::{Layers, Written, text},
    service::TIMEOUT_MAX,
};

use super::MEMORY_BYTES_MAX;
use crate::{forward::is_untrusted, network::Network};

/// Most eagerness to refresh early.
const EARLY_REFRESH_MAX: f64 = 100.0;

/// Content of the largest response that is stored, where the memory allows.
const OBJECT_BYTES_MAX: u64 = 16 << 20;

/// Octets of the name of a cookie in a key.
const COOKIE_NAME_BYTES_MAX: usize = 64;

/// Cookies or fields in a key.
const KEY_NAMES_MAX: usize = 8;

/// The settings of a route's cache.
#[derive(Clone, Debug)]
pub(crate) struct CacheConfig {
    pub(crate) policy: PolicyOptions,
    pub(crate) query: QueryRules,
    pub(crate) key_parts: KeyParts,
    pub(crate) early_refresh: f64,
    /// Clients that may send `PURGE`.
    pub(crate) purge_allow: Vec<Network>,
    /// Octets of content of one response.
    pub(crate) object_bytes: u64,
    /// Variants of one resource.
    pub(crate) variants: usize,
}

impl CacheConfig {
    /// What holds where nothing is set, with this much memory.
    pub(super) fn built_in(memory_bytes: u64) -> Self {
        Self {
            policy: PolicyOptions::default(),
            query: QueryRules::default(),
            key_parts: KeyParts::default(),
            early_refresh: 0.0,
            purge_allow: Vec::new(),
            object_bytes: OBJECT_BYTES_MAX.min(memory_bytes),
            variants: 64,
        }
    }

    /// Each key, with what `otherwise` has where it is not set.
    pub(super) fn settings(layers: &mut Layers<'_>, otherwise: &Self) -> Self {
        let Self { policy: options, query, key_parts, .. } = otherwise;
        let settings = Self {
            policy: policy(layers, options),
            query: QueryRules {
                drop: layers.many("cache.query_drop", parameter, query.drop.clone()),
                sort: layers.one("cache.query_sort", text::truth, query.sort),
            },
            key_parts: KeyParts {
                device: layers.one("cache.key_device", text::truth, key_parts.device),
                cookies: layers.many("cache.key_cookies", cookie, key_parts.cookies.clone()),
                headers: layers.many("cache.key_headers", field, key_parts.headers.clone()),
            },
            early_refresh: layers.one(
                "cache.early_refresh",
                text::number_within(0.0, EARLY_REFRESH_MAX),
                otherwise.early_refresh,
            ),
            purge_allow: layers.many(
                "cache.purge_allow",
                Network::parse,
                otherwise.purge_allow.clone(),
            ),
            object_bytes: layers.one(
                "cache.object_max",
                text::bytes_within(1, MEMORY_BYTES_MAX),
                otherwise.object_bytes,
            ),
            variants: layers.one(
                "cache.variants_max",
                text::number_within(1, 10_000),
                otherwise.variants,
            ),
        };
        settings.check(layers);
        settings
    }

    fn check(&self, layers: &mut Layers<'_>) {
        let KeyParts { cookies, headers, .. } = &self.key_parts;
        for (key, names) in
            [("cache.key_cookies", cookies.len()), ("cache.key_headers", headers.len())]
        {
            if names > KEY_NAMES_MAX {
                layers.refuse(key, format!("a key holds at most {KEY_NAMES_MAX} of them"));
            }
        }
    }
}

fn policy(layers: &mut Layers<'_>, otherwise: &PolicyOptions) -> PolicyOptions {
    let is_targeted = !otherwise.targeted.is_empty();
    let targeted = layers.one("cache.cdn_cache_control", text::truth, is_targeted);
    let any = text::duration_within(Duration::ZERO, 365 * TIMEOUT_MAX);
    // A route that is to store nothing has cache.enabled = false.
    let some = text::duration_within(Duration::from_secs(1), 365 * TIMEOUT_MAX);
    PolicyOptions {
        enabled: layers.one("cache.enabled", text::truth, otherwise.enabled),
        targeted: if targeted { vec![CDN_CACHE_CONTROL] } else { Vec::new() },
        grace_while_revalidate: layers.one("cache.grace", &any, otherwise.grace_while_revalidate),
        grace_if_error: layers.one("cache.grace_if_error", &any, otherwise.grace_if_error),
        heuristic_max: layers.one("cache.heuristic_max", &any, otherwise.heuristic_max),
        lifetime_max: layers.one("cache.lifetime_max", some, otherwise.lifetime_max),
        hit_for_miss: layers.one("cache.hit_for_miss", &any, otherwise.hit_for_miss),
        client_directives: choice(
            layers,
            "cache.client_directives",
            CLIENT_DIRECTIVES,
            otherwise.client_directives,
        ),
        set_cookie: choice(layers, "cache.set_cookie", SET_COOKIE, otherwise.set_cookie),
        s_maxage_stale: choice(
            layers,
            "cache.s_maxage_stale",
            S_MAXAGE_STALE,
            otherwise.s_maxage_stale,
        ),
        ..otherwise.clone()
    }
}

/// The names of choices.
type Names<T> = &'static [(&'static str, T)];

const CLIENT_DIRECTIVES: Names<ClientDirectives> =
    &[("obey", ClientDirectives::Obey), ("ignore", ClientDirectives::Ignore)];
const SET_COOKIE: Names<SetCookie> = &[
    ("explicit", SetCookie::StoreIfExplicit),
    ("never", SetCookie::Refuse),
    ("always", SetCookie::Store),
];
const S_MAXAGE_STALE: Names<SMaxageStale> =
    &[("never", SMaxageStale::Forbid), ("explicit", SMaxageStale::AllowIfExplicit)];

/// One of several, as the file has it.
#[derive(Debug)]
struct Choice<T: 'static>(T, Names<T>);

impl<T: PartialEq> Written for Choice<T> {
    fn written(&self) -> String {
        let chosen = self.1.iter().find(|(_, choice)| *choice == self.0);
        chosen.map_or(String::new(), |(name, _)| (*name).to_owned())
    }
}

fn choice<T: Copy + Debug + PartialEq>(
    layers: &mut Layers<'_>,
    key: &'static str,
    names: Names<T>,
    otherwise: T,
) -> T {
    let parse = |text: &str| {
        let chosen = names.iter().find(|(name, _)| *name == text);
        let expected = || {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            format!("{} is expected", names.join(" or "))
        };
        chosen.map(|(_, choice)| Choice(*choice, names)).ok_or_else(expected)
    };
    layers.one(key, parse, Choice(otherwise, names)).0
}

/// The name of a query parameter, or how names begin and a `*`.
fn parameter(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if text.is_empty() || name.contains('*') {
        return Err("the name of a parameter is expected, where * may only be the end".to_owned());
    }
    Ok(text.to_owned())
}

/// RFC 6265 §4.1.1: the name of a cookie is a token.
fn cookie(text: &str) -> Result<String, String> {
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    if (1..=COOKIE_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_token) {
        Ok(text.to_owned())
    } else {
        Err(format!("the name of a cookie is expected, of at most {COOKIE_NAME_BYTES_MAX} octets"))
    }
}

/// Whole requests differ by these: a key that held them would be of no use to anyone else.
fn field(text: &str) -> Result<HeaderName, String> {
    match text.to_ascii_lowercase().parse() {
        Ok(http::header::COOKIE) => Err("key_cookies names single cookies".to_owned()),
        Ok(http::header::CACHE_CONTROL | http::header::PRAGMA) => {
            Err("they steer the cache, and tell no pages apart".to_owned())
        }
        Ok(name) if is_untrusted(&name) => {
            Err("a client's field of this name reaches no origin, which cannot answer by it"
                .to_owned())
        }
        Ok(name) => Ok(name),
        Err(_) => Err("the name of a request field is expected, such as X-Country".to_owned()),
    }
}
