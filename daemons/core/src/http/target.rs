//! Request targets: which resource a request is for (RFC 9110 §7.1, RFC 9112 §3.2), its URI in
//! normal form for a cache key (RFC 3986 §6.2.2), and its path decoded for serving files.

use std::borrow::Cow;

use ::http::uri::Uri;
use ::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;
use thiserror::Error;

/// Octets of the longest authority accepted: a host name of 253, brackets or a dot, and a port.
pub const AUTHORITY_BYTES_MAX: usize = 262;

/// Why a request names no resource. All of them are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// RFC 9112 §3.2: an HTTP/1.1 request must have a Host field.
    #[error("the request names no host")]
    HostMissing,
    /// RFC 9112 §3.2: more than one Host line.
    #[error("the request has more than one Host field")]
    HostRepeated,
    /// A host that no URI can have.
    #[error("the host of the request is malformed")]
    HostInvalid,
    /// `CONNECT`'s authority form, or the asterisk form of `OPTIONS`, which name no path.
    #[error("the request target has no path")]
    PathMissing,
}

/// The resource a request is for, as the client named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Whether the client's connection was secured: `https`, else `http`.
    pub secure: bool,
    /// Host and optional port, not normalised.
    pub authority: &'a str,
    /// Path, beginning with `/`, not normalised.
    pub path: &'a str,
    /// What follows the `?`, if there is one.
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reconstructs the target URI (RFC 9110 §7.1). The absolute form overrides `Host`
    /// (RFC 9112 §3.2.2). `secure` tells how the client is connected, whatever the target claims.
    ///
    /// # Errors
    /// If the host is missing, repeated or malformed, or the target has no path.
    pub fn of(uri: &'a Uri, headers: &'a HeaderMap, secure: bool) -> Result<Self, TargetError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(TargetError::HostRepeated);
        }
        let authority = match (uri.authority(), host) {
            (Some(authority), _) => authority.as_str(),
            (None, Some(host)) => host.to_str().map_err(|_| TargetError::HostInvalid)?,
            (None, None) => return Err(TargetError::HostMissing),
        };
        if !is_authority(authority) {
            return Err(TargetError::HostInvalid);
        }
        let path = match uri.path() {
            // RFC 9112 §3.2.2: an absolute form without a path means the root.
            "" if uri.scheme().is_some() => "/",
            path if path.starts_with('/') => path,
            _ => return Err(TargetError::PathMissing),
        };
        Ok(Self { secure, authority, path, query: uri.query() })
    }

    /// The scheme's name.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Appends the URI in normal form: scheme and host in lower case, no default port, unreserved
    /// octets decoded, other percent-encoding in upper case, no dot segments.
    pub fn write_normalised(&self, to: &mut String) {
        to.push_str(self.scheme());
        to.push_str("://");
        push_authority(to, self.authority, self.secure);
        push_path(to, self.path);
        if let Some(query) = self.query {
            to.push('?');
            push_encoded(to, query);
        }
    }

    /// Host and port in normal form: what the key says, and so what an origin must be told.
    #[must_use]
    pub fn normalised_authority(&self) -> String {
        let mut to = String::with_capacity(self.authority.len());
        push_authority(&mut to, self.authority, self.secure);
        to
    }

    /// The host in normal form, without its port and without the dot of a root.
    #[must_use]
    pub fn normalised_host(&self) -> Cow<'a, str> {
        let (host, _) = split_port(self.authority);
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.bytes().any(|octet| octet.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }
    }

    /// The path in normal form, as [`Self::write_normalised`] has it.
    #[must_use]
    pub fn normalised_path(&self) -> Cow<'a, str> {
        if !self.path.contains('%') && !self.path.contains("/.") {
            return Cow::Borrowed(self.path);
        }
        let mut to = String::with_capacity(self.path.len());
        push_path(&mut to, self.path);
        Cow::Owned(to)
    }

    /// Path and query in normal form: what the cache key says, and so what an origin must be asked
    /// for, lest two readings of one path be stored under one key.
    #[must_use]
    pub fn normalised_path_and_query(&self) -> String {
        let mut to = String::with_capacity(self.path.len() + self.query.map_or(0, str::len) + 1);
        push_path(&mut to, self.path);
        if let Some(query) = self.query {
            to.push('?');
            push_encoded(&mut to, query);
        }
        to
    }
}

/// A query in normal form, as keys have it.
#[must_use]
pub fn normalised_query(query: &str) -> Cow<'_, str> {
    if !query.contains('%') {
        return Cow::Borrowed(query);
    }
    let mut to = String::with_capacity(query.len());
    push_encoded(&mut to, query);
    Cow::Owned(to)
}

/// Resolves a URI reference found in `Location` or `Content-Location` against `base`
/// (RFC 3986 §5.2). Returns the path and query, not normalised, if the result has the origin of
/// `base` (RFC 9110 §4.3.1), else `None`.
#[must_use]
pub fn resolve_same_origin<'a>(
    base: &Target<'a>,
    reference: &'a str,
) -> Option<(Cow<'a, str>, Option<&'a str>)> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (local, absolute) = match split_authority(reference) {
        Some((scheme, authority, local)) => {
            let same_scheme = scheme.is_none_or(|s| s.eq_ignore_ascii_case(base.scheme()));
            if !same_scheme || !same_authority(authority, base) {
                return None;
            }
            (local, true)
        }
        None if has_scheme(reference) => return None,
        None => (reference, false),
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    Some(match path {
        "" if absolute => (Cow::Borrowed("/"), query),
        "" => (Cow::Borrowed(base.path), query.or(base.query)),
        path if path.starts_with('/') => (Cow::Borrowed(path), query),
        path => {
            let directory = base.path.rfind('/').map_or("/", |at| &base.path[..=at]);
            (Cow::Owned(format!("{directory}{path}")), query)
        }
    })
}

/// Splits `[scheme:]//authority rest`; `None` for a reference without an authority.
fn split_authority(reference: &str) -> Option<(Option<&str>, &str, &str)> {
    let (scheme, rest) = match reference.strip_prefix("//") {
        Some(rest) => (None, rest),
        None => {
            let (scheme, rest) = reference.split_once("://")?;
            let named = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            if !named {
                return None;
            }
            (Some(scheme), rest)
        }
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

/// Whether a reference without an authority is an absolute URI such as `mailto:`.
fn has_scheme(reference: &str) -> bool {
    let colon = reference.find(':');
    colon.is_some_and(|at| !reference[..at].contains(['/', '?']))
}

fn same_authority(authority: &str, base: &Target<'_>) -> bool {
    let (mut one, mut other) = (String::new(), String::new());
    push_authority(&mut one, authority, base.secure);
    push_authority(&mut other, base.authority, base.secure);
    one == other
}

/// Whether the text can be the host and port of an `http` URI. User information is refused, as
/// RFC 9110 §4.2.4 asks.
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid_host = match literal {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)),
        None => host.bytes().all(|b| IN_HOSTS[usize::from(b)]),
    };
    !host.is_empty()
        && text.len() <= AUTHORITY_BYTES_MAX
        && valid_host
        && port.bytes().all(|octet| octet.is_ascii_digit())
}

/// The octets of a name that is no address in brackets (RFC 3986 §3.2.2), by their value.
static IN_HOSTS: [bool; 256] = {
    let (mut table, mut octet) = ([false; 256], 0_usize);
    while octet < table.len() {
        table[octet] = matches!(
            octet as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
                | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b'%'
        );
        octet += 1;
    }
    table
};

/// Host and port of an authority without user information; an empty port where there is none.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => (&authority[..at], &authority[at + 1..]),
        _ => (authority, ""),
    }
}

/// RFC 3986 §6.2.2.1 and §6.2.3: the host in lower case; an empty or default port left out.
fn push_authority(to: &mut String, authority: &str, secure: bool) {
    let default = if secure { ":443" } else { ":80" };
    let bare = authority
        .strip_suffix(default)
        .or_else(|| authority.strip_suffix(':'))
        .unwrap_or(authority);
    let start = to.len();
    to.push_str(bare);
    to[start..].make_ascii_lowercase();
}

/// RFC 3986 §6.2.2: percent-encoding in normal form, then dot segments removed.
fn push_path(to: &mut String, path: &str) {
    let start = to.len();
    push_encoded(to, path);
    if to[start..].contains("/.") {
        remove_dot_segments(to, start);
    }
}

/// RFC 3986 §6.2.2.1-2: hexadecimal digits in upper case, unreserved octets decoded.
fn push_encoded(to: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        to.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.as_bytes() {
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let octet = hex(*high) << 4 | hex(*low);
                if is_unreserved(octet) {
                    to.push(char::from(octet));
                } else {
                    to.push('%');
                    to.push(char::from(high.to_ascii_uppercase()));
                    to.push(char::from(low.to_ascii_uppercase()));
                }
                rest = &rest[2..];
            }
            // Not an encoding at all: it becomes that of the sign itself, so that what follows cannot
            // turn it into one.
            _ => to.push_str("%25"),
        }
    }
    to.push_str(rest);
}

/// RFC 3986 §5.2.4 on the path that begins at `start`, in place. `..` at the root stays there.
fn remove_dot_segments(text: &mut String, start: usize) {
    let path = text.split_off(start);
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    let parent = text[start..].rfind('/').map_or(start, |at| start + at);
                    text.truncate(parent);
                }
                if is_last {
                    text.push('/');
                }
            }
            _ => {
                text.push('/');
                text.push_str(segment);
            }
        }
    }
}

/// Why a path names no file. It is answered as if the file did not exist, or with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// An encoded NUL, which no file name holds.
    #[error("the path holds a NUL")]
    Nul,
    /// An encoded `/`, which would be a separator after decoding but was none before.
    #[error("a segment of the path holds an encoded slash")]
    EncodedSlash,
    /// The path does not begin with `/`.
    #[error("the path is not absolute")]
    NotAbsolute,
}

/// A request path taken apart for serving files: decoded, without dot segments, never above the
/// root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath<'a> {
    segments: SmallVec<[Cow<'a, [u8]>; 8]>,
    directory: bool,
}

impl<'a> FilePath<'a> {
    /// Decodes the path of a target. Empty segments are skipped, as a file system does.
    ///
    /// # Errors
    /// If the path is not absolute, or a segment decodes to what no file name can be.
    pub fn decode(path: &'a str) -> Result<Self, PathError> {
        let relative = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let mut segments = SmallVec::new();
        let mut directory = true;
        for raw in relative.split('/') {
            let segment: Cow<'a, [u8]> = percent_decode_str(raw).into();
            if segment.contains(&0) {
                return Err(PathError::Nul);
            }
            if segment.contains(&b'/') {
                return Err(PathError::EncodedSlash);
            }
            directory = matches!(segment.as_ref(), b"" | b"." | b"..");
            match segment.as_ref() {
                b"" | b"." => {}
                b".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        Ok(Self { segments, directory })
    }

    /// The names on the way to the file, octets as the file system has them; none for the root.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// Whether the path ends as a directory does: with `/`, `.` or `..`.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Whether a name begins with a dot. `/.well-known/` does not count: it is meant to be seen
    /// (RFC 8615).
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        let mut names = self.segments().peekable();
        names.next_if(|name| *name == b".well-known");
        names.any(|name| name.starts_with(b"."))
    }

    /// The names joined by `/`, without a leading one; empty for the root.
    #[must_use]
    pub fn to_relative(&self) -> Vec<u8> {
        self.segments.join(&b'/')
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}
