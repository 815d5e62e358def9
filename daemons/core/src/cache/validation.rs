//! What the origin's answer about a stored response does to it: a 304 updates it (RFC 9111
//! §4.3.4), a 200 to HEAD updates or spoils it (§4.3.5).

use std::time::SystemTime;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::freshness::Directives;
use super::options::PolicyOptions;
use super::partial::Extent;
use super::reason::{RevalidateReason, StoreRefusal};
use super::storage::{Exchange, Storability, storable};
use super::stored::{StoredMeta, prepare};
use crate::http::conditional::EntityTag;
use crate::http::{date, hop_by_hop};

/// `Content-MD5` (RFC 1864): like the length, it describes the octets that are stored.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Fields of a stored response that an update leaves alone (RFC 9111 §3.2): they describe the
/// stored octets, or are the validator that selected them.
pub const KEPT: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    CONTENT_MD5,
    header::ETAG,
];

/// What came of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The stored response is current. Its new facts; its fields have been updated.
    Updated(Box<StoredMeta>),
    /// It is current, but the request forbids keeping what came of it: serve that to this client, and leave what is
    /// stored as it is. Its fields have been updated.
    Apart(Box<StoredMeta>),
    /// It is current, but what the origin now says forbids keeping it: serve it to those who wait
    /// for it, then drop it. Its fields have been updated.
    Withdrawn(Box<StoredMeta>),
    /// The origin spoke of another representation: the stored one is of no use. Ask again without
    /// conditions. Nothing has been changed.
    Mismatch,
}

/// Takes in a 304 to a request that carried the conditions of `stored`. `headers` are the stored
/// response's fields; `exchange` is the validating request with the 304.
#[must_use]
pub fn revalidated(
    stored: &StoredMeta,
    headers: &mut HeaderMap,
    exchange: &Exchange<'_>,
    options: &PolicyOptions,
) -> Validation {
    let response = exchange.response.headers;
    if !is_of(response, stored) {
        return Validation::Mismatch;
    }
    update(stored, headers, exchange, options)
}

/// Whether what the origin answers in place of a 304, and what may not be stored, takes back what is stored (RFC 9111
/// §4.3.3): where it was asked for the stored response's sake, and says something of the resource. An error is about
/// one request, or passes, but for that there is nothing (any more).
#[must_use]
pub fn takes_back(reason: RevalidateReason, refusal: StoreRefusal, status: StatusCode) -> bool {
    let is_gone = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    let is_error = status.is_client_error() || status.is_server_error();
    !reason.is_of_client() && refusal.is_of_resource() && (is_gone || !is_error)
}

/// What a response to HEAD does to a stored response that the same request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadUpdate {
    /// The stored response is still what the origin has. Its new facts; its fields have been
    /// updated.
    Updated(Box<StoredMeta>),
    /// It is not: it is to be marked stale.
    Stale,
    /// The response says nothing about it.
    Unaffected,
}

/// Takes in a response to HEAD (RFC 9111 §4.3.5).
#[must_use]
pub fn freshened_by_head(
    stored: &StoredMeta,
    headers: &mut HeaderMap,
    exchange: &Exchange<'_>,
    options: &PolicyOptions,
) -> HeadUpdate {
    let response = exchange.response;
    let is_page = matches!(stored.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    if response.status != StatusCode::OK || !is_page {
        return HeadUpdate::Unaffected;
    }
    // §4.3.5: the validators and the length, as far as they were received, must match those of the stored response.
    let (old, new) = (complete_length(stored, headers), length(response.headers));
    let same_length = old.is_none() || new.is_none() || old == new;
    if !same_length || !is_of(response.headers, stored) {
        // What one user is shown says nothing of what all share (RFC 9111 §3.5).
        let is_of_user = exchange.request.headers.contains_key(header::AUTHORIZATION);
        return if is_of_user { HeadUpdate::Unaffected } else { HeadUpdate::Stale };
    }
    match update(stored, headers, exchange, options) {
        Validation::Updated(meta) => HeadUpdate::Updated(meta),
        Validation::Apart(_) => HeadUpdate::Unaffected,
        Validation::Withdrawn(_) | Validation::Mismatch => HeadUpdate::Stale,
    }
}

/// RFC 9111 §4.3.4: whether the validators of an answer, as far as it has any, are those of the
/// stored response.
fn is_of(answer: &HeaderMap, stored: &StoredMeta) -> bool {
    if let Some(etag) = answer.get(header::ETAG) {
        return is_same_tag(etag, stored);
    }
    match (date::field(answer, &header::LAST_MODIFIED), stored.modified()) {
        (Some(new), Some(old)) => new == old,
        _ => true,
    }
}

/// Tags are compared weakly also where a 304 brings a strong one: nginx weakens that of a page which it compresses,
/// and not that of the 304.
fn is_same_tag(etag: &HeaderValue, stored: &StoredMeta) -> bool {
    match (EntityTag::parse(etag.as_bytes()), stored.entity_tag()) {
        (Some(new), Some(old)) => new.weak_eq(old),
        // Tags that are not well formed still say the same if they are the same octets.
        _ => stored.etag() == Some(etag.as_bytes()),
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The length of the representation that is stored or that a part is stored of, as far as it is known.
fn complete_length(stored: &StoredMeta, headers: &HeaderMap) -> Option<u64> {
    match stored.extent() {
        Extent::Whole => length(headers),
        Extent::Part(part) => part.complete_length,
    }
}

fn update(
    stored: &StoredMeta,
    headers: &mut HeaderMap,
    exchange: &Exchange<'_>,
    options: &PolicyOptions,
) -> Validation {
    let times = exchange.times;
    merge(headers, exchange.response.headers, times.response);
    let directives = Directives::of(headers, options);
    let mut meta = StoredMeta::new(
        stored.status(),
        headers,
        exchange.request.headers,
        &directives,
        times,
        options,
    );
    meta.hold(stored.extent());
    let refusal = refusal(exchange, stored.status(), headers, options);
    prepare(headers, times.response, options);
    let meta = Box::new(meta);
    match refusal {
        None => Validation::Updated(meta),
        Some(refusal) if refusal.is_of_resource() => Validation::Withdrawn(meta),
        Some(_) => Validation::Apart(meta),
    }
}

/// Why the updated response could not be stored if it came now (RFC 9111 §3).
fn refusal(
    exchange: &Exchange<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    options: &PolicyOptions,
) -> Option<StoreRefusal> {
    let mut exchange = *exchange;
    exchange.request.method = &Method::GET;
    exchange.response.status = status;
    exchange.response.headers = headers;
    match storable(&exchange, options) {
        Storability::Store(_) => None,
        Storability::Pass(refusal) => Some(refusal),
    }
}

/// RFC 9111 §3.2: each field of the update replaces the stored field of that name, but for
/// connection-level fields and those in [`KEPT`]. `Set-Cookie` replaces a stored one, which the origin
/// lets all share; else it is for the client whose request is being answered, and not stored.
fn merge(stored: &mut HeaderMap, update: &HeaderMap, received: SystemTime) {
    let mut update = update.clone();
    hop_by_hop::strip_response(&mut update);
    if !update.contains_key(header::DATE) {
        update.insert(header::DATE, date::header_value(received));
    }
    // The stored Age belongs to the stored response's journey, not to the update's.
    stored.remove(header::AGE);
    if !stored.contains_key(header::SET_COOKIE) {
        update.remove(header::SET_COOKIE);
    }
    for name in update.keys().filter(|name| !KEPT.contains(name)) {
        stored.remove(name);
        for value in update.get_all(name) {
            stored.append(name, value.clone());
        }
    }
}
