//! A request, the origin's response to it, and later requests, written as header lines. `{n}` in a
//! line is the HTTP date of n seconds after the story begins.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::expect_used, reason = "a story that cannot be told fails its test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use selat_core::cache::freshness::Times;
use selat_core::cache::options::PolicyOptions;
use selat_core::cache::policy::{Decision, lookup};
use selat_core::cache::reason::StoreRefusal;
use selat_core::cache::storage::{Exchange, Storability, storable};
use selat_core::cache::stored::{StoredMeta, prepare};
use selat_core::http::date;
use selat_core::http::message::{RequestHead, ResponseHead};
use selat_core::http::target::Target;

/// n seconds after the story begins.
pub(crate) fn at(seconds: f64) -> SystemTime {
    let start = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let offset = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 { start - offset } else { start + offset }
}

/// Header lines, one field each.
pub(crate) fn fields(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').expect("a header line has a colon");
        let name = HeaderName::from_bytes(name.trim().as_bytes()).expect("a field name");
        let value = HeaderValue::from_bytes(dated(value.trim()).as_bytes()).expect("a value");
        headers.append(name, value);
    }
    headers
}

fn dated(value: &str) -> String {
    match value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(seconds) => date::format(at(seconds.parse().expect("seconds in braces"))),
        None => value.to_owned(),
    }
}

/// An exchange with the origin.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) request: HeaderMap,
    pub(crate) status: StatusCode,
    pub(crate) response: HeaderMap,
    pub(crate) times: Times,
    pub(crate) options: PolicyOptions,
}

impl Story {
    /// GET http://example.com/ answered at once with this status and these fields.
    pub(crate) fn answered(status: u16, response: &str) -> Self {
        Self {
            method: Method::GET,
            uri: Uri::from_static("http://example.com/"),
            request: HeaderMap::new(),
            status: StatusCode::from_u16(status).expect("a status code"),
            response: fields(response),
            times: Times { request: at(0.0), response: at(0.0) },
            options: PolicyOptions::default(),
        }
    }

    pub(crate) fn ok(response: &str) -> Self {
        Self::answered(200, response)
    }

    pub(crate) fn to(mut self, method: &str, uri: &str) -> Self {
        self.method = method.parse().expect("a method");
        self.uri = uri.parse().expect("a URI");
        self
    }

    pub(crate) fn asked(mut self, request: &str) -> Self {
        self.request = fields(request);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut PolicyOptions)) -> Self {
        change(&mut self.options);
        self
    }

    pub(crate) fn between(mut self, request: f64, response: f64) -> Self {
        self.times = Times { request: at(request), response: at(response) };
        self
    }

    pub(crate) fn exchange(&self) -> Exchange<'_> {
        Exchange {
            request: RequestHead { method: &self.method, headers: &self.request },
            target: Target::of(&self.uri, &self.request, false).expect("a target"),
            response: ResponseHead { status: self.status, headers: &self.response },
            times: self.times,
        }
    }

    pub(crate) fn storability(&self) -> Storability {
        storable(&self.exchange(), &self.options)
    }

    #[track_caller]
    pub(crate) fn stored(&self) -> StoredMeta {
        match self.storability() {
            Storability::Store(meta) => *meta,
            Storability::Pass(refusal) => panic!("not stored: {refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn refusal(&self) -> StoreRefusal {
        match self.storability() {
            Storability::Store(_) => panic!("stored"),
            Storability::Pass(refusal) => refusal,
        }
    }

    /// The fields as they are stored.
    pub(crate) fn stored_fields(&self) -> HeaderMap {
        let mut headers = self.response.clone();
        prepare(&mut headers, self.times.response, &self.options);
        headers
    }

    /// What is decided about a later GET with these fields.
    #[track_caller]
    pub(crate) fn then(&self, request: &str, seconds: f64) -> Decision {
        self.then_by(&Method::GET, request, seconds)
    }

    #[track_caller]
    pub(crate) fn then_by(&self, method: &Method, request: &str, seconds: f64) -> Decision {
        let headers = fields(request);
        let stored = self.stored();
        lookup(RequestHead { method, headers: &headers }, [&stored], at(seconds), &self.options)
    }

    /// Whether a plain GET some seconds later is served without asking the origin.
    pub(crate) fn reused_at(&self, seconds: f64) -> bool {
        match self.storability() {
            Storability::Pass(_) => false,
            Storability::Store(_) => matches!(self.then("", seconds), Decision::Serve(_)),
        }
    }
}
