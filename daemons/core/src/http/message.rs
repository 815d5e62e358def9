//! The heads of a request and a response, borrowed: all that a decision may look at.

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header, request, response};

/// A request without its content.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method, case-sensitive (RFC 9110 §9.1).
    pub method: &'a Method,
    /// The header section as received.
    pub headers: &'a HeaderMap,
}

impl RequestHead<'_> {
    /// Whether it has none of the fields that change what a cache does with it, as most requests: then none of them
    /// has to be looked for.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.headers.keys().any(|name| {
            matches!(
                *name,
                header::CACHE_CONTROL
                    | header::PRAGMA
                    | header::RANGE
                    | header::IF_RANGE
                    | header::IF_MATCH
                    | header::IF_NONE_MATCH
                    | header::IF_MODIFIED_SINCE
                    | header::IF_UNMODIFIED_SINCE
                    | header::CONTENT_LENGTH
                    | header::TRANSFER_ENCODING
                    | header::UPGRADE
            )
        })
    }

    /// Whether content follows (RFC 9112 §6.3): its framing is there, and its length is not zero.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.headers.contains_key(header::TRANSFER_ENCODING)
            || self.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
    }
}

/// A final response without its content.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status code; never 1xx.
    pub status: StatusCode,
    /// The header section as received.
    pub headers: &'a HeaderMap,
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self { method: &parts.method, headers: &parts.headers }
    }
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self { method: request.method(), headers: request.headers() }
    }
}

impl<'a> From<&'a response::Parts> for ResponseHead<'a> {
    fn from(parts: &'a response::Parts) -> Self {
        Self { status: parts.status, headers: &parts.headers }
    }
}

impl<'a, B> From<&'a Response<B>> for ResponseHead<'a> {
    fn from(response: &'a Response<B>) -> Self {
        Self { status: response.status(), headers: response.headers() }
    }
}
