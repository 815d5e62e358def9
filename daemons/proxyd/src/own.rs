//! What the proxy answers itself: requests that are about the way to the origin, or dangerous on it.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};

use crate::{body::ReplyBody, reply, request::Ask};

/// Methods that go to an origin.
const ALLOWED: &str = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

/// Whether a request is for the server as a whole (RFC 9110 §9.3.7), which has no path for an origin.
pub(crate) fn is_for_server(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS && head.uri.path() == "*"
}

/// The answer to a request for the server as a whole.
pub(crate) fn options() -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow(response.headers_mut());
    reply::say(response.headers_mut(), reply::silent());
    response
}

/// The answer to a request that goes no further, if this is one.
pub(crate) fn answer(ask: &Ask<'_>) -> Option<Response<ReplyBody>> {
    match ask.head.method {
        // TRACE echoes cookies and credentials to scripts that must not see them.
        Method::TRACE => {
            let mut response = reply::error(StatusCode::METHOD_NOT_ALLOWED, reply::silent());
            allow(response.headers_mut());
            Some(response)
        }
        Method::OPTIONS if hops_left(&ask.head.headers) == Some(0) => Some(options()),
        _ => None,
    }
}

/// RFC 9110 §7.6.2: one hop less, for OPTIONS.
pub(crate) fn count_hop(method: &Method, headers: &mut HeaderMap) {
    if *method == Method::OPTIONS
        && let Some(left) = hops_left(headers)
    {
        headers.insert(header::MAX_FORWARDS, left.saturating_sub(1).into());
    }
}

fn hops_left(headers: &HeaderMap) -> Option<u32> {
    headers.get(header::MAX_FORWARDS)?.to_str().ok()?.parse().ok()
}

fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
}
