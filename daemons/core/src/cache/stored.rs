//! What is known of a stored response, with everything a hit compares worked out when it was
//! stored. Its header fields and content are the store's.

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::freshness::{Directives, Lifetime, Times, initial_age, lifetime};
use super::options::{PolicyOptions, SMaxageStale};
use super::partial::Extent;
use super::reason::StoreRefusal;
use super::vary::Vary;
use crate::http::cache_control::{Delta, Scope};
use crate::http::conditional::{self, EntityTag, Validators};
use crate::http::message::RequestHead;
use crate::http::range::{Requested, if_range_holds, is_strong};
use crate::http::{date, hop_by_hop};

/// A stored response, without its header fields and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMeta {
    pub(crate) status: StatusCode,
    /// When its age was zero.
    pub(crate) born: SystemTime,
    pub(crate) lifetime: Lifetime,
    pub(crate) staleness: Staleness,
    pub(crate) received: SystemTime,
    pub(crate) delay: Duration,
    pub(crate) vary: Vary,
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) last_modified: Option<HeaderValue>,
    pub(crate) modified: Option<SystemTime>,
    /// `Date`, or in its absence the time of receipt.
    pub(crate) date: SystemTime,
    pub(crate) extent: Extent,
    pub(crate) no_cache: bool,
    pub(crate) purged: bool,
}

/// What may be done with the response once it is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staleness {
    /// RFC 9111 §4.2.4: a directive forbids serving it stale.
    pub(crate) forbidden: bool,
    pub(crate) while_revalidate: Option<Duration>,
    pub(crate) if_error: Option<Duration>,
}

impl StoredMeta {
    /// Works out the facts from a response's fields, as they are before [`prepare`].
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        request: &HeaderMap,
        directives: &Directives,
        times: Times,
        options: &PolicyOptions,
    ) -> Self {
        let modified = date::field(headers, &header::LAST_MODIFIED);
        let date = date::field(headers, &header::DATE)
            .unwrap_or_else(|| date::whole_second(times.response));
        let age = initial_age(headers, times);
        Self {
            status,
            born: times.response.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH),
            lifetime: lifetime(status, headers, directives, times.response, options),
            staleness: Staleness::of(directives, options),
            received: times.response,
            delay: times.response.duration_since(times.request).unwrap_or_default(),
            vary: Vary::of(headers, request),
            etag: headers.get(header::ETAG).cloned(),
            last_modified: modified.and_then(|_| headers.get(header::LAST_MODIFIED).cloned()),
            modified,
            date,
            extent: Extent::Whole,
            no_cache: directives.response.no_cache == Scope::Whole,
            purged: false,
        }
    }

    /// The status code it is served with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its age at `now` (RFC 9111 §4.2.3); `Age` states it in whole seconds.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.born).unwrap_or_default()
    }

    /// How long it stays fresh, counted from age zero, and why.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// How much longer it is fresh at `now`; zero if it is stale or marked stale.
    #[must_use]
    pub fn fresh_for(&self, now: SystemTime) -> Duration {
        if self.purged {
            return Duration::ZERO;
        }
        self.lifetime.duration.saturating_sub(self.age(now))
    }

    /// For how long it has been stale at `now`; zero if it is fresh.
    #[must_use]
    pub fn stale_for(&self, now: SystemTime) -> Duration {
        self.age(now).saturating_sub(self.lifetime.duration)
    }

    /// The time to live that `Cache-Status` states: negative once stale, in seconds
    /// (RFC 9211 §2.4).
    #[must_use]
    pub fn ttl_seconds(&self, now: SystemTime) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime.duration).saturating_sub(seconds(self.age(now)))
    }

    /// Whether a response of this age is fresh (RFC 9111 §4.2) and not marked stale.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        !self.purged && self.lifetime.duration > self.age(now)
    }

    /// When its head was received, or last updated by a validation.
    #[must_use]
    pub fn received(&self) -> SystemTime {
        self.received
    }

    /// How long the origin took to answer, to the head of the response.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// When the origin says it was last modified.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// What it varies on.
    #[must_use]
    pub fn vary(&self) -> &Vary {
        &self.vary
    }

    /// Which octets of the representation its content is.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// What a client's preconditions are compared with at `now`.
    ///
    /// RFC 9111 §4.3.2 has a cache use `Date` where there is no `Last-Modified`. While the response
    /// is fresh this goes further: the origin lets copies of it be used for a lifetime, so a copy
    /// from within the last lifetime may be kept, and counts as not modified.
    #[must_use]
    pub fn validators(&self, now: SystemTime) -> Validators<'_> {
        let undated = match now.checked_sub(self.lifetime.duration) {
            Some(start) if self.is_fresh(now) => start.min(self.date),
            _ => self.date,
        };
        Validators { etag: self.entity_tag(), last_modified: self.modified.or(Some(undated)) }
    }

    /// What a request wants of this response: its `Range`, unless the method gives that no meaning
    /// (RFC 9110 §14.2) or `If-Range` names another representation (§13.1.5).
    #[must_use]
    pub fn requested(&self, request: RequestHead<'_>) -> Requested {
        let requested = match *request.method {
            Method::GET => Requested::of(request.headers),
            _ => Requested::Whole,
        };
        let holds = requested == Requested::Whole
            || if_range_holds(request.headers, self.entity_tag(), self.modified, Some(self.date));
        if holds { requested } else { Requested::Whole }
    }

    /// Its entity tag, if it is well formed.
    #[must_use]
    pub fn entity_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::parse(self.etag.as_ref()?.as_bytes())
    }

    /// The fields that make a request validate this response; empty if it has no validator.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        Conditions {
            if_none_match: self.etag.clone(),
            if_modified_since: self.last_modified.clone(),
        }
    }

    /// The strong validator that `If-Range` and the combination of parts need
    /// (RFC 9110 §13.1.5, §15.3.7.3).
    #[must_use]
    pub fn strong_validator(&self) -> Option<&HeaderValue> {
        if self.entity_tag().is_some_and(|tag| !tag.is_weak()) {
            return self.etag.as_ref();
        }
        let strong = self.modified.is_some_and(|modified| is_strong(modified, Some(self.date)));
        self.last_modified.as_ref().filter(|_| strong)
    }

    /// Checks the octets that arrived against what the head announced, once the message has ended
    /// as its framing said. Called before the response is first served from the cache.
    ///
    /// # Errors
    /// If a part does not hold the octets that its `Content-Range` names.
    pub fn received_in_full(&mut self, body_bytes: u64) -> Result<(), StoreRefusal> {
        self.extent = self.extent.fit(body_bytes).ok_or(StoreRefusal::Range)?;
        Ok(())
    }

    /// Gives the response other octets, as [`super::partial::combine`] has it. A part that has
    /// become whole is a 200 from then on (RFC 9110 §15.3.7.3), without a `Content-Range`.
    pub fn set_extent(&mut self, extent: Extent, headers: &mut HeaderMap) {
        if extent == Extent::Whole && self.status == StatusCode::PARTIAL_CONTENT {
            self.status = StatusCode::OK;
            headers.remove(header::CONTENT_RANGE);
        }
        self.extent = extent;
    }

    /// Makes a part whole that holds all of the representation, as the answer to `bytes=0-` does.
    /// Other responses stay as they are.
    pub fn make_whole_if_all(&mut self, body_bytes: u64, headers: &mut HeaderMap) {
        if self.extent.complete_length(body_bytes) == Some(body_bytes) {
            self.set_extent(Extent::Whole, headers);
        }
    }

    /// Marks it stale, as a soft purge does: it is validated before it is next served, or served
    /// stale where that is allowed.
    pub fn mark_stale(&mut self) {
        self.purged = true;
    }

    /// Whether it has a use beyond the request that brought it: it is fresh for a while, can be
    /// validated, or may be served stale.
    pub(crate) fn is_usable(&self) -> bool {
        let validator = self.etag.is_some() || self.last_modified.is_some();
        let window = |window: Option<Duration>| window.is_some_and(|window| !window.is_zero());
        let serves_stale = !self.staleness.forbidden
            && (window(self.staleness.while_revalidate) || window(self.staleness.if_error));
        validator || !self.no_cache && (!self.lifetime.duration.is_zero() || serves_stale)
    }
}

impl Staleness {
    fn of(directives: &Directives, options: &PolicyOptions) -> Self {
        let response = &directives.response;
        let window = |delta: Option<Delta>| {
            delta.map(|delta| Duration::from_secs(u64::from(delta.or_zero())))
        };
        let while_revalidate = window(response.stale_while_revalidate);
        let if_error = window(response.stale_if_error);
        // RFC 9111 §5.2.2.10: s-maxage has the meaning of proxy-revalidate as well.
        let s_maxage_forbids = response.s_maxage.is_some()
            && match options.s_maxage_stale {
                SMaxageStale::Forbid => true,
                SMaxageStale::AllowIfExplicit => while_revalidate.is_none() && if_error.is_none(),
            };
        let forbidden = response.must_revalidate
            || response.proxy_revalidate
            || response.no_cache == Scope::Whole
            || s_maxage_forbids;
        Self { forbidden, while_revalidate, if_error }
    }
}

/// The conditional fields of a request that validates a stored response (RFC 9111 §4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The entity tag, for `If-None-Match`.
    pub if_none_match: Option<HeaderValue>,
    /// The `Last-Modified` as the origin wrote it, for `If-Modified-Since`.
    pub if_modified_since: Option<HeaderValue>,
}

impl Conditions {
    /// Whether there is nothing to validate by: the origin will send the response anew.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.if_none_match.is_none() && self.if_modified_since.is_none()
    }

    /// Replaces the client's preconditions and range by these conditions. The client's own are
    /// evaluated against the response that comes of it.
    pub fn apply(self, headers: &mut HeaderMap) {
        conditional::strip(headers);
        headers.remove(header::RANGE);
        if let Some(value) = self.if_none_match {
            headers.insert(header::IF_NONE_MATCH, value);
        }
        if let Some(value) = self.if_modified_since {
            headers.insert(header::IF_MODIFIED_SINCE, value);
        }
    }
}

/// The fields that a qualified `no-cache` or `private` keeps from being stored (RFC 9111 §5.2.2.4,
/// §5.2.2.7), of a response as it was received. They are for the client that it answers, and for no
/// other: a cookie that is withheld from the cache is still set.
#[must_use]
pub fn withheld(headers: &HeaderMap, options: &PolicyOptions) -> HeaderMap {
    let directives = Directives::of(headers, options).response;
    let mut withheld = HeaderMap::new();
    let mut names =
        directives.no_cache.fields().iter().chain(directives.private.fields()).peekable();
    if names.peek().is_none() {
        return withheld;
    }
    let mut sent = headers.clone();
    hop_by_hop::strip_response(&mut sent);
    for name in names {
        for value in sent.get_all(name) {
            withheld.append(name, value.clone());
        }
        sent.remove(name);
    }
    withheld
}

/// Makes the fields of a response fit to be stored and sent on: without those of the connection
/// (RFC 9111 §3.1), those that a qualified `no-cache` or `private` withholds (§5.2.2.4, §5.2.2.7)
/// and `Age`, which is worked out anew; with a `Date` (RFC 9110 §6.6.1).
pub fn prepare(headers: &mut HeaderMap, received: SystemTime, options: &PolicyOptions) {
    let directives = Directives::of(headers, options).response;
    hop_by_hop::strip_response(headers);
    for name in directives.no_cache.fields().iter().chain(directives.private.fields()) {
        headers.remove(name);
    }
    headers.remove(header::AGE);
    if !headers.contains_key(header::DATE) {
        headers.insert(header::DATE, date::header_value(received));
    }
}
