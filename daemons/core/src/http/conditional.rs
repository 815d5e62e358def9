//! Preconditions (RFC 9110 §13) and the validators they compare (§8.8): whether a response is sent
//! as it is, as 304, or refused with 412.

use std::time::SystemTime;

use ::http::{HeaderMap, HeaderName, Method, header};

use super::{date, fields, list};

/// An entity tag (RFC 9110 §8.8.3), borrowed from a field value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Parses `"opaque"` or `W/"opaque"`; `W` is case-sensitive. `None` for what is not quoted.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (weak, quoted) = match value.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let valid = opaque.iter().all(|octet| matches!(octet, 0x21 | 0x23..=0x7E | 0x80..));
        valid.then_some(Self { weak, opaque })
    }

    /// Reads the `ETag` field of a response.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::ETAG)?.as_bytes())
    }

    /// Whether the tag is weak.
    #[must_use]
    pub fn is_weak(self) -> bool {
        self.weak
    }

    /// The strong comparison: both are strong and equal (§8.8.3.2).
    #[must_use]
    pub fn strong_eq(self, other: EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// The weak comparison: equal whether weak or strong (§8.8.3.2).
    #[must_use]
    pub fn weak_eq(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// The validators of the selected representation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// Its entity tag.
    pub etag: Option<EntityTag<'a>>,
    /// When it was last modified. A cache that holds a response without the field uses its `Date`
    /// (RFC 9111 §4.3.2), or the time it was received.
    pub last_modified: Option<SystemTime>,
}

/// What the preconditions of a request make of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// They hold, or there are none: perform the method.
    Holds,
    /// The client's copy is current: 304.
    NotModified,
    /// The client assumes another state: 412.
    Failed,
}

/// The fields that make a request conditional, with `If-Range`.
static FIELDS: [HeaderName; 5] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2 against an existing
/// representation. The caller has already decided that the answer without them would be 2xx.
#[must_use]
pub fn evaluate(method: &Method, headers: &HeaderMap, validators: Validators<'_>) -> Precondition {
    // Steps 1 and 2: If-Match, or in its absence If-Unmodified-Since.
    if headers.contains_key(header::IF_MATCH) {
        if !any_tag(headers, &header::IF_MATCH, validators.etag, EntityTag::strong_eq) {
            return Precondition::Failed;
        }
    } else if let Some(limit) = date::field(headers, &header::IF_UNMODIFIED_SINCE)
        && validators.last_modified.is_some_and(|modified| date::whole_second(modified) > limit)
    {
        return Precondition::Failed;
    }
    // Steps 3 and 4: If-None-Match, or in its absence If-Modified-Since for GET and HEAD.
    if *method == Method::GET || *method == Method::HEAD {
        let current = is_current(headers, validators);
        return if current { Precondition::NotModified } else { Precondition::Holds };
    }
    if any_tag(headers, &header::IF_NONE_MATCH, validators.etag, EntityTag::weak_eq) {
        return Precondition::Failed;
    }
    Precondition::Holds
}

/// Whether a request asks for a response only if its own copy is not current: where it does not,
/// [`is_current`] is false whatever there is to compare.
#[must_use]
pub fn asks_whether(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_NONE_MATCH) || headers.contains_key(header::IF_MODIFIED_SINCE)
}

/// Whether the client's copy is current, so that a GET or HEAD is answered with 304: the
/// preconditions that a cache evaluates. The others are for origin servers (RFC 9111 §4.3.2).
#[must_use]
pub fn is_current(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    // RFC 9110 §13.1.3: If-Modified-Since counts only where there is no If-None-Match.
    if headers.contains_key(header::IF_NONE_MATCH) {
        return any_tag(headers, &header::IF_NONE_MATCH, validators.etag, EntityTag::weak_eq);
    }
    match (validators.last_modified, date::field(headers, &header::IF_MODIFIED_SINCE)) {
        (Some(modified), Some(since)) => date::whole_second(modified) <= since,
        _ => false,
    }
}

/// Whether a list of entity tags, or `*`, names the representation.
fn any_tag<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    etag: Option<EntityTag<'a>>,
    same: impl Fn(EntityTag<'a>, EntityTag<'a>) -> bool,
) -> bool {
    list::members(headers, name).any(|member| {
        member == b"*"
            || match (etag, EntityTag::parse(member)) {
                (Some(etag), Some(asked)) => same(etag, asked),
                _ => false,
            }
    })
}

/// Removes every field that makes a request conditional.
pub fn strip(headers: &mut HeaderMap) {
    fields::remove_where(headers, |name| FIELDS.contains(name));
}
