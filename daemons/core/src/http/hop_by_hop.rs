//! Connection-level fields (RFC 9110 §7.6.1), which concern one hop and are neither forwarded nor
//! stored.

use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::{fields, list};

/// `Keep-Alive` (RFC 2068 §19.7.1.1).
pub static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy-Connection`, never standardised, still sent (RFC 9110 §7.6.1).
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `Proxy-Authentication-Info` (RFC 9110 §11.7.3).
static PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");
/// `HTTP2-Settings` (RFC 7540 §3.2.1), which offers an upgrade of this connection.
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether a field concerns one hop whether or not `Connection` lists it, or is of authentication to or by a proxy,
/// which this hop consumes (RFC 9111 §3.1).
fn is_of_one_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::TE
            | header::TRANSFER_ENCODING
            | header::UPGRADE
            | header::TRAILER
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
    ) || [&KEEP_ALIVE, &PROXY_CONNECTION, &HTTP2_SETTINGS, &PROXY_AUTHENTICATION_INFO]
        .contains(&name)
}

/// Fields that make a message what it is. RFC 9110 §7.6.1 forbids listing them in `Connection`;
/// if a peer does so, they stay, lest it strip a credential or the framing from under the origin.
static UNLISTABLE: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::AUTHORIZATION,
    header::COOKIE,
    header::RANGE,
];

/// Removes what must not be forwarded from a request. `TE: trailers` is kept for the next hop,
/// as RFC 9110 §10.1.4 allows a proxy that forwards trailers to say; over HTTP/1.1 the sender lists
/// it in `Connection` as well.
pub fn strip_request(headers: &mut HeaderMap) {
    let trailers = list::contains(headers, header::TE, "trailers");
    strip(headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes the fields of a request that `Connection` alone makes this hop's, so that nothing is decided by what the
/// origin will not see. Those that are of one hop anyway stay until [`strip_request`].
pub fn strip_listed(headers: &mut HeaderMap) {
    let usual = |value: &HeaderValue| {
        [&b"keep-alive"[..], b"close"].iter().any(|one| value.as_bytes().eq_ignore_ascii_case(one))
    };
    if headers.get_all(header::CONNECTION).iter().all(usual) {
        return;
    }
    let mut listed = listed(headers);
    listed.retain(|name| !is_of_one_hop(name));
    for name in listed {
        headers.remove(name);
    }
}

/// Removes what must be neither forwarded nor stored from a response.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers);
}

fn strip(headers: &mut HeaderMap) {
    let listed = listed(headers);
    fields::remove_where(headers, |name| is_of_one_hop(name) || listed.contains(name));
}

/// The field names that `Connection` lists, without those that cannot be connection-level.
fn listed(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    list::members(headers, header::CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !UNLISTABLE.contains(name))
        .collect()
}
