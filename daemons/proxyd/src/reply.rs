//! Responses: from the store, from what is being stored, and of our own making.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use selat_core::{
    cache::{
        options::CDN_CACHE_CONTROL,
        partial::Extent,
        reason::HitReason,
        status::{CACHE_STATUS, CacheStatus},
        stored::StoredMeta,
    },
    http::{
        conditional, fields,
        range::{ByteRange, Resolved, unsatisfied_content_range},
    },
};

use crate::{
    body::ReplyBody,
    cache::{
        filling::Filling,
        heads::{self, Ages},
        object::Object,
    },
    proxy::NAME,
    request::Ask,
};

/// Fields of the content that a 304 does not carry (RFC 9110 §15.4.5).
const CONTENT_FIELDS: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
];

/// Fields by which a cache on the way might take an error for the representation.
const CACHE_FIELDS: [HeaderName; 7] = [
    header::AGE,
    header::CACHE_CONTROL,
    CDN_CACHE_CONTROL,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::SET_COOKIE,
];

/// A response from the store, in the form that the client asked for.
pub(crate) fn from_object(
    ask: &Ask<'_>,
    object: &Arc<Object>,
    now: SystemTime,
    said: CacheStatus<'_>,
) -> Response<ReplyBody> {
    Served::new(ask, object, now).response(said, HeaderMap::new())
}

/// A stored response that is on its way to a client.
pub(crate) struct Served {
    object: Arc<Object>,
    form: Form,
    /// Whether the client wants the head alone.
    is_head: bool,
    now: SystemTime,
}

impl Served {
    /// Serves `object`, and counts that.
    pub(crate) fn new(ask: &Ask<'_>, object: &Arc<Object>, now: SystemTime) -> Self {
        object.uses.count(now);
        let form = form(ask, &object.meta, object.content.length(), now);
        let is_head = ask.head.method == Method::HEAD;
        let bytes = match form {
            _ if is_head => 0,
            Form::Whole => object.content.length(),
            Form::Part(range, _) => range.length(),
            Form::NotModified | Form::Unsatisfiable(_) => 0,
        };
        ask.route.counters.here().cache_body_bytes.add(bytes);
        Self { object: Arc::clone(object), form, is_head, now }
    }

    /// The response, with its fields in place of what `spare` holds.
    pub(crate) fn response(self, said: CacheStatus<'_>, spare: HeaderMap) -> Response<ReplyBody> {
        let Self { object, form, is_head, now } = self;
        let (age, ttl) = (object.meta.age(now).as_secs(), object.meta.ttl_seconds(now));
        let fields = if said == CacheStatus::of_hit(NAME, HitReason::Fresh) {
            heads::of_hit(object.meta.fields(), Ages { age, ttl }, spare)
        } else {
            let mut fields = spare;
            object.meta.fields().write_over(&mut fields);
            fields.insert(header::AGE, age.into());
            say(&mut fields, CacheStatus { ttl_seconds: Some(ttl), ..said });
            fields
        };
        let mut response = match form {
            Form::NotModified => not_modified(fields),
            Form::Whole => whole(&object, fields),
            Form::Part(range, length) => part(&object, fields, range, length),
            Form::Unsatisfiable(length) => unsatisfiable(fields, length),
        };
        if is_head {
            *response.body_mut() = ReplyBody::Empty;
        }
        response
    }
}

/// A response that is being stored; `None` where its beginning is gone already.
pub(crate) fn from_filling(
    ask: &Ask<'_>,
    filling: &Arc<Filling>,
    now: SystemTime,
    said: CacheStatus<'_>,
) -> Option<Response<ReplyBody>> {
    let may_be_conditional = matches!(ask.head.method, Method::GET | Method::HEAD);
    let current = may_be_conditional
        && filling.meta.status().is_success()
        && conditional::is_current(&ask.head.headers, filling.meta.validators(now));
    let mut response = if current {
        not_modified(filling.headers.clone())
    } else {
        let counters = said.collapsed.then(|| Arc::clone(&ask.route.counters));
        let mut response = Response::new(ReplyBody::Filling(filling.reader()?, counters));
        *response.status_mut() = filling.meta.status();
        *response.headers_mut() = filling.headers.clone();
        response
    };
    let age = filling.meta.age(now);
    // RFC 9111 §5.1: a response that was not generated for this request says its age.
    if said.collapsed || age.as_secs() > 0 {
        response.headers_mut().insert(header::AGE, age.as_secs().into());
    }
    say(response.headers_mut(), said);
    Some(response)
}

/// A response of our own making: why there is no other.
pub(crate) fn error(status: StatusCode, said: CacheStatus<'_>) -> Response<ReplyBody> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = format!(
        concat!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width\"><title>{code} {reason}</title>",
            "<style>body{{font:1.1rem/1.5 system-ui;display:grid;place-content:center;min-height:90vh;",
            "margin:0;text-align:center;color-scheme:light dark}}h1{{font-size:4rem;margin:0}}</style>",
            "<main><h1>{code}</h1><p>{reason}</main></html>\n"
        ),
        code = status.as_u16(),
        reason = reason
    );
    let mut response = Response::new(ReplyBody::text(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    say(headers, said);
    response
}

/// Appends what this cache did (RFC 9211 §2: after the caches nearer to the origin).
pub(crate) fn say(headers: &mut HeaderMap, said: CacheStatus<'_>) {
    headers.append(CACHE_STATUS, said.to_value());
}

/// What `Cache-Status` says of nothing in particular.
pub(crate) fn silent<'a>() -> CacheStatus<'a> {
    CacheStatus { cache: NAME, ..CacheStatus::default() }
}

/// The form in which a stored response answers a request.
enum Form {
    Whole,
    NotModified,
    /// A range, and the length of the whole representation if it is known.
    Part(ByteRange, Option<u64>),
    Unsatisfiable(u64),
}

fn form(ask: &Ask<'_>, meta: &StoredMeta, body_bytes: u64, now: SystemTime) -> Form {
    let status = meta.status();
    let request = ask.request_head();
    if request.is_plain() && meta.extent() == Extent::Whole {
        return Form::Whole;
    }
    let headers = &ask.head.headers;
    let asks_whether = conditional::asks_whether(headers);
    // RFC 9110 §13.2.1: only where the response would otherwise be a 2xx.
    if status.is_success() && asks_whether && conditional::is_current(headers, meta.validators(now))
    {
        return Form::NotModified;
    }
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Form::Whole;
    }
    let length = meta.extent().complete_length(body_bytes);
    match meta.extent().slice(meta.requested(request), body_bytes) {
        Resolved::Whole => Form::Whole,
        Resolved::Partial(range) => Form::Part(range, length),
        Resolved::Unsatisfiable => Form::Unsatisfiable(length.unwrap_or(body_bytes)),
    }
}

fn whole(object: &Object, fields: HeaderMap) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::stored(object.content.clone()));
    *response.status_mut() = object.meta.status();
    *response.headers_mut() = fields;
    response
}

fn part(
    object: &Object,
    fields: HeaderMap,
    range: ByteRange,
    length: Option<u64>,
) -> Response<ReplyBody> {
    let start = match object.meta.extent() {
        Extent::Whole => 0,
        Extent::Part(part) => part.range.first,
    };
    let first = range.first.saturating_sub(start);
    let mut response =
        Response::new(ReplyBody::stored(object.content.slice(first..first + range.length())));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    *response.headers_mut() = fields;
    let said = match length {
        Some(length) => range.content_range(length),
        None => format!("bytes {}-{}/*", range.first, range.last),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, range.length().into());
    if let Ok(value) = HeaderValue::try_from(said) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

fn not_modified(mut fields: HeaderMap) -> Response<ReplyBody> {
    for name in &CONTENT_FIELDS {
        fields.remove(name);
    }
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = fields;
    response
}

fn unsatisfiable(mut stored: HeaderMap, length: u64) -> Response<ReplyBody> {
    fields::remove_where(&mut stored, |name| CACHE_FIELDS.contains(name));
    let mut response = not_modified(stored);
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    if let Ok(value) = HeaderValue::try_from(unsatisfied_content_range(length)) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}
