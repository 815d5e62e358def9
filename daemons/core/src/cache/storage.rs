//! Whether a response may be stored (RFC 9111 §3), and what is kept of it.

use ::http::{HeaderMap, Method, StatusCode, header};

use super::freshness::{Directives, Times, is_heuristically_cacheable};
use super::options::{ClientDirectives, PolicyOptions, SetCookie};
use super::partial::Extent;
use super::reason::StoreRefusal;
use super::stored::StoredMeta;
use super::vary::Vary;
use crate::http::cache_control::{RequestDirectives, Scope};
use crate::http::message::{RequestHead, ResponseHead};
use crate::http::range::ContentRange;
use crate::http::target::{Target, resolve_same_origin};

/// A request and the final response that the origin gave to it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request as the client sent it.
    pub request: RequestHead<'a>,
    /// What the client asked for.
    pub target: Target<'a>,
    /// The response as the origin sent it, with its connection-level fields.
    pub response: ResponseHead<'a>,
    /// When it was sent for and received.
    pub times: Times,
}

/// What to do with a response beside sending it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storability {
    /// Store it, with its fields as [`super::stored::prepare`] leaves them.
    Store(Box<StoredMeta>),
    /// Do not. What is stored for the URI stays as it is.
    Pass(StoreRefusal),
}

/// Judges a response (RFC 9111 §3).
#[must_use]
pub fn storable(exchange: &Exchange<'_>, options: &PolicyOptions) -> Storability {
    match judge(exchange, options) {
        Ok(meta) => Storability::Store(Box::new(meta)),
        Err(refusal) => Storability::Pass(refusal),
    }
}

fn judge(exchange: &Exchange<'_>, options: &PolicyOptions) -> Result<StoredMeta, StoreRefusal> {
    let Exchange { request, response, times, .. } = exchange;
    if !options.enabled {
        return Err(StoreRefusal::Configured);
    }
    let directives = Directives::of(response.headers, options);
    method_allows(exchange, &directives)?;
    status_allows(response.status, &directives)?;
    request_allows(request, &directives, options)?;
    response_allows(response, &directives, options)?;
    let mut meta = StoredMeta::new(
        response.status,
        response.headers,
        request.headers,
        &directives,
        *times,
        options,
    );
    if *meta.vary() == Vary::Anything {
        return Err(StoreRefusal::VaryAny);
    }
    if !meta.is_usable() {
        return Err(StoreRefusal::Unusable);
    }
    if response.status == StatusCode::PARTIAL_CONTENT {
        meta.hold(part(response.headers)?);
    }
    Ok(meta)
}

/// RFC 9111 §3: the request method is understood and its responses are cacheable.
fn method_allows(exchange: &Exchange<'_>, directives: &Directives) -> Result<(), StoreRefusal> {
    match *exchange.request.method {
        Method::GET => Ok(()),
        Method::HEAD => Err(StoreRefusal::Head),
        Method::POST if post_is_cacheable(exchange, directives) => Ok(()),
        _ => Err(StoreRefusal::Method),
    }
}

/// RFC 9110 §9.3.3: a 200 to POST with explicit freshness and the target URI as its
/// `Content-Location` answers later GETs.
fn post_is_cacheable(exchange: &Exchange<'_>, directives: &Directives) -> bool {
    let headers = exchange.response.headers;
    let explicit = directives.response.s_maxage.is_some()
        || directives.response.max_age.is_some()
        || !directives.targeted && headers.contains_key(header::EXPIRES);
    let location = headers.get(header::CONTENT_LOCATION).and_then(|value| value.to_str().ok());
    let resolved = location.and_then(|location| resolve_same_origin(&exchange.target, location));
    let same = resolved.is_some_and(|(path, query)| {
        let named = Target { path: &path, query, ..exchange.target };
        named.normalised_path_and_query() == exchange.target.normalised_path_and_query()
    });
    exchange.response.status == StatusCode::OK && explicit && same
}

fn status_allows(status: StatusCode, directives: &Directives) -> Result<(), StoreRefusal> {
    // RFC 9111 §3: the status code is final.
    if status.is_informational() {
        return Err(StoreRefusal::NotFinal);
    }
    // RFC 9111 §4.3.4: 304 is for updating; as a stored response it would answer nothing.
    if status == StatusCode::NOT_MODIFIED {
        return Err(StoreRefusal::NotModified);
    }
    // RFC 6585 §3-§6: these MUST NOT be stored by a cache, whatever the directives say.
    if matches!(status.as_u16(), 428 | 429 | 431 | 511) {
        return Err(StoreRefusal::StatusForbids);
    }
    // RFC 9110 §15.5.13, §15.5.17, §15.5.18, RFC 8470 §5.2: one client's Range must not make a 416
    // the answer to everybody.
    if matches!(status.as_u16(), 412 | 416 | 417 | 425) {
        return Err(StoreRefusal::RequestSpecific);
    }
    // RFC 9111 §5.2.2.3: must-understand limits storing to status codes that are understood.
    if directives.response.must_understand && !is_understood(status) {
        return Err(StoreRefusal::NotUnderstood);
    }
    Ok(())
}

fn request_allows(
    request: &RequestHead<'_>,
    directives: &Directives,
    options: &PolicyOptions,
) -> Result<(), StoreRefusal> {
    // RFC 9111 §5.2.1.5.
    if options.client_directives == ClientDirectives::Obey
        && RequestDirectives::of(request.headers).no_store
    {
        return Err(StoreRefusal::RequestNoStore);
    }
    // RFC 9110 §9.3.1: content has no meaning in a GET, and an origin may give it one.
    if *request.method == Method::GET && request.has_content() {
        return Err(StoreRefusal::RequestContent);
    }
    // RFC 9111 §3.5: an authenticated exchange is shared only where the response says so.
    let response = &directives.response;
    let shared = response.must_revalidate || response.public || response.s_maxage.is_some();
    if request.headers.contains_key(header::AUTHORIZATION) && !shared {
        return Err(StoreRefusal::Authorization);
    }
    Ok(())
}

fn response_allows(
    response: &ResponseHead<'_>,
    directives: &Directives,
    options: &PolicyOptions,
) -> Result<(), StoreRefusal> {
    let said = &directives.response;
    // RFC 9111 §5.2.2.3: with must-understand, no-store is for caches that do not understand it.
    if said.no_store && !said.must_understand {
        return Err(StoreRefusal::NoStore);
    }
    // RFC 9111 §5.2.2.7: private without field names forbids a shared cache to store.
    if said.private == Scope::Whole {
        return Err(StoreRefusal::Private);
    }
    let explicit = said.public
        || said.max_age.is_some()
        || said.s_maxage.is_some()
        || !directives.targeted && response.headers.contains_key(header::EXPIRES);
    // RFC 9111 §3, last item: something makes the response cacheable.
    if !explicit && !is_heuristically_cacheable(response.status) {
        return Err(StoreRefusal::NotCacheable);
    }
    let allowed = match options.set_cookie {
        SetCookie::Store => true,
        SetCookie::StoreIfExplicit => explicit,
        SetCookie::Refuse => false,
    };
    if !allowed && response.headers.contains_key(header::SET_COOKIE) {
        return Err(StoreRefusal::SetCookie);
    }
    Ok(())
}

/// RFC 9111 §3.3: a 206 is stored if it is one range whose place is known. One that holds the
/// whole representation is still sent as 206 to those who ask for a range.
fn part(headers: &HeaderMap) -> Result<Extent, StoreRefusal> {
    ContentRange::of(headers).map(Extent::Part).ok_or(StoreRefusal::Range)
}

/// The final status codes whose caching this crate knows: those that RFC 9110, RFC 4918, RFC 5842,
/// RFC 6585, RFC 7725, RFC 8297 and RFC 8470 define.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=426 | 428 | 429 | 431 | 451
            | 500..=508 | 510 | 511
    )
}
