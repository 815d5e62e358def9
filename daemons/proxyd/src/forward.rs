//! The request that an origin gets: the client's, without what concerns the client's connection, and with what
//! says who asks.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body::Body;
use hyper::ext::on_informational;
use selat_core::{
    cache::{
        device::{DEVICE, DeviceClass},
        stored::Conditions,
    },
    http::{conditional, fields, hop_by_hop, range::RangeSpec, via},
};

use crate::{
    body::RequestBody,
    own,
    proxy::{NAME, hop},
    request::Ask,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that an origin could build a response from although the key does not know them. A client's are never
/// passed on: a stored response would carry them to others.
static UNTRUSTED: [HeaderName; 16] = [
    header::FORWARDED,
    HeaderName::from_static("front-end-https"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-http-host-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-url-scheme"),
];

/// The beginning of the names of more such fields.
const FORWARDED: &str = "x-forwarded-";

/// Fields that a request may be given on its way: `Host`, `Via`, three of `X-Forwarded-`, and those of what is asked.
const FIELDS_ADDED: usize = 8;

/// What becomes of a client's preconditions and range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// They go to the origin: it answers this client alone.
    AsAsked,
    /// The preconditions do not: they are evaluated against the response that comes.
    Unconditionally,
    /// These conditions go in place of them.
    Whether(Conditions),
    /// This range goes in place of them, under this `If-Range`.
    Missing(RangeSpec, Option<HeaderValue>),
}

/// Removes what a client says and its origin will not hear, before anything is decided: neither a key nor `Vary` may
/// tell responses apart by it, or one that was made without would be stored for those who say it.
pub(crate) fn distrust(headers: &mut HeaderMap) {
    hop_by_hop::strip_listed(headers);
    fields::remove_where(headers, is_untrusted);
}

/// Whether a client's field of this name is not passed on.
pub(crate) fn is_untrusted(name: &HeaderName) -> bool {
    let text = name.as_str();
    // Nearly all that is there is told from these by its first letter.
    text.starts_with(['f', 't', 'x']) && (text.starts_with(FORWARDED) || UNTRUSTED.contains(name))
}

/// The request for the origin.
pub(crate) fn request(ask: &Ask<'_>, asking: Asking, body: RequestBody) -> Request<RequestBody> {
    let mut headers = ask.head.headers.clone();
    headers.reserve(FIELDS_ADDED);
    hop_by_hop::strip_request(&mut headers);
    // What we would do with trailers, we do not know before the response has begun.
    headers.remove(header::TE);
    // We send the 100 ourselves, when the origin begins to read.
    headers.remove(header::EXPECT);
    match asking {
        Asking::AsAsked => {}
        Asking::Unconditionally => strip_conditions(&mut headers),
        Asking::Whether(conditions) => conditions.apply(&mut headers),
        Asking::Missing(range, if_range) => ask_for_range(&mut headers, range, if_range),
    }
    if ask.route.key_parts.device {
        let class = DeviceClass::of(&ask.head.headers);
        headers.insert(DEVICE, HeaderValue::from_static(class.as_str()));
    }
    own::count_hop(&ask.head.method, &mut headers);
    say_who_asks(&mut headers, ask);
    via::append(&mut headers, ask.head.version, hop());
    frame(&mut headers, &body);
    let mut request = Request::new(body);
    *request.method_mut() = ask.head.method.clone();
    *request.uri_mut() = origin_form(ask);
    *request.headers_mut() = headers;
    pass_interims_on(ask, &mut request);
    request
}

/// RFC 9112 §6.3: a request without either field has no content, and hyper adds neither where the method does
/// not call for content.
fn frame(headers: &mut HeaderMap, body: &RequestBody) {
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// RFC 9110 §15.2: a proxy forwards interim responses, but those that are between it and the origin.
fn pass_interims_on(ask: &Ask<'_>, request: &mut Request<RequestBody>) {
    let Some(interims) = ask.interims else { return };
    let sender = interims.open();
    on_informational(request, move |response| {
        let mut headers = response.headers().clone();
        hop_by_hop::strip_response(&mut headers);
        via::append(&mut headers, response.version(), NAME);
        sender.send(response.status(), &headers);
    });
}

fn strip_conditions(headers: &mut HeaderMap) {
    let if_range = headers.get(header::IF_RANGE).cloned();
    conditional::strip(headers);
    // A range that goes to the origin goes with its condition.
    if let Some(if_range) = if_range {
        headers.insert(header::IF_RANGE, if_range);
    }
}

fn ask_for_range(headers: &mut HeaderMap, range: RangeSpec, if_range: Option<HeaderValue>) {
    conditional::strip(headers);
    // A range is written in digits and a few signs.
    if let Ok(range) = HeaderValue::try_from(range.to_string()) {
        headers.insert(header::RANGE, range);
    }
    if let Some(if_range) = if_range {
        headers.insert(header::IF_RANGE, if_range);
    }
}

fn say_who_asks(headers: &mut HeaderMap, ask: &Ask<'_>) {
    if let Ok(authority) = HeaderValue::try_from(ask.target.normalised_authority()) {
        headers.insert(header::HOST, authority.clone());
        headers.insert(X_FORWARDED_HOST, authority);
    }
    if let Ok(client) = HeaderValue::try_from(address_text(ask.client.ip().to_canonical())) {
        headers.insert(X_FORWARDED_FOR, client);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(ask.target.scheme()));
}

/// An address as it is written; for IPv4 without a formatter, which takes 1,300 instructions for it.
fn address_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// The path as the key has it, so that one key is never two paths to the origin.
fn origin_form(ask: &Ask<'_>) -> Uri {
    let normalised = ask.target.normalised_path_and_query();
    Uri::try_from(normalised).unwrap_or_else(|_| ask.head.uri.clone())
}
