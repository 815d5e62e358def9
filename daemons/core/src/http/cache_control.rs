//! Cache directives: `Cache-Control` of requests and responses (RFC 9111 §5.2) and the targeted
//! fields of RFC 9213. Parsing never fails: what is malformed is recorded as such, and the caller
//! is left with the cautious reading.

use ::http::{HeaderMap, HeaderName, header};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use smallvec::SmallVec;

use super::list;

/// The largest number of seconds a directive can state; larger numbers count as this one
/// (RFC 9111 §1.2.2).
pub const DELTA_SECONDS_MAX: u32 = 1 << 31;

/// The argument of a directive that takes seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// A non-negative whole number of seconds, at most [`DELTA_SECONDS_MAX`].
    Seconds(u32),
    /// Anything else, or two occurrences that disagree.
    Invalid,
}

impl Delta {
    /// Parses 1*DIGIT, in quotes or not (RFC 9111 §5.2: recipients ought to accept both forms).
    #[must_use]
    pub fn parse(argument: &[u8]) -> Self {
        let digits = unquote(argument).unwrap_or(argument);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Self::Invalid;
        }
        let seconds = digits.iter().fold(0_u32, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')).min(DELTA_SECONDS_MAX)
        });
        Self::Seconds(seconds)
    }

    /// The seconds, or zero for an invalid argument: freshness that cannot be read is none
    /// (RFC 9111 §4.2.1).
    #[must_use]
    pub fn or_zero(self) -> u32 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Invalid => 0,
        }
    }

    /// A non-negative Integer of a structured field (RFC 8941 §3.3.1).
    fn structured(item: &BareItem) -> Self {
        let seconds = item.as_integer().and_then(|integer| u64::try_from(i64::from(integer)).ok());
        let seconds =
            seconds.map(|it| u32::try_from(it).unwrap_or(u32::MAX).min(DELTA_SECONDS_MAX));
        seconds.map_or(Self::Invalid, Self::Seconds)
    }

    fn record(slot: &mut Option<Self>, found: Self) {
        // RFC 9111 §4.2.1: with more than one value, use the first or consider the response stale.
        *slot = Some(match *slot {
            Some(earlier) if earlier != found => Self::Invalid,
            _ => found,
        });
    }
}

/// A directive that covers the whole response, or only the fields it lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive does not occur.
    #[default]
    Absent,
    /// It concerns these fields of the response only.
    Fields(SmallVec<[HeaderName; 2]>),
    /// It concerns the whole response.
    Whole,
}

impl Scope {
    /// The fields listed; none if the directive is absent or covers the whole response.
    #[must_use]
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::Whole => &[],
        }
    }

    /// Widens the scope by one occurrence of the directive. A list that cannot be read widens it
    /// to the whole response.
    fn record(&mut self, argument: Option<&[u8]>) {
        let listed = argument.and_then(|argument| field_names(unquote(argument)?));
        match (&mut *self, listed) {
            (_, None) => *self = Self::Whole,
            (Self::Whole, _) => {}
            (Self::Fields(names), Some(more)) => names.extend(more),
            (Self::Absent, Some(names)) => *self = Self::Fields(names),
        }
    }
}

/// The directives of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// `max-age`, §5.2.2.1.
    pub max_age: Option<Delta>,
    /// `s-maxage`, §5.2.2.10.
    pub s_maxage: Option<Delta>,
    /// `no-store`, §5.2.2.5.
    pub no_store: bool,
    /// `no-cache`, §5.2.2.4.
    pub no_cache: Scope,
    /// `private`, §5.2.2.7.
    pub private: Scope,
    /// `public`, §5.2.2.9.
    pub public: bool,
    /// `must-revalidate`, §5.2.2.2.
    pub must_revalidate: bool,
    /// `proxy-revalidate`, §5.2.2.8.
    pub proxy_revalidate: bool,
    /// `must-understand`, §5.2.2.3.
    pub must_understand: bool,
    /// `no-transform`, §5.2.2.6.
    pub no_transform: bool,
    /// `immutable`, RFC 8246.
    pub immutable: bool,
    /// `stale-while-revalidate`, RFC 5861 §3.
    pub stale_while_revalidate: Option<Delta>,
    /// `stale-if-error`, RFC 5861 §4.
    pub stale_if_error: Option<Delta>,
}

impl ResponseDirectives {
    /// Reads every line of `Cache-Control`.
    #[must_use]
    pub fn cache_control(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for member in list::members(headers, header::CACHE_CONTROL) {
            directives.record(&Directive::parse(member));
        }
        directives
    }

    /// Reads a targeted field such as `CDN-Cache-Control`.
    ///
    /// Returns `None` if the field is absent, empty, or no structured dictionary; it is then ignored
    /// (RFC 9213 §2.1). A directive with a value of the wrong type does not do away with the others: a
    /// lifetime is then none, as in `Cache-Control`, what restricts does so, what permits does not.
    #[must_use]
    pub fn targeted(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut value = Vec::new();
        for line in headers.get_all(name) {
            if !value.is_empty() {
                value.extend_from_slice(b", ");
            }
            value.extend_from_slice(line.as_bytes());
        }
        let members: Dictionary = Parser::new(&value).parse().ok()?;
        if members.is_empty() {
            return None;
        }
        let mut directives = Self::default();
        for (key, member) in &members {
            directives.record_structured(key.as_str(), member);
        }
        Some(directives)
    }

    fn record(&mut self, directive: &Directive<'_>) {
        if let Some(flag) = self.flag(directive.name) {
            *flag = true;
        } else if let Some(slot) = self.seconds(directive.name) {
            Delta::record(slot, directive.delta());
        } else if let Some(scope) = self.scope(directive.name) {
            scope.record(directive.argument);
        }
    }

    fn record_structured(&mut self, name: &str, member: &ListEntry) {
        let permits = matches!(name, "public" | "immutable");
        let name = name.as_bytes();
        let item = match member {
            ListEntry::Item(item) => Some(&item.bare_item),
            ListEntry::InnerList(_) => None,
        };
        if let Some(flag) = self.flag(name) {
            *flag = item.and_then(BareItem::as_boolean).unwrap_or(!permits);
        } else if let Some(slot) = self.seconds(name) {
            *slot = Some(item.map_or(Delta::Invalid, Delta::structured));
        } else if let Some(scope) = self.scope(name) {
            *scope = match item {
                Some(BareItem::Boolean(false)) => Scope::Absent,
                Some(BareItem::String(names)) => {
                    field_names(names.as_str().as_bytes()).map_or(Scope::Whole, Scope::Fields)
                }
                _ => Scope::Whole,
            };
        }
    }

    fn flag(&mut self, name: &[u8]) -> Option<&mut bool> {
        Some(match lower(name).as_slice() {
            b"no-store" => &mut self.no_store,
            b"public" => &mut self.public,
            b"must-revalidate" => &mut self.must_revalidate,
            b"proxy-revalidate" => &mut self.proxy_revalidate,
            b"must-understand" => &mut self.must_understand,
            b"no-transform" => &mut self.no_transform,
            b"immutable" => &mut self.immutable,
            _ => return None,
        })
    }

    fn seconds(&mut self, name: &[u8]) -> Option<&mut Option<Delta>> {
        Some(match lower(name).as_slice() {
            b"max-age" => &mut self.max_age,
            b"s-maxage" => &mut self.s_maxage,
            b"stale-while-revalidate" => &mut self.stale_while_revalidate,
            b"stale-if-error" => &mut self.stale_if_error,
            _ => return None,
        })
    }

    fn scope(&mut self, name: &[u8]) -> Option<&mut Scope> {
        Some(match lower(name).as_slice() {
            b"no-cache" => &mut self.no_cache,
            b"private" => &mut self.private,
            _ => return None,
        })
    }
}

/// The directives of a request. Seconds that cannot be read are as if not sent: they only ever
/// state a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `max-age`, §5.2.1.1: the oldest age the client takes, in seconds.
    pub max_age: Option<u32>,
    /// `max-stale`, §5.2.1.2: how stale a response the client takes, in seconds;
    /// `u32::MAX` without an argument.
    pub max_stale: Option<u32>,
    /// `min-fresh`, §5.2.1.3: how long the response must stay fresh yet, in seconds.
    pub min_fresh: Option<u32>,
    /// `no-cache`, §5.2.1.4, or `Pragma: no-cache` where there is no `Cache-Control` (§5.4).
    pub no_cache: bool,
    /// `no-store`, §5.2.1.5.
    pub no_store: bool,
    /// `only-if-cached`, §5.2.1.7.
    pub only_if_cached: bool,
    /// `stale-if-error`, RFC 5861 §4, in seconds.
    pub stale_if_error: Option<u32>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, or `Pragma` in its absence. A request with neither costs two
    /// look-ups and no parsing.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        if headers.contains_key(header::CACHE_CONTROL) {
            for member in list::members(headers, header::CACHE_CONTROL) {
                directives.record(&Directive::parse(member));
            }
        } else if headers.contains_key(header::PRAGMA) {
            // RFC 9111 §5.4: Pragma counts only where Cache-Control is absent.
            directives.no_cache = list::contains(headers, header::PRAGMA, "no-cache");
        }
        directives
    }

    fn record(&mut self, directive: &Directive<'_>) {
        let seconds = match directive.delta() {
            Delta::Seconds(seconds) => Some(seconds),
            Delta::Invalid => None,
        };
        match lower(directive.name).as_slice() {
            b"max-age" => self.max_age = least(self.max_age, seconds),
            b"max-stale" if directive.argument.is_none() => self.max_stale = Some(u32::MAX),
            b"max-stale" => self.max_stale = least(self.max_stale, seconds),
            b"min-fresh" => self.min_fresh = self.min_fresh.max(seconds),
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"stale-if-error" => self.stale_if_error = least(self.stale_if_error, seconds),
            _ => {}
        }
    }
}

/// One member of `Cache-Control`: a name and what follows the first `=`.
struct Directive<'a> {
    name: &'a [u8],
    argument: Option<&'a [u8]>,
    /// White space around the `=`, which no grammar allows.
    spaced: bool,
}

impl<'a> Directive<'a> {
    fn parse(member: &'a [u8]) -> Self {
        let Some(at) = member.iter().position(|octet| *octet == b'=') else {
            return Self { name: member, argument: None, spaced: false };
        };
        let (name, argument) = (&member[..at], &member[at + 1..]);
        let spaced = name.trim_ascii() != name || argument.trim_ascii() != argument;
        Self { name: name.trim_ascii(), argument: Some(argument.trim_ascii()), spaced }
    }

    fn delta(&self) -> Delta {
        match self.argument {
            Some(argument) if !self.spaced => Delta::parse(argument),
            _ => Delta::Invalid,
        }
    }
}

/// The stricter of two statements.
fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The name in lower case, on the stack for every name that is known.
fn lower(name: &[u8]) -> SmallVec<[u8; 32]> {
    let mut lower = SmallVec::from_slice(name);
    lower.make_ascii_lowercase();
    lower
}

/// The content of a quoted string, escapes left as they are.
fn unquote(argument: &[u8]) -> Option<&[u8]> {
    argument.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The field names of a `no-cache` or `private` argument; `None` if any is no field name.
fn field_names(listed: &[u8]) -> Option<SmallVec<[HeaderName; 2]>> {
    let names: SmallVec<_> =
        list::split(listed).map(|name| HeaderName::from_bytes(name).ok()).collect::<Option<_>>()?;
    if names.is_empty() { None } else { Some(names) }
}
