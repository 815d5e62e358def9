//! Freshness and age (RFC 9111 §4.2): how long a response stays fresh, and how old it is.

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, StatusCode, header};

use super::options::PolicyOptions;
use super::reason::Rule;
use crate::http::cache_control::{Delta, ResponseDirectives};
use crate::http::{date, list};

/// Where a freshness lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// `s-maxage`.
    SMaxage,
    /// `max-age`.
    MaxAge,
    /// `Expires` minus `Date`.
    Expires,
    /// A share of the time since the last modification.
    Heuristic,
    /// Nothing: the response is stale from the start.
    Nothing,
}

impl LifetimeSource {
    /// The label of listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SMaxage => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Heuristic => "heuristic",
            Self::Nothing => "none",
        }
    }

    /// Whether the origin stated it.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        matches!(self, Self::SMaxage | Self::MaxAge | Self::Expires)
    }

    /// The rule it follows.
    #[must_use]
    pub const fn rule(self) -> Rule {
        let (clause, text) = match self {
            Self::SMaxage => ("RFC 9111 §5.2.2.10", "s-maxage states it for shared caches."),
            Self::MaxAge => ("RFC 9111 §5.2.2.1", "max-age states it."),
            Self::Expires => ("RFC 9111 §5.3", "It lasts from Date to Expires."),
            Self::Heuristic => ("RFC 9111 §4.2.2", "It is estimated from Last-Modified."),
            Self::Nothing => ("RFC 9111 §4.2", "Nothing gives it any freshness."),
        };
        Rule { clause, text }
    }
}

/// How long a response stays fresh, from the moment the origin made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The freshness lifetime, in whole seconds.
    pub duration: Duration,
    /// Where it comes from.
    pub source: LifetimeSource,
}

/// When a message was sent for and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the request that it answers was sent.
    pub request: SystemTime,
    /// When its head arrived; not before `request` unless the clock was set back.
    pub response: SystemTime,
}

/// Status codes that are cacheable by a heuristic (RFC 9110 §15.1), without 206, whose part the
/// caller judges.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

/// Whether a status code is defined as heuristically cacheable (RFC 9110 §15.1).
#[must_use]
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    status == StatusCode::PARTIAL_CONTENT || HEURISTIC.contains(&status.as_u16())
}

/// The freshness lifetime of a response (RFC 9111 §4.2.1). `directives` are those that apply: of
/// `Cache-Control`, or of a targeted field, which also silences `Expires` (RFC 9213 §2.2).
#[must_use]
pub fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    received: SystemTime,
    options: &PolicyOptions,
) -> Lifetime {
    let stated = stated(headers, directives, received);
    let lifetime = stated
        .unwrap_or_else(|| heuristic(status, headers, &directives.response, received, options));
    Lifetime { duration: lifetime.duration.min(options.lifetime_max), ..lifetime }
}

/// The directives that apply to a response, and what they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// What they say.
    pub response: ResponseDirectives,
    /// Whether a targeted field gave them.
    pub targeted: bool,
}

impl Directives {
    /// RFC 9213 §2.2: the first targeted field that is present and valid, else `Cache-Control`.
    #[must_use]
    pub fn of(headers: &HeaderMap, options: &PolicyOptions) -> Self {
        let targeted =
            options.targeted.iter().find_map(|name| ResponseDirectives::targeted(headers, name));
        match targeted {
            Some(response) => Self { response, targeted: true },
            None => Self { response: ResponseDirectives::cache_control(headers), targeted: false },
        }
    }
}

fn stated(headers: &HeaderMap, directives: &Directives, received: SystemTime) -> Option<Lifetime> {
    let seconds = |delta: Delta, source| {
        let duration = Duration::from_secs(u64::from(delta.or_zero()));
        Some(Lifetime { duration, source })
    };
    // RFC 9111 §4.2.1: the first of s-maxage (for a shared cache), max-age, Expires.
    if let Some(delta) = directives.response.s_maxage {
        return seconds(delta, LifetimeSource::SMaxage);
    }
    if let Some(delta) = directives.response.max_age {
        return seconds(delta, LifetimeSource::MaxAge);
    }
    if directives.targeted || !headers.contains_key(header::EXPIRES) {
        return None;
    }
    // RFC 9111 §5.3: an invalid date, "0" above all, is a time in the past. Without a valid Date
    // the time of receipt stands for it (RFC 9110 §6.6.1).
    let date = date::field(headers, &header::DATE).unwrap_or_else(|| date::whole_second(received));
    let duration = date::field(headers, &header::EXPIRES)
        .and_then(|expires| expires.duration_since(date).ok())
        .unwrap_or_default();
    Some(Lifetime { duration, source: LifetimeSource::Expires })
}

fn heuristic(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    received: SystemTime,
    options: &PolicyOptions,
) -> Lifetime {
    let nothing = Lifetime { duration: Duration::ZERO, source: LifetimeSource::Nothing };
    // RFC 9111 §4.2.2: only where the status allows it, or public marks the response cacheable.
    if !(is_heuristically_cacheable(status) || directives.public) {
        return nothing;
    }
    let Some(modified) = date::field(headers, &header::LAST_MODIFIED) else { return nothing };
    let date = date::field(headers, &header::DATE).unwrap_or_else(|| date::whole_second(received));
    let unchanged = date.duration_since(modified).unwrap_or_default();
    let share = unchanged.as_secs().saturating_mul(u64::from(options.heuristic_percent)) / 100;
    let duration = Duration::from_secs(share).min(options.heuristic_max);
    Lifetime { duration, source: LifetimeSource::Heuristic }
}

/// The age of a response when it arrived (RFC 9111 §4.2.3, `corrected_initial_age`).
#[must_use]
pub fn initial_age(headers: &HeaderMap, times: Times) -> Duration {
    let date = date::field(headers, &header::DATE);
    let apparent_age = date
        .and_then(|date| date::whole_second(times.response).duration_since(date).ok())
        .unwrap_or_default();
    let response_delay = times.response.duration_since(times.request).unwrap_or_default();
    apparent_age.max(age_value(headers) + response_delay)
}

/// The `Age` field. RFC 9111 §5.1: of several values the first counts; one that is no
/// non-negative integer is ignored, and one too large counts as the largest.
fn age_value(headers: &HeaderMap) -> Duration {
    let first = headers.get(header::AGE).and_then(|line| list::split(line.as_bytes()).next());
    let seconds = match first {
        Some(value) if value.first() != Some(&b'"') => Delta::parse(value).or_zero(),
        _ => 0,
    };
    Duration::from_secs(u64::from(seconds))
}
