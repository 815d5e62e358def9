//! What is known of a stored response, with everything a hit compares worked out when it was
//! stored, in few bytes: there may be millions. Its content is the store's.

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;

use super::compact::{Moment, Second, Span};
use super::fields::Fields;
use super::freshness::{Directives, Lifetime, LifetimeSource, Times, initial_age, lifetime};
use super::options::{PolicyOptions, SMaxageStale};
use super::partial::Extent;
use super::reason::{RevalidateReason, StoreRefusal};
use super::vary::Vary;
use crate::http::cache_control::{Delta, Scope};
use crate::http::conditional::{self, EntityTag, Validators};
use crate::http::message::RequestHead;
use crate::http::range::{ContentRange, Requested, if_range_holds, is_strong};
use crate::http::{date, hop_by_hop};

/// A stored response, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMeta {
    /// The fields that it is served with once `StoredMeta::keep` has had them, and its validators.
    fields: Fields,
    /// When its age was zero.
    born: Moment,
    received: Moment,
    modified: Option<Second>,
    /// `Date`, or in its absence the time of receipt.
    date: Second,
    /// What it varies on, if on anything.
    vary: Option<Box<Vary>>,
    /// Which octets its content is, if not all.
    part: Option<Box<ContentRange>>,
    lifetime: Span,
    delay_us: u32,
    staleness: Staleness,
    status: StatusCode,
    lifetime_source: LifetimeSource,
    pub(crate) no_cache: bool,
    marked: Option<Mark>,
}

/// That it counts as stale before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// How old it was when it was marked.
    age: Span,
    /// Why it is validated from then on.
    reason: RevalidateReason,
}

/// The fields that it is validated by.
const VALIDATORS: [HeaderName; 2] = [header::ETAG, header::LAST_MODIFIED];

/// What may be done with the response once it is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Staleness {
    while_revalidate: Option<Span>,
    if_error: Option<Span>,
    /// RFC 9111 §4.2.4: a directive forbids serving it stale.
    forbidden: bool,
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
        let lifetime = lifetime(status, headers, directives, times.response, options);
        let delay = times.response.duration_since(times.request).unwrap_or_default();
        let vary = Vary::of(headers, request);
        let validators =
            VALIDATORS.iter().filter_map(|name| Some((name, headers.get(name)?.as_bytes())));
        Self {
            fields: Fields::pack(&HeaderMap::new(), validators, &[]).0,
            born: times.response.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH).into(),
            received: times.response.into(),
            modified: modified.map(Second::from),
            date: date.into(),
            vary: (vary != Vary::Nothing).then(|| Box::new(vary)),
            part: None,
            lifetime: lifetime.duration.into(),
            delay_us: u32::try_from(delay.as_micros()).unwrap_or(u32::MAX),
            staleness: Staleness::of(directives, options),
            status,
            lifetime_source: lifetime.source,
            no_cache: directives.response.no_cache == Scope::Whole,
            marked: None,
        }
    }

    /// Takes in the fields that it is served with, as [`prepare`] leaves them. `content` is kept in the same
    /// block of memory, and comes back as it is there: short content costs less so.
    pub fn keep(&mut self, headers: &HeaderMap, content: &[u8]) -> Bytes {
        let own = &self.fields;
        let apart = VALIDATORS.iter().filter(|name| !headers.contains_key(*name));
        let apart = apart.filter_map(|name| Some((name, own.known(name)?)));
        let (fields, content) = Fields::pack(headers, apart, content);
        self.fields = fields;
        content
    }

    /// The fields that it is served with, but for those that are worked out anew for each client.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The status code it is served with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its age at `now` (RFC 9111 §4.2.3); `Age` states it in whole seconds.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.born.into()).unwrap_or_default()
    }

    /// How long it stays fresh, counted from age zero, and why.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        Lifetime { duration: self.lifetime.into(), source: self.lifetime_source }
    }

    /// How much longer it is fresh at `now`; zero if it is stale or marked stale.
    #[must_use]
    pub fn fresh_for(&self, now: SystemTime) -> Duration {
        if self.marked.is_some() {
            return Duration::ZERO;
        }
        self.lifetime().duration.saturating_sub(self.age(now))
    }

    /// For how long it has been stale at `now`, or marked so; zero if it is fresh.
    #[must_use]
    pub fn stale_for(&self, now: SystemTime) -> Duration {
        self.age(now).saturating_sub(self.fresh_until())
    }

    /// The age at which it is no longer fresh.
    fn fresh_until(&self) -> Duration {
        let lifetime = self.lifetime().duration;
        self.marked.map_or(lifetime, |mark| lifetime.min(mark.age.into()))
    }

    /// The time to live that `Cache-Status` states: negative once stale, in seconds
    /// (RFC 9211 §2.4).
    #[must_use]
    pub fn ttl_seconds(&self, now: SystemTime) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds(self.fresh_until()).saturating_sub(seconds(self.age(now)))
    }

    /// Whether a response of this age is fresh (RFC 9111 §4.2) and not marked stale.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        self.marked.is_none() && self.lifetime().duration > self.age(now)
    }

    /// When its head was received, or last updated by a validation.
    #[must_use]
    pub fn received(&self) -> SystemTime {
        self.received.into()
    }

    /// How long the origin took to answer, to the head of the response.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_micros(u64::from(self.delay_us))
    }

    /// When the origin says it was last modified.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified.map(Into::into)
    }

    /// When the origin made it; when it was received, if the origin does not say.
    pub(crate) fn date(&self) -> SystemTime {
        self.date.into()
    }

    /// Whether a directive forbids serving it stale (RFC 9111 §4.2.4).
    pub(crate) fn forbids_stale(&self) -> bool {
        self.staleness.forbidden
    }

    /// For how long the origin lets it be served stale while it is refreshed (RFC 5861 §3).
    pub(crate) fn stale_while_revalidate(&self) -> Option<Duration> {
        self.staleness.while_revalidate.map(Into::into)
    }

    /// For how long the origin lets it be served stale when it fails (RFC 5861 §4).
    pub(crate) fn stale_if_error(&self) -> Option<Duration> {
        self.staleness.if_error.map(Into::into)
    }

    /// What it varies on.
    #[must_use]
    pub fn vary(&self) -> &Vary {
        self.vary.as_deref().unwrap_or(&Vary::Nothing)
    }

    /// Which octets of the representation its content is.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.part.as_ref().map_or(Extent::Whole, |part| Extent::Part(**part))
    }

    /// Says which octets its content is.
    pub(crate) fn hold(&mut self, extent: Extent) {
        self.part = match extent {
            Extent::Whole => None,
            Extent::Part(part) => Some(Box::new(part)),
        };
    }

    /// What a client's preconditions are compared with at `now`.
    ///
    /// RFC 9111 §4.3.2 has a cache use `Date` where there is no `Last-Modified`. While the response
    /// is fresh this goes further: the origin lets copies of it be used for a lifetime, so a copy
    /// from within the last lifetime may be kept, and counts as not modified.
    #[must_use]
    pub fn validators(&self, now: SystemTime) -> Validators<'_> {
        let undated = match now.checked_sub(self.lifetime().duration) {
            Some(start) if self.is_fresh(now) => start.min(self.date()),
            _ => self.date(),
        };
        Validators { etag: self.entity_tag(), last_modified: self.modified().or(Some(undated)) }
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
            || if_range_holds(
                request.headers,
                self.entity_tag(),
                self.modified(),
                Some(self.date()),
            );
        if holds { requested } else { Requested::Whole }
    }

    /// Its `ETag` as the origin wrote it.
    pub(crate) fn etag(&self) -> Option<&[u8]> {
        self.fields.known(&header::ETAG)
    }

    /// Its entity tag, if it is well formed.
    #[must_use]
    pub fn entity_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::parse(self.etag()?)
    }

    /// The fields that make a request validate this response; empty if it has no validator.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        let dated = self.modified.and_then(|_| self.fields.known_value(&header::LAST_MODIFIED));
        Conditions {
            if_none_match: self.fields.known_value(&header::ETAG),
            if_modified_since: dated,
        }
    }

    /// The strong validator that `If-Range` and the combination of parts need
    /// (RFC 9110 §13.1.5, §15.3.7.3).
    #[must_use]
    pub fn strong_validator(&self) -> Option<HeaderValue> {
        let Conditions { if_none_match, if_modified_since } = self.conditions();
        if self.entity_tag().is_some_and(|tag| !tag.is_weak()) {
            return if_none_match;
        }
        let strong = self.modified().is_some_and(|at| is_strong(at, Some(self.date())));
        if_modified_since.filter(|_| strong)
    }

    /// Checks the octets that arrived against what the head announced, once the message has ended
    /// as its framing said. Called before the response is first served from the cache.
    ///
    /// # Errors
    /// If a part does not hold the octets that its `Content-Range` names.
    pub fn received_in_full(&mut self, body_bytes: u64) -> Result<(), StoreRefusal> {
        self.hold(self.extent().fit(body_bytes).ok_or(StoreRefusal::Range)?);
        Ok(())
    }

    /// Gives the response other octets, as [`super::partial::combine`] has it. A part that has
    /// become whole is a 200 from then on (RFC 9110 §15.3.7.3), without a `Content-Range`.
    pub fn set_extent(&mut self, extent: Extent, headers: &mut HeaderMap) {
        if extent == Extent::Whole && self.status == StatusCode::PARTIAL_CONTENT {
            self.status = StatusCode::OK;
            headers.remove(header::CONTENT_RANGE);
        }
        self.hold(extent);
    }

    /// Makes a part whole that holds all of the representation, as the answer to `bytes=0-` does.
    /// Other responses stay as they are.
    pub fn make_whole_if_all(&mut self, body_bytes: u64, headers: &mut HeaderMap) {
        if self.extent().complete_length(body_bytes) == Some(body_bytes) {
            self.set_extent(Extent::Whole, headers);
        }
    }

    /// Marks it stale from `now` on: it is validated before it is next served, for this `reason`, or
    /// served stale as long as that is allowed. A mark that it has stays.
    pub fn mark_stale(&mut self, reason: RevalidateReason, now: SystemTime) {
        let age = self.age(now).into();
        self.marked.get_or_insert(Mark { age, reason });
    }

    /// Why it was marked stale, if it was.
    pub(crate) fn marked(&self) -> Option<RevalidateReason> {
        self.marked.map(|mark| mark.reason)
    }

    /// Whether it has a use beyond the request that brought it: it is fresh for a while, can be
    /// validated, or may be served stale.
    pub(crate) fn is_usable(&self) -> bool {
        let validator = self.etag().is_some() || self.modified.is_some();
        let window = |window: Option<Duration>| window.is_some_and(|window| !window.is_zero());
        let serves_stale = !self.forbids_stale()
            && (window(self.stale_while_revalidate()) || window(self.stale_if_error()));
        validator || !self.no_cache && (!self.lifetime().duration.is_zero() || serves_stale)
    }
}

impl Staleness {
    fn of(directives: &Directives, options: &PolicyOptions) -> Self {
        let response = &directives.response;
        let window = |delta: Option<Delta>| {
            delta.map(|delta| Span::from(Duration::from_secs(u64::from(delta.or_zero()))))
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
        Self { while_revalidate, if_error, forbidden }
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
