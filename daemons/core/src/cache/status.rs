//! The `Cache-Status` field (RFC 9211): what this cache did with a request, for the client and for
//! the caches between.

use std::io::Write;

use ::http::{HeaderName, HeaderValue};
use sfv::{Integer, ItemSerializer, KeyRef, StringRef, TokenRef};

use super::policy::{Decision, Serve};
use super::reason::{HitReason, MissReason, PassReason, RevalidateReason};

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Octets of a value that is written on the stack.
const SHORT_BYTES: usize = 128;

/// Why a request went forward to the origin (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache was configured not to handle the request.
    Bypass,
    /// The method's semantics require it.
    Method,
    /// Nothing stored for the URI.
    UriMiss,
    /// Something stored for the URI, but not for these selecting fields.
    VaryMiss,
    /// Nothing stored that fits, for another reason.
    Miss,
    /// A fresh response was stored, but the request wanted more.
    Request,
    /// The stored response was stale.
    Stale,
    /// The stored response did not hold every octet asked for.
    Partial,
}

impl Forward {
    /// The token of the `fwd` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl From<MissReason> for Forward {
    fn from(reason: MissReason) -> Self {
        match reason {
            MissReason::Absent | MissReason::HitForMiss => Self::UriMiss,
            MissReason::Variant => Self::VaryMiss,
            MissReason::Partial => Self::Partial,
        }
    }
}

impl From<RevalidateReason> for Forward {
    fn from(reason: RevalidateReason) -> Self {
        match reason {
            RevalidateReason::Stale
            | RevalidateReason::MustRevalidate
            | RevalidateReason::NoCache
            | RevalidateReason::Purged
            | RevalidateReason::HeadDiffered => Self::Stale,
            RevalidateReason::ClientNoCache
            | RevalidateReason::ClientMaxAge
            | RevalidateReason::ClientMinFresh => Self::Request,
        }
    }
}

impl From<PassReason> for Forward {
    fn from(reason: PassReason) -> Self {
        match reason {
            PassReason::Method => Self::Method,
            PassReason::NoStore
            | PassReason::Content
            | PassReason::Precondition
            | PassReason::Upgrade => Self::Request,
            PassReason::Configured | PassReason::KeyTooLong => Self::Bypass,
        }
    }
}

/// What the field says of one request. Parameters that are `None` or false are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// The name of this cache: a token if it can be one, else a string.
    pub cache: &'a str,
    /// A stored response was used without going forward (§2.1).
    pub hit: bool,
    /// Why the request went forward (§2.2); never together with `hit`.
    pub forward: Option<Forward>,
    /// The status of the origin's response, if it differs from what the client gets (§2.3).
    pub forward_status: Option<u16>,
    /// How long the response stays fresh, in seconds; negative once stale (§2.4).
    pub ttl_seconds: Option<i64>,
    /// Whether the origin's response was stored (§2.5).
    pub stored: bool,
    /// Whether the request waited for another's fetch (§2.6).
    pub collapsed: bool,
    /// The key, for those who may know it (§2.7).
    pub key: Option<&'a str>,
    /// The reason, in this cache's own words (§2.8).
    pub detail: Option<&'a str>,
}

impl<'a> CacheStatus<'a> {
    /// What a stored response says that is served for this reason.
    #[must_use]
    pub fn of_hit(cache: &'a str, reason: HitReason) -> Self {
        let detail = (reason != HitReason::Fresh).then_some(reason.as_str());
        Self { cache, hit: true, detail, ..Self::default() }
    }

    /// What a decision says before the origin is asked.
    #[must_use]
    pub fn of(cache: &'a str, decision: &Decision) -> Self {
        let empty = Self { cache, ..Self::default() };
        match decision {
            Decision::Serve(Serve { reason, .. }) => Self::of_hit(cache, *reason),
            Decision::Revalidate { reason, .. } => {
                Self { forward: Some((*reason).into()), detail: Some(reason.as_str()), ..empty }
            }
            Decision::Complete { .. } => Self { forward: Some(Forward::Partial), ..empty },
            Decision::Fetch(reason) => Self { forward: Some((*reason).into()), ..empty },
            Decision::Pass(reason) => {
                Self { forward: Some((*reason).into()), detail: Some(reason.as_str()), ..empty }
            }
            Decision::GatewayTimeout => Self { detail: Some("only_if_cached"), ..empty },
        }
    }

    /// Writes the field value. It is appended after the values of caches nearer to the origin.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        let mut room = [0; SHORT_BYTES];
        let value = match self.write_short(&mut room) {
            Some(text) => HeaderValue::from_bytes(text),
            None => HeaderValue::try_from(self.to_text()),
        };
        // Every structured field serialises to ASCII, which every field value allows.
        value.unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Writes what nearly every response says, at a fraction of what the serializer takes; `None` where it needs
    /// that: for a key, for a text with signs to escape, for more than there is room for.
    fn write_short(self, room: &mut [u8; SHORT_BYTES]) -> Option<&[u8]> {
        let is_plain =
            |text: &str| text.bytes().all(|it| matches!(it, b' '..=b'~') && !b"\"\\".contains(&it));
        let is_short = TokenRef::from_str(self.cache).is_ok() && self.key.is_none();
        if !is_short || !self.detail.is_none_or(is_plain) {
            return None;
        }
        let mut left = &mut room[..];
        let mut put = |text: &str| left.write_all(text.as_bytes()).ok();
        put(self.cache)?;
        if self.hit {
            put(";hit")?;
        }
        if let Some(forward) = self.forward {
            put(";fwd=")?;
            put(forward.as_str())?;
        }
        if let Some(status) = self.forward_status {
            put(";fwd-status=")?;
            put(itoa::Buffer::new().format(status))?;
        }
        if let Some(ttl) = self.ttl_seconds.filter(|ttl| Integer::try_from(*ttl).is_ok()) {
            put(";ttl=")?;
            put(itoa::Buffer::new().format(ttl))?;
        }
        if self.stored {
            put(";stored")?;
        }
        if self.collapsed {
            put(";collapsed")?;
        }
        if let Some(detail) = self.detail {
            put(";detail=\"")?;
            put(detail)?;
            put("\"")?;
        }
        let written = SHORT_BYTES - left.len();
        Some(&room[..written])
    }

    fn to_text(self) -> String {
        let item = ItemSerializer::new();
        let mut parameters = match (TokenRef::from_str(self.cache), StringRef::from_str(self.cache))
        {
            (Ok(token), _) => item.bare_item(token),
            (Err(_), Ok(string)) => item.bare_item(string),
            (Err(_), Err(_)) => item.bare_item(TokenRef::constant("cache")),
        };
        if self.hit {
            parameters = parameters.parameter(HIT, true);
        }
        if let Some(token) = self.forward.and_then(|f| TokenRef::from_str(f.as_str()).ok()) {
            parameters = parameters.parameter(FWD, token);
        }
        if let Some(status) = self.forward_status {
            parameters = parameters.parameter(FWD_STATUS, Integer::from(status));
        }
        if let Some(ttl) = self.ttl_seconds.and_then(|ttl| Integer::try_from(ttl).ok()) {
            parameters = parameters.parameter(TTL, ttl);
        }
        if self.stored {
            parameters = parameters.parameter(STORED, true);
        }
        if self.collapsed {
            parameters = parameters.parameter(COLLAPSED, true);
        }
        for (name, text) in [(KEY, self.key), (DETAIL, self.detail)] {
            if let Some(text) = text.and_then(|text| StringRef::from_str(text).ok()) {
                parameters = parameters.parameter(name, text);
            }
        }
        parameters.finish()
    }
}

const HIT: &KeyRef = KeyRef::constant("hit");
const FWD: &KeyRef = KeyRef::constant("fwd");
const FWD_STATUS: &KeyRef = KeyRef::constant("fwd-status");
const TTL: &KeyRef = KeyRef::constant("ttl");
const STORED: &KeyRef = KeyRef::constant("stored");
const COLLAPSED: &KeyRef = KeyRef::constant("collapsed");
const KEY: &KeyRef = KeyRef::constant("key");
const DETAIL: &KeyRef = KeyRef::constant("detail");

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*, sample::select};

    use super::*;

    fn forwards() -> impl Strategy<Value = Option<Forward>> {
        let all = [Forward::UriMiss, Forward::VaryMiss, Forward::Stale, Forward::Bypass];
        option::of(select(all.to_vec()))
    }

    proptest! {
        #[test]
        fn a_short_value_reads_as_its_structured_field_does(
            cache in "[a-z][a-z.-]{0,8}|two words|",
            (hit, stored, collapsed) in any::<(bool, bool, bool)>(),
            forward in forwards(),
            forward_status in option::of(100_u16..600),
            ttl_seconds: Option<i64>,
            detail in option::of("[ -~]{0,90}|\"|\\\\|é"),
            key in option::weighted(0.1, "[a-z]{0,9}"),
        ) {
            let (cache, detail, key) = (&*cache, detail.as_deref(), key.as_deref());
            let said = CacheStatus {
                cache, hit, forward, forward_status, ttl_seconds, stored, collapsed, key, detail,
            };
            prop_assert_eq!(said.to_value(), said.to_text());
        }
    }

    #[test]
    fn what_is_said_most_often_is_short() {
        let hit =
            CacheStatus { cache: "c", hit: true, ttl_seconds: Some(-30), ..Default::default() };
        assert_eq!(hit.write_short(&mut [0; SHORT_BYTES]), Some(&b"c;hit;ttl=-30"[..]));
        let pass = CacheStatus {
            cache: "c",
            forward: Some(Forward::UriMiss),
            detail: Some("no_store"),
            ..Default::default()
        };
        let said = &b"c;fwd=uri-miss;detail=\"no_store\""[..];
        assert_eq!(pass.write_short(&mut [0; SHORT_BYTES]), Some(said));
    }
}
