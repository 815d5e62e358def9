//! Byte ranges (RFC 9110 §14): what a `Range` field asks for, what of it a representation of known
//! length can give, and the `Content-Range` that says so.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, header};

use super::conditional::EntityTag;
use super::{date, list};

/// One range of octets as asked for, before the length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// From `first` to `last`, both included.
    FromTo {
        /// Offset of the first octet.
        first: u64,
        /// Offset of the last octet, not less than `first`.
        last: u64,
    },
    /// From `first` to the end.
    From {
        /// Offset of the first octet.
        first: u64,
    },
    /// The last `length` octets.
    Suffix {
        /// Number of octets; zero cannot be satisfied.
        length: u64,
    },
}

/// What a request asks of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// All of it: there is no `Range`, or one that may be ignored (malformed, another unit, or
    /// more than one range).
    Whole,
    /// One range of it.
    Range(RangeSpec),
}

/// What can be given of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// All of it, with 200.
    Whole,
    /// Part of it, with 206.
    Partial(ByteRange),
    /// Nothing, with 416.
    Unsatisfiable,
}

/// A range of octets that exists: `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first octet.
    pub first: u64,
    /// Offset of the last octet.
    pub last: u64,
}

impl Requested {
    /// Reads the `Range` field of a GET. RFC 9110 §14.2: a server may ignore the field, and must
    /// when it does not understand the unit.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(header::RANGE).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => {
                RangeSpec::parse(line.as_bytes()).map_or(Self::Whole, Self::Range)
            }
            _ => Self::Whole,
        }
    }

    /// Fits the request to a representation of `length` octets.
    #[must_use]
    pub fn resolve(self, length: u64) -> Resolved {
        match self {
            Self::Whole => Resolved::Whole,
            Self::Range(spec) => {
                spec.resolve(length).map_or(Resolved::Unsatisfiable, Resolved::Partial)
            }
        }
    }
}

impl RangeSpec {
    /// Parses `bytes=` and exactly one range; `None` for anything else.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let at = value.iter().position(|octet| *octet == b'=')?;
        // RFC 9110 §14.1: range unit names are case-insensitive.
        if !value[..at].eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let mut ranges = list::split(&value[at + 1..]);
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
        let dash = range.iter().position(|octet| *octet == b'-')?;
        let (first, last) = (&range[..dash], &range[dash + 1..]);
        match (first.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Self::Suffix { length: number(last)? }),
            (false, true) => Some(Self::From { first: number(first)? }),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo { first, last })
            }
        }
    }

    /// The octets of a representation of `length` octets that the range selects; `None` if none.
    #[must_use]
    pub fn resolve(self, length: u64) -> Option<ByteRange> {
        let end = length.checked_sub(1)?;
        match self {
            Self::FromTo { first, last } => {
                (first <= end).then(|| ByteRange { first, last: last.min(end) })
            }
            Self::From { first } => (first <= end).then_some(ByteRange { first, last: end }),
            Self::Suffix { length: 0 } => None,
            Self::Suffix { length: wanted } => {
                Some(ByteRange { first: length.saturating_sub(wanted), last: end })
            }
        }
    }
}

impl Display for RangeSpec {
    /// Writes the value of a `Range` field.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromTo { first, last } => write!(f, "bytes={first}-{last}"),
            Self::From { first } => write!(f, "bytes={first}-"),
            Self::Suffix { length } => write!(f, "bytes=-{length}"),
        }
    }
}

impl ByteRange {
    /// Number of octets, at least one.
    #[must_use]
    pub fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether every octet of `other` is in this range.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// The value of `Content-Range` for this part of a representation of `length` octets.
    #[must_use]
    pub fn content_range(self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.first, self.last)
    }
}

/// The value of `Content-Range` of a 416 (RFC 9110 §14.4).
#[must_use]
pub fn unsatisfied_content_range(length: u64) -> String {
    format!("bytes */{length}")
}

/// A `Content-Range` field that names octets (RFC 9110 §14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The octets enclosed.
    pub range: ByteRange,
    /// Octets of the whole representation, if stated.
    pub complete_length: Option<u64>,
}

impl ContentRange {
    /// Parses `bytes first-last/length` or `bytes first-last/*`; `None` if it is malformed or
    /// contradicts itself.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let slash = rest.iter().position(|octet| *octet == b'/')?;
        let (range, length) = (&rest[..slash], &rest[slash + 1..]);
        let dash = range.iter().position(|octet| *octet == b'-')?;
        let range = ByteRange { first: number(&range[..dash])?, last: number(&range[dash + 1..])? };
        let complete_length = if length == b"*" { None } else { Some(number(length)?) };
        // RFC 9110 §14.4: invalid if last < first, or if the length does not exceed last.
        let valid = range.first <= range.last && complete_length.is_none_or(|l| l > range.last);
        valid.then_some(Self { range, complete_length })
    }

    /// Reads the one `Content-Range` line of a 206.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::CONTENT_RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        Self::parse(line.as_bytes())
    }
}

/// Whether `If-Range` lets a `Range` count, given the validators of the selected representation
/// and the origin's `Date` (RFC 9110 §13.1.5). Without the field it does.
#[must_use]
pub fn if_range_holds(
    headers: &HeaderMap,
    etag: Option<EntityTag<'_>>,
    last_modified: Option<SystemTime>,
    date: Option<SystemTime>,
) -> bool {
    let mut lines = headers.get_all(header::IF_RANGE).iter();
    let Some(line) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let value = line.as_bytes();
    if let Some(asked) = EntityTag::parse(value) {
        // §13.1.5: the strong comparison.
        return etag.is_some_and(|etag| etag.strong_eq(asked));
    }
    match (date::parse(value), last_modified) {
        // §13.1.5: an exact match, and only if the date is a strong validator (§8.8.2.2).
        (Some(asked), Some(modified)) => asked == modified && is_strong(modified, date),
        _ => false,
    }
}

/// Whether a modification date can be relied on as a strong validator: it is at least one second
/// older than the response (RFC 9110 §8.8.2.2). Without a `Date` it cannot.
#[must_use]
pub fn is_strong(last_modified: SystemTime, date: Option<SystemTime>) -> bool {
    date.and_then(|date| date.duration_since(last_modified).ok())
        .is_some_and(|apart| apart >= Duration::from_secs(1))
}

/// 1*DIGIT that fits; larger numbers are as good as the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits.iter().fold(0_u64, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        }),
    )
}
