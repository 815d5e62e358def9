//! From what was found to a response.

use std::{io, time::Duration, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use selat_core::http::{
    conditional::{self, Precondition},
    range::{self, Requested, Resolved},
};

use super::{
    Site,
    body::{Access, Body},
    headers::{self, FileValidators},
    page::page,
    resolve::{OpenFile, Wanted},
};

/// Name and value of the field by which every response says who answered.
const SERVER: HeaderValue = HeaderValue::from_static("websrvd");

/// What a name in a path keeps as it is (RFC 3986 §2.3, unreserved).
const IN_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What became of a request. Counted; `web.proto` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200
    File,
    /// 206
    Range,
    /// 304
    NotModified,
    /// 301
    Redirect,
    /// 404
    NotFound,
    /// 405
    MethodRefused,
    /// 400
    BadTarget,
    /// 414
    TargetTooLong,
    /// 412
    PreconditionFailed,
    /// 416
    RangeRefused,
    /// 503
    Overloaded,
    /// 500
    Failed,
}

impl Outcome {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Failed.index() + 1;

    /// What each is called from one instance of the daemon to the next, in the order of [`Outcome::index`].
    pub(crate) const NAMES: [&str; Self::COUNT] = [
        "file",
        "range",
        "not_modified",
        "redirect",
        "not_found",
        "method_refused",
        "bad_target",
        "target_too_long",
        "precondition_failed",
        "range_refused",
        "overloaded",
        "failed",
    ];

    /// Place of this outcome in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::File => StatusCode::OK,
            Self::Range => StatusCode::PARTIAL_CONTENT,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Redirect => StatusCode::MOVED_PERMANENTLY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadTarget => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RangeRefused => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What it means for whoever reads the page.
    const fn meaning(self) -> &'static str {
        match self {
            Self::File | Self::Range | Self::NotModified => "",
            Self::Redirect => "It is at the same address with a slash behind it.",
            Self::NotFound => "Nothing is served at this address.",
            Self::MethodRefused => "Files can be read here (GET, HEAD), and nothing else.",
            Self::BadTarget => "What was asked for is not the address of a file.",
            Self::TargetTooLong => "The address is longer than any that is served here.",
            Self::PreconditionFailed => "The file is not in the state that was asked for.",
            Self::RangeRefused => "The file does not reach as far as what was asked for.",
            Self::Overloaded => "The server is busy. Please try again in a moment.",
            Self::Failed => "The server could not read the file. Its log says why.",
        }
    }
}

/// A response, and what it stands for.
pub(crate) struct Answer {
    /// What became of the request.
    pub(crate) outcome: Outcome,
    /// What the client gets.
    pub(crate) response: Response<Body>,
}

impl Answer {
    fn new(outcome: Outcome, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = outcome.status();
        let headers = response.headers_mut();
        headers.insert(header::SERVER, SERVER);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { outcome, response }
    }

    fn headers(&mut self) -> &mut HeaderMap {
        self.response.headers_mut()
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers().insert(name, value);
        self
    }

    fn with_text(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }

    fn with_cache_control(self, site: &Site) -> Self {
        match &site.cache_control {
            Some(value) => self.with(header::CACHE_CONTROL, value.clone()),
            None => self,
        }
    }

    fn with_length(self, length: u64) -> Self {
        self.with(header::CONTENT_LENGTH, length.into())
    }

    /// The same for HEAD: every field, no content (RFC 9110 §9.3.2).
    pub(crate) fn without_content(mut self) -> Self {
        *self.response.body_mut() = Body::default();
        self
    }
}

/// A page that says why there is no file. It is not stored: the file may be there the next moment.
pub(super) fn refusal(outcome: Outcome) -> Answer {
    let answer =
        with_page(outcome).with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match outcome {
        // RFC 9110 §15.5.6
        Outcome::MethodRefused => answer.with(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
        _ => answer,
    }
}

/// The disk is overloaded: the client is to come back after `retry_after`.
pub(super) fn overloaded(retry_after: Duration) -> Answer {
    refusal(Outcome::Overloaded).with(header::RETRY_AFTER, retry_after.as_secs().max(1).into())
}

/// To the directory's own address, with its slash and the query.
///
/// The path is written anew from its decoded names: one slash, then a name without one. Whatever
/// was asked for, no client can take that for the address of another host (`//host`, `/\host`).
pub(super) fn redirect(site: &Site, wanted: &Wanted) -> Answer {
    let path: String =
        wanted.names().map(|name| format!("/{}", percent_encode(name, IN_NAME))).collect();
    with_page(Outcome::Redirect)
        .with_cache_control(site)
        .with_text(header::LOCATION, &format!("{path}/{}", wanted.query()))
}

/// Steps 5 and 6: a file, a part of it, or word that the client has it already.
pub(super) fn file(
    site: &Site,
    head: &Parts,
    wanted: &Wanted,
    file: OpenFile,
    now: SystemTime,
    access: Access,
) -> io::Result<Answer> {
    let validators = FileValidators::of(&file, now);
    match conditional::evaluate(&head.method, &head.headers, validators.compared()) {
        Precondition::NotModified => return Ok(not_modified(site, &validators)),
        Precondition::Failed => return Ok(refusal(Outcome::PreconditionFailed)),
        Precondition::Holds => {}
    }
    let (outcome, start, length) = match resolve_range(head, &file, &validators, now) {
        Resolved::Whole => (Outcome::File, 0, file.length),
        Resolved::Partial(part) => (Outcome::Range, part.first, part.length()),
        Resolved::Unsatisfiable => return Ok(range_refused(file.length)),
    };
    let complete = file.length;
    let body = match head.method {
        Method::HEAD => Body::default(),
        _ => Body::of_file(file.file, start, length, site.disk.clone(), access)?,
    };
    let mut answer = Answer::new(outcome, body)
        .with_cache_control(site)
        .with(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .with(header::CONTENT_TYPE, headers::content_type(wanted.path()))
        .with_length(length);
    validators.write(answer.headers());
    if outcome == Outcome::Range {
        let last = start + length - 1;
        let part = range::ByteRange { first: start, last };
        answer = answer.with_text(header::CONTENT_RANGE, &part.content_range(complete));
    }
    Ok(answer)
}

/// RFC 9110 §14.2: a range counts for GET alone, and only once the preconditions hold.
fn resolve_range(
    head: &Parts,
    file: &OpenFile,
    validators: &FileValidators,
    now: SystemTime,
) -> Resolved {
    let (etag, modified) = (validators.entity_tag(), Some(validators.modified()));
    if head.method == Method::GET && range::if_range_holds(&head.headers, etag, modified, Some(now))
    {
        Requested::of(&head.headers).resolve(file.length)
    } else {
        Resolved::Whole
    }
}

/// RFC 9110 §15.4.5: what a stored response is updated with.
fn not_modified(site: &Site, validators: &FileValidators) -> Answer {
    let mut answer = Answer::new(Outcome::NotModified, Body::default()).with_cache_control(site);
    validators.write(answer.headers());
    answer
}

/// RFC 9110 §15.5.17: how long the file is.
fn range_refused(length: u64) -> Answer {
    let content_range = range::unsatisfied_content_range(length);
    refusal(Outcome::RangeRefused).with_text(header::CONTENT_RANGE, &content_range)
}

fn with_page(outcome: Outcome) -> Answer {
    let page = page(outcome.status(), outcome.meaning());
    let length = page.len() as u64;
    Answer::new(outcome, Body::whole(Bytes::from(page)))
        .with(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
        .with_length(length)
}
