//! Stored parts (RFC 9111 §3.3, §3.4): which octets a stored response holds, which requests they
//! answer, and how two parts of one representation become one (RFC 9110 §15.3.7.3).

use ::http::{HeaderMap, HeaderValue};

use super::options::PolicyOptions;
use super::storage::{Exchange, Storability, storable};
use super::stored::{StoredMeta, prepare};
use crate::http::range::{ByteRange, ContentRange, RangeSpec, Requested, Resolved};

/// The octets of a representation that a stored response holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Whole,
    /// One range of them.
    Part(ContentRange),
}

/// Whether stored octets answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// They do; a part is sent as 206 with the range that [`Extent::slice`] gives.
    Covered,
    /// They do once the octets that this range asks for are there as well.
    Lacks(RangeSpec),
    /// They do not, or it takes more than one further range.
    Apart,
}

impl Extent {
    /// Whether a request for `requested` can be answered.
    #[must_use]
    pub fn coverage(self, requested: Requested) -> Coverage {
        let Self::Part(part) = self else { return Coverage::Covered };
        match requested {
            Requested::Range(spec) => match resolve(part, spec) {
                Some(wanted) if part.range.contains(wanted) => Coverage::Covered,
                _ => Coverage::Apart,
            },
            Requested::Whole => part.missing().map_or(Coverage::Apart, Coverage::Lacks),
        }
    }

    /// What to send of content that holds `body_bytes` octets: for a part, the range in terms of
    /// the whole representation. The request is one that [`Self::coverage`] found covered.
    #[must_use]
    pub fn slice(self, requested: Requested, body_bytes: u64) -> Resolved {
        match (self, requested) {
            (Self::Whole, requested) => requested.resolve(body_bytes),
            (Self::Part(part), Requested::Range(spec)) => {
                resolve(part, spec).map_or(Resolved::Unsatisfiable, Resolved::Partial)
            }
            (Self::Part(part), Requested::Whole) => Resolved::Partial(part.range),
        }
    }

    /// Octets of the whole representation, given those of the stored content.
    #[must_use]
    pub fn complete_length(self, body_bytes: u64) -> Option<u64> {
        match self {
            Self::Whole => Some(body_bytes),
            Self::Part(part) => part.complete_length,
        }
    }

    /// Fits the extent to the octets that arrived in a message whose framing was complete.
    ///
    /// A part that claims to reach the end of the representation but holds another number of
    /// octets than it claims is believed about where it begins and that it ends with the
    /// representation. Any other contradiction makes it unusable: `None`.
    #[must_use]
    pub fn fit(self, body_bytes: u64) -> Option<Self> {
        let Self::Part(part) = self else { return Some(self) };
        if part.range.length() == body_bytes {
            return Some(self);
        }
        let reaches_end = part.complete_length.is_some_and(|length| length - 1 == part.range.last);
        if !reaches_end || body_bytes == 0 {
            return None;
        }
        let end = part.range.first.checked_add(body_bytes)?;
        let range = ByteRange { first: part.range.first, last: end - 1 };
        Some(Self::Part(ContentRange { range, complete_length: Some(end) }))
    }
}

impl ContentRange {
    /// The single range that would complete this part, if there is one.
    #[must_use]
    pub fn missing(self) -> Option<RangeSpec> {
        let ends = self.complete_length.is_some_and(|length| length - 1 == self.range.last);
        match (self.range.first, ends) {
            (0, false) => Some(RangeSpec::From { first: self.range.last.checked_add(1)? }),
            (0, true) | (_, false) => None,
            (first, true) => Some(RangeSpec::FromTo { first: 0, last: first - 1 }),
        }
    }
}

/// The range that a request selects; one that is open at the end needs the complete length.
fn resolve(part: ContentRange, spec: RangeSpec) -> Option<ByteRange> {
    match (part.complete_length, spec) {
        (Some(length), spec) => spec.resolve(length),
        (None, RangeSpec::FromTo { first, last }) => Some(ByteRange { first, last }),
        (None, RangeSpec::From { .. } | RangeSpec::Suffix { .. }) => None,
    }
}

/// How a stored part and a newly received one go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// Append the new octets to the stored ones, leaving out the first `skip` of the new.
    Append {
        /// What both hold after that.
        extent: Extent,
        /// New octets that are stored already.
        skip: u64,
    },
    /// Put the new octets before the stored ones, leaving out those from `keep` on.
    Prepend {
        /// What both hold after that.
        extent: Extent,
        /// New octets to keep.
        keep: u64,
    },
    /// They cannot be combined: other validators, other lengths, or a gap between them.
    Distinct,
}

/// Combines a stored part with a new 206 for the same URI and selecting fields.
///
/// RFC 9110 §15.3.7.3: only if both have the same strong validator.
#[must_use]
pub fn combine(stored: &StoredMeta, new: &StoredMeta) -> Combination {
    let (Extent::Part(old), Extent::Part(part)) = (stored.extent(), new.extent()) else {
        return Combination::Distinct;
    };
    if !same_validator(stored.strong_validator(), new.strong_validator()) {
        return Combination::Distinct;
    }
    let complete_length = match (old.complete_length, part.complete_length) {
        (Some(one), Some(other)) if one != other => return Combination::Distinct,
        (one, other) => one.or(other),
    };
    let joined = |range: ByteRange| {
        let all = complete_length == Some(range.length()) && range.first == 0;
        if all { Extent::Whole } else { Extent::Part(ContentRange { range, complete_length }) }
    };
    let (a, b) = (old.range, part.range);
    if a.first <= b.first && b.first <= a.last.saturating_add(1) {
        let extent = joined(ByteRange { first: a.first, last: a.last.max(b.last) });
        Combination::Append { extent, skip: b.length().min(a.last.saturating_add(1) - b.first) }
    } else if b.first < a.first && a.first <= b.last.saturating_add(1) && b.last <= a.last {
        let extent = joined(ByteRange { first: b.first, last: a.last });
        Combination::Prepend { extent, keep: a.first - b.first }
    } else {
        Combination::Distinct
    }
}

/// Whether a stored part may stay beside a new one for the same selecting fields: they are of one
/// representation, by their strong validator and length, and have no octet in common. Each answers
/// requests of its own until a third joins them (RFC 9111 §3.3).
#[must_use]
pub fn are_apart(stored: &StoredMeta, new: &StoredMeta) -> bool {
    let (Extent::Part(old), Extent::Part(part)) = (stored.extent(), new.extent()) else {
        return false;
    };
    let (one, other) = (old.range, part.range);
    same_validator(stored.strong_validator(), new.strong_validator())
        && old.complete_length == part.complete_length
        && (one.last < other.first || other.last < one.first)
}

/// A stored part and a new one, as one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// How their content goes together; never [`Combination::Distinct`].
    pub combination: Combination,
    /// The facts of both.
    pub meta: StoredMeta,
    /// The fields of both, fit to be stored and sent on.
    pub headers: HeaderMap,
}

/// Makes one response of a stored part with its fields and a new 206, as it was received.
///
/// RFC 9110 §15.3.7.3: the fields of the newer response take the place of stored ones of their
/// name. `None` if the two do not go together, or what they make may not be stored.
#[must_use]
pub fn combined(
    stored: &StoredMeta,
    stored_headers: &HeaderMap,
    exchange: &Exchange<'_>,
    options: &PolicyOptions,
) -> Option<Combined> {
    let Storability::Store(new) = storable(exchange, options) else { return None };
    let combination = combine(stored, &new);
    let (Combination::Append { extent, .. } | Combination::Prepend { extent, .. }) = combination
    else {
        return None;
    };
    let mut headers = stored_headers.clone();
    for name in exchange.response.headers.keys() {
        headers.remove(name);
        for value in exchange.response.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    let mut both = *exchange;
    both.response.headers = &headers;
    let Storability::Store(mut meta) = storable(&both, options) else { return None };
    prepare(&mut headers, exchange.times.response, options);
    meta.set_extent(extent, &mut headers);
    Some(Combined { combination, meta: *meta, headers })
}

fn same_validator(one: Option<HeaderValue>, other: Option<HeaderValue>) -> bool {
    one.is_some() && one == other
}
