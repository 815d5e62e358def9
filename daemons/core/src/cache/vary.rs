//! `Vary` (RFC 9111 §4.1): which fields of the request select among the responses stored for one
//! URI, and whether a new request agrees with a stored one in them.

use ::http::{HeaderMap, HeaderName, header};
use smallvec::SmallVec;

use crate::http::list;

/// The most fields that `Vary` may name before the response counts as varying on everything.
pub const FIELDS_MAX: usize = 32;

/// The most members of an `Accept-*` field that are compared as a set; longer lists only match
/// octet by octet, since comparing sets takes time that grows with the square.
pub const PREFERENCES_MAX: usize = 64;

/// Each client's own, as the proxy states it: the origin has never seen what the client says.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a stored response varies on, with the values of the request that it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing: it answers every request for the URI.
    Nothing,
    /// Something beside the request's fields (`*`): it answers no other request.
    Anything,
    /// These fields.
    Fields(Box<[Selecting]>),
}

/// One selecting field of the original request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selecting {
    name: HeaderName,
    /// The lines joined by commas; `None` if the request did not have the field.
    value: Option<Box<[u8]>>,
    /// The language of the response, where the field chose it.
    chosen: Option<Box<[u8]>>,
}

impl Vary {
    /// Reads `Vary` of a response to a request with these fields.
    #[must_use]
    pub fn of(response: &HeaderMap, request: &HeaderMap) -> Self {
        let mut names: SmallVec<[HeaderName; 4]> = SmallVec::new();
        for member in list::members(response, header::VARY) {
            // RFC 9110 §12.5.5: a list with "*" in any place varies on anything. So does one that
            // cannot be read.
            let Ok(name) = HeaderName::from_bytes(member) else { return Self::Anything };
            if member == b"*" || name == X_FORWARDED_FOR || names.len() == FIELDS_MAX {
                return Self::Anything;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Self::Nothing;
        }
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        Self::Fields(names.into_iter().map(|name| Selecting::of(name, response, request)).collect())
    }

    /// Whether a stored response may answer a request with these fields.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        match self {
            Self::Nothing => true,
            Self::Anything => false,
            Self::Fields(fields) => fields.iter().all(|field| field.matches(request)),
        }
    }

    /// The selecting fields, sorted by name, with the value of the original request.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, Option<&[u8]>)> {
        let fields = match self {
            Self::Fields(fields) => fields.as_ref(),
            Self::Nothing | Self::Anything => &[],
        };
        fields.iter().map(|field| (&field.name, field.value.as_deref()))
    }
}

impl Selecting {
    fn of(name: HeaderName, response: &HeaderMap, request: &HeaderMap) -> Self {
        let value = request.contains_key(&name).then(|| joined(request, &name).as_slice().into());
        let chosen = match name {
            header::ACCEPT_LANGUAGE => single(response, &header::CONTENT_LANGUAGE),
            _ => None,
        };
        Self { name, value, chosen: chosen.map(Box::from) }
    }

    fn matches(&self, request: &HeaderMap) -> bool {
        let mut lines = request.get_all(&self.name).iter();
        let (first, more) = (lines.next(), lines.next().is_some());
        let (stored, first) = match (self.value.as_deref(), first) {
            (None, None) => return true,
            // RFC 9111 §4.1: a field absent from one request must be absent from the other.
            (Some(_), None) | (None, Some(_)) => return false,
            (Some(stored), Some(first)) => (stored, first),
        };
        // The case of nearly every hit: the same client software sends the same octets.
        if !more && stored == first.as_bytes() {
            return true;
        }
        let asked = joined(request, &self.name);
        let (stored, asked) = (|| list::split(stored), || list::split(&asked));
        match self.name {
            header::ACCEPT_LANGUAGE => {
                same_preferences(stored(), asked()) || self.is_first_choice(asked())
            }
            header::ACCEPT_ENCODING | header::ACCEPT_CHARSET => same_preferences(stored(), asked()),
            // RFC 9111 §4.1: white space and the division into lines may be normalised away.
            _ => stored().eq(asked()),
        }
    }

    /// Whether the stored response is in the one language that the request likes best: whatever
    /// made the origin choose it before, it would choose it now (RFC 9110 §12.5.4).
    fn is_first_choice<'a>(&self, asked: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(chosen) = &self.chosen else { return false };
        let preferences = preferences(asked);
        let Some(best) = preferences.iter().map(|p| p.weight).max() else { return false };
        let mut liked = preferences.iter().filter(|p| p.weight == best);
        match (liked.next(), liked.next()) {
            (Some(first), None) => best > 0 && first.value.eq_ignore_ascii_case(chosen),
            _ => false,
        }
    }
}

/// The lines of a field as one value (RFC 9110 §5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> SmallVec<[u8; 128]> {
    let mut value = SmallVec::new();
    for (at, line) in headers.get_all(name).iter().enumerate() {
        if at > 0 {
            value.push(b',');
        }
        value.extend_from_slice(line.as_bytes());
    }
    value
}

type Preferences<'a> = SmallVec<[Preference<'a>; 8]>;

/// One member of an `Accept-*` field: a value and its weight in thousandths.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Preference<'a> {
    value: &'a [u8],
    weight: u16,
}

impl<'a> Preference<'a> {
    fn parse(member: &'a [u8]) -> Self {
        let mut parts = member.split(|octet| *octet == b';');
        let value = parts.next().unwrap_or_default().trim_ascii();
        let weight = parts.find_map(|parameter| {
            let parameter = parameter.trim_ascii();
            let number = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
            Some(weight(number))
        });
        Self { value, weight: weight.unwrap_or(1000) }
    }
}

/// A `qvalue` in thousandths (RFC 9110 §12.4.2); a malformed one counts as not wanted.
fn weight(number: &[u8]) -> u16 {
    let (whole, fraction) = match number.iter().position(|octet| *octet == b'.') {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &[][..]),
    };
    if !matches!(whole, b"0" | b"1")
        || fraction.len() > 3
        || !fraction.iter().all(u8::is_ascii_digit)
    {
        return 0;
    }
    let thousandths = (0..3).fold(0_u16, |sum, at| {
        sum * 10 + fraction.get(at).map_or(0, |digit| u16::from(digit - b'0'))
    });
    (u16::from(whole[0] - b'0') * 1000 + thousandths).min(1000)
}

/// The members of an `Accept-*` field, at most one more than are compared.
fn preferences<'a>(members: impl Iterator<Item = &'a [u8]>) -> Preferences<'a> {
    members.map(Preference::parse).take(PREFERENCES_MAX + 1).collect()
}

/// Whether two lists state the same preferences: order, case and white space mean nothing
/// (RFC 9110 §12.4.2).
fn same_preferences<'a>(
    one: impl Iterator<Item = &'a [u8]>,
    other: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let one = preferences(one);
    let other = preferences(other);
    let within = |these: &Preferences<'_>, those: &Preferences<'_>| {
        these.iter().all(|this| {
            those.iter().any(|that| {
                this.weight == that.weight && this.value.eq_ignore_ascii_case(that.value)
            })
        })
    };
    one.len() == other.len()
        && one.len() <= PREFERENCES_MAX
        && within(&one, &other)
        && within(&other, &one)
}

/// The only value of a field that occurs once and has one member.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut members = list::members(headers, name);
    match (members.next(), members.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}
