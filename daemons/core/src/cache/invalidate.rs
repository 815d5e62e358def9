//! What a write spoils (RFC 9111 §4.4): after a non-error response to an unsafe request, what is
//! stored for its target may no longer be true.

use ::http::{Method, header};
use smallvec::SmallVec;

use super::key::CacheKey;
use super::storage::Exchange;
use crate::http::target::{Target, resolve_same_origin};

/// The keys whose stored responses an exchange invalidates: the target URI, and what `Location`
/// and `Content-Location` name within the same origin, each as `key` has it. None for a safe method or an
/// error.
#[must_use]
pub fn invalidated(
    exchange: &Exchange<'_>,
    key: impl Fn(&Target<'_>) -> CacheKey,
) -> SmallVec<[CacheKey; 3]> {
    let mut keys = SmallVec::new();
    let status = exchange.response.status;
    // RFC 9111 §4.4: a non-error response is 2xx or 3xx.
    if is_safe(exchange.request.method) || !(status.is_success() || status.is_redirection()) {
        return keys;
    }
    keys.push(key(&exchange.target));
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let named = exchange.response.headers.get(name).and_then(|value| value.to_str().ok());
        // RFC 9111 §4.4: not for another origin, lest one site empty the cache of another.
        let Some((path, query)) =
            named.and_then(|reference| resolve_same_origin(&exchange.target, reference))
        else {
            continue;
        };
        let key = key(&Target { path: &path, query, ..exchange.target });
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Whether a method is known to be safe (RFC 9110 §9.2.1). Unknown methods are not.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    // PROPFIND, REPORT and SEARCH: RFC 4918 §9.1, RFC 3253 §3.6, RFC 5323 §2.
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH"
    )
}
