//! What an operator may set about the cache's decisions. The defaults follow RFC 9111 and lean
//! towards not sharing what was not clearly meant to be shared.

use std::time::Duration;

use ::http::HeaderName;

/// The targeted field that RFC 9213 §3.1 defines for CDNs.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Choices that the decisions of one route depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyOptions {
    /// Whether the cache is used at all: nothing is served from it nor stored where it is not.
    pub enabled: bool,
    /// Targeted fields that override `Cache-Control` and `Expires`, most specific first
    /// (RFC 9213 §2.2). Default: none, since only a CDN may obey `CDN-Cache-Control`.
    pub targeted: Vec<HeaderName>,
    /// Whether the directives of requests count.
    pub client_directives: ClientDirectives,
    /// Which responses with `Set-Cookie` are stored.
    pub set_cookie: SetCookie,
    /// Heuristic freshness as a percentage of the time since the last modification, 0 to 100
    /// (RFC 9111 §4.2.2 suggests 10).
    pub heuristic_percent: u32,
    /// The longest freshness a heuristic gives.
    pub heuristic_max: Duration,
    /// The longest freshness of any response, whatever the origin states.
    pub lifetime_max: Duration,
    /// For how long a stale response is served while it is refreshed in the background, where the
    /// origin says nothing (RFC 5861 §3). Default: not at all.
    pub grace_while_revalidate: Duration,
    /// For how long a stale response is served when the origin fails, where the origin says
    /// nothing (RFC 5861 §4).
    pub grace_if_error: Duration,
    /// For how long requests do not wait for each other's fetch after a response that could not be
    /// stored. Zero: they always do.
    pub hit_for_miss: Duration,
    /// What stale directives mean beside `s-maxage`.
    pub s_maxage_stale: SMaxageStale,
}

/// Whether clients may steer the cache (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDirectives {
    /// They may: a reload reaches the origin.
    Obey,
    /// They may not: an origin that must be shielded from reloads.
    Ignore,
}

/// Which responses with `Set-Cookie` a shared cache stores. RFC 9111 §7.3 leaves it to the origin
/// to forbid it; cookies that leak from a cache are worth more care than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetCookie {
    /// Those whose freshness or publicness the origin states; never by a heuristic.
    StoreIfExplicit,
    /// None.
    Refuse,
    /// All that are otherwise storable.
    Store,
}

/// How `s-maxage` and a stale directive in one response go together. RFC 9111 §5.2.2.10 forbids
/// serving such a response stale; origins that write both mean the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SMaxageStale {
    /// `s-maxage` forbids stale responses, as the RFC has it.
    Forbid,
    /// An explicit `stale-while-revalidate` or `stale-if-error` allows them.
    AllowIfExplicit,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            targeted: Vec::new(),
            client_directives: ClientDirectives::Obey,
            set_cookie: SetCookie::StoreIfExplicit,
            heuristic_percent: 10,
            heuristic_max: Duration::from_hours(24),
            lifetime_max: Duration::from_hours(365 * 24),
            grace_while_revalidate: Duration::ZERO,
            grace_if_error: Duration::from_mins(5),
            hit_for_miss: Duration::from_mins(2),
            s_maxage_stale: SMaxageStale::Forbid,
        }
    }
}
