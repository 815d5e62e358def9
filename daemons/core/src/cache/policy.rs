//! The decision about a request (RFC 9111 §4): which stored response answers it, and whether the
//! origin has to be asked first.
//!
//! 1. Is the request one that a cache may answer at all?
//! 2. Which stored response do its fields select?
//! 3. Is that one fresh enough for the origin, the operator and the client?

use std::time::{Duration, SystemTime};

use ::http::{HeaderValue, Method, StatusCode, header};

use super::options::{ClientDirectives, PolicyOptions};
use super::partial::{Coverage, Extent};
use super::reason::{ErrorRefusal, HitReason, MissReason, PassReason, RevalidateReason, Rule};
use super::stored::{Conditions, StoredMeta};
use crate::http::cache_control::RequestDirectives;
use crate::http::list;
use crate::http::message::RequestHead;
use crate::http::range::{RangeSpec, Requested};

/// What to do about a request. `which` is the position among the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve the stored response now.
    Serve(Serve),
    /// Ask the origin whether the stored response is current, then serve it or what comes instead.
    Revalidate {
        /// The stored response.
        which: usize,
        /// Why it may not be served yet.
        reason: RevalidateReason,
        /// What to ask by; empty if it has no validator, and the origin will send a new one.
        conditions: Conditions,
    },
    /// Ask the origin for the octets that the stored part lacks, then serve both.
    Complete {
        /// The stored part, which is fresh.
        which: usize,
        /// The `Range` to ask for.
        range: RangeSpec,
        /// The `If-Range` to ask with. Without one, only a 200 will do: nothing shows that a 206
        /// is of the same representation.
        if_range: Option<HeaderValue>,
    },
    /// Ask the origin; nothing stored answers the request.
    Fetch(MissReason),
    /// Ask the origin, without the cache before or after.
    Pass(PassReason),
    /// Answer 504: the client wants a stored response or none (RFC 9111 §5.2.1.7).
    GatewayTimeout,
}

/// A stored response that is served as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serve {
    /// The position among the candidates.
    pub which: usize,
    /// What `Age` says.
    pub age: Duration,
    /// Why it may be served.
    pub reason: HitReason,
}

impl Serve {
    /// Whether to refresh the response in the background.
    #[must_use]
    pub fn wants_refresh(&self) -> bool {
        matches!(self.reason, HitReason::WhileRevalidate | HitReason::Grace)
    }
}

impl Decision {
    /// Whether a stored response is served without asking the origin.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// The rule that makes the decision.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Serve(serve) => serve.reason.rule(),
            Self::Revalidate { reason, .. } => reason.rule(),
            Self::Complete { .. } => Rule {
                clause: "RFC 9111 §3.4",
                text: "A fresh part is stored, and one more range completes it.",
            },
            Self::Fetch(reason) => reason.rule(),
            Self::Pass(reason) => reason.rule(),
            Self::GatewayTimeout => Rule {
                clause: "RFC 9111 §5.2.1.7",
                text: "The client wants a stored response or none, and none may be served.",
            },
        }
    }
}

/// Decides about a request, given the responses stored for its key.
#[must_use]
pub fn lookup<'a>(
    request: RequestHead<'_>,
    candidates: impl IntoIterator<Item = &'a StoredMeta>,
    now: SystemTime,
    options: &PolicyOptions,
) -> Decision {
    if !options.enabled {
        return Decision::Pass(PassReason::Configured);
    }
    let is_plain = request.is_plain();
    let asked = match options.client_directives {
        ClientDirectives::Obey if !is_plain => RequestDirectives::of(request.headers),
        ClientDirectives::Obey | ClientDirectives::Ignore => RequestDirectives::default(),
    };
    let decision = match bypass(request, is_plain) {
        Some(reason) => Decision::Pass(reason),
        None if asked.no_store => Decision::Pass(PassReason::NoStore),
        None => match select(request, is_plain, candidates) {
            Ok(selected) => decide(&selected, request.method, asked, now, options),
            Err(reason) => Decision::Fetch(reason),
        },
    };
    // RFC 9111 §5.2.1.7. What a cache could never answer is not a question to it.
    let is_asked = decision != Decision::Pass(PassReason::Method);
    if asked.only_if_cached && is_asked && !matches!(decision, Decision::Serve(_)) {
        return Decision::GatewayTimeout;
    }
    decision
}

/// Decides about a request that can have no key.
#[must_use]
pub fn without_key(request: RequestHead<'_>, options: &PolicyOptions) -> Decision {
    let obeys = options.client_directives == ClientDirectives::Obey;
    // RFC 9111 §5.2.1.7.
    if obeys && RequestDirectives::of(request.headers).only_if_cached {
        return Decision::GatewayTimeout;
    }
    Decision::Pass(PassReason::KeyTooLong)
}

/// Why a cache cannot answer the request, whatever it stores.
fn bypass(request: RequestHead<'_>, is_plain: bool) -> Option<PassReason> {
    let headers = request.headers;
    // RFC 9111 §4: the method of the stored request allows it; only GET responses are stored.
    if *request.method != Method::GET && *request.method != Method::HEAD {
        return Some(PassReason::Method);
    }
    if is_plain {
        return None;
    }
    if request.has_content() {
        return Some(PassReason::Content);
    }
    // RFC 9111 §4.3.2: these ask about the origin's state, which a cache must not speak for.
    if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_UNMODIFIED_SINCE) {
        return Some(PassReason::Precondition);
    }
    // RFC 9110 §7.8: an upgrade may be ignored. One to h2c is, since it only carries the same GET.
    let upgrades = list::members(headers, header::UPGRADE)
        .any(|protocol| !protocol.eq_ignore_ascii_case(b"h2c"));
    let upgrades = upgrades && list::contains(headers, header::CONNECTION, "upgrade");
    upgrades.then_some(PassReason::Upgrade)
}

/// The stored response that a request's fields select.
struct Selected<'a> {
    which: usize,
    meta: &'a StoredMeta,
    coverage: Coverage,
}

/// RFC 9111 §4.1: of the responses whose selecting fields match, the most recent by `Date`; one
/// that covers the octets asked for comes before one that does not.
fn select<'a>(
    request: RequestHead<'_>,
    is_plain: bool,
    candidates: impl IntoIterator<Item = &'a StoredMeta>,
) -> Result<Selected<'a>, MissReason> {
    let mut best: Option<Selected<'a>> = None;
    let mut reason = MissReason::Absent;
    for (which, meta) in candidates.into_iter().enumerate() {
        reason = MissReason::Variant;
        if !meta.vary().matches(request.headers) {
            continue;
        }
        let requested = if is_plain { Requested::Whole } else { meta.requested(request) };
        let coverage = meta.extent().coverage(requested);
        let rank = (coverage == Coverage::Covered, meta.date(), meta.received());
        let better = best.as_ref().is_none_or(|best| {
            rank > (best.coverage == Coverage::Covered, best.meta.date(), best.meta.received())
        });
        if better {
            best = Some(Selected { which, meta, coverage });
        }
    }
    best.ok_or(reason)
}

fn decide(
    selected: &Selected<'_>,
    method: &Method,
    asked: RequestDirectives,
    now: SystemTime,
    options: &PolicyOptions,
) -> Decision {
    let Selected { which, meta, coverage } = *selected;
    match (judge(meta, asked, now, options), coverage) {
        (Ok(reason), Coverage::Covered) => {
            Decision::Serve(Serve { which, age: meta.age(now), reason })
        }
        // A part that is not fresh is fetched anew: only a whole response is worth a validation.
        (Err(reason), Coverage::Covered) if meta.extent() == Extent::Whole => {
            Decision::Revalidate { which, reason, conditions: meta.conditions() }
        }
        (Ok(HitReason::Fresh), Coverage::Lacks(range)) if *method == Method::GET => {
            Decision::Complete { which, range, if_range: meta.strong_validator() }
        }
        _ => Decision::Fetch(MissReason::Partial),
    }
}

/// Whether the selected response may be served without asking the origin (RFC 9111 §4).
fn judge(
    meta: &StoredMeta,
    asked: RequestDirectives,
    now: SystemTime,
    options: &PolicyOptions,
) -> Result<HitReason, RevalidateReason> {
    // RFC 9111 §5.2.2.4.
    if meta.no_cache {
        return Err(RevalidateReason::NoCache);
    }
    // RFC 9111 §5.2.1.4.
    if asked.no_cache {
        return Err(RevalidateReason::ClientNoCache);
    }
    let age = meta.age(now);
    // RFC 9111 §5.2.1.1.
    if asked.max_age.is_some_and(|max_age| age > seconds(max_age)) {
        return Err(RevalidateReason::ClientMaxAge);
    }
    if !meta.is_fresh(now) {
        return judge_stale(meta, asked, now, options);
    }
    // RFC 9111 §5.2.1.3.
    if asked.min_fresh.is_some_and(|min_fresh| meta.fresh_for(now) < seconds(min_fresh)) {
        return Err(RevalidateReason::ClientMinFresh);
    }
    Ok(HitReason::Fresh)
}

/// Whether a stale response may be served (RFC 9111 §4.2.4).
fn judge_stale(
    meta: &StoredMeta,
    asked: RequestDirectives,
    now: SystemTime,
    options: &PolicyOptions,
) -> Result<HitReason, RevalidateReason> {
    if meta.forbids_stale() {
        return Err(RevalidateReason::MustRevalidate);
    }
    // A client that asks for freshness has not agreed to anything stale.
    if asked.min_fresh.is_some() {
        return Err(RevalidateReason::ClientMinFresh);
    }
    // RFC 9111 §5.2.1.1: nor has one that asks for an age, unless it says so.
    if asked.max_age.is_some() && asked.max_stale.is_none() {
        return Err(RevalidateReason::ClientMaxAge);
    }
    let stale_for = meta.stale_for(now);
    // RFC 9111 §5.2.1.2; what an operator or the origin marked stale is not for clients to overrule.
    let marked = meta.marked();
    if marked.is_none() && asked.max_stale.is_some_and(|max_stale| stale_for <= seconds(max_stale))
    {
        return Ok(HitReason::MaxStale);
    }
    let (window, reason) = match meta.stale_while_revalidate() {
        Some(window) => (window, HitReason::WhileRevalidate),
        None => (options.grace_while_revalidate, HitReason::Grace),
    };
    if stale_for < window {
        return Ok(reason);
    }
    Err(marked.unwrap_or(RevalidateReason::Stale))
}

fn seconds(delta: u32) -> Duration {
    Duration::from_secs(u64::from(delta))
}

/// How asking the origin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginFailure {
    /// No connection, or one that broke before a response head came.
    Unreachable,
    /// No response head in time.
    Timeout,
    /// A response with this status.
    Status(StatusCode),
}

/// Whether the stored response that the origin was asked about may be served after all
/// (RFC 9111 §4.2.4, RFC 5861 §4).
///
/// # Errors
/// With the reason, if it may not.
pub fn serve_on_error(
    request: RequestHead<'_>,
    meta: &StoredMeta,
    failure: OriginFailure,
    now: SystemTime,
    options: &PolicyOptions,
) -> Result<HitReason, ErrorRefusal> {
    // RFC 5861 §4: which answers are errors.
    if let OriginFailure::Status(status) = failure
        && !matches!(status.as_u16(), 500 | 502 | 503 | 504)
    {
        return Err(ErrorRefusal::NotAnError);
    }
    stale_on_error(request, meta, now, options).map(|(_, reason)| reason)
}

/// For how much longer a stored response may be served where the origin fails, and why at all.
///
/// # Errors
/// With the reason, if it may not.
pub fn stale_on_error(
    request: RequestHead<'_>,
    meta: &StoredMeta,
    now: SystemTime,
    options: &PolicyOptions,
) -> Result<(Duration, HitReason), ErrorRefusal> {
    let asked = match options.client_directives {
        ClientDirectives::Obey => RequestDirectives::of(request.headers),
        ClientDirectives::Ignore => RequestDirectives::default(),
    };
    // RFC 9111 §5.2.1.1, §5.2.1.3: who asks for freshness has not agreed to anything stale, unless it says so.
    let wants_fresh = asked.min_fresh.is_some() || asked.max_age.is_some();
    let agrees = asked.stale_if_error.is_some() || asked.max_stale.is_some();
    if meta.forbids_stale() || asked.no_cache || asked.no_store || wants_fresh && !agrees {
        return Err(ErrorRefusal::Forbidden);
    }
    let (window, reason) = match (meta.stale_if_error(), asked.stale_if_error.map(seconds)) {
        (None, None) => (options.grace_if_error, HitReason::ErrorGrace),
        (stated, wanted) => (stated.max(wanted).unwrap_or_default(), HitReason::IfError),
    };
    let left = window.checked_sub(meta.stale_for(now)).filter(|left| !left.is_zero());
    Ok((left.ok_or(ErrorRefusal::WindowOver)?, reason))
}
