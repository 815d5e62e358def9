//! The header section of a stored response, packed into one block of memory. A `HeaderMap` takes more than
//! a hundred bytes for each field; this takes two beside the text, and one in place of a common name.
//!
//! A line of it is a code, the name where the code stands for none, and the value. Names and values begin
//! with their length (LEB128). The code is 1 + the place of the name in `NAMES`, or 0 where the name is
//! spelled out, and `APART` where the field is known but not part of the section.

use ::http::header::{self, HeaderName};
use ::http::{HeaderMap, HeaderValue};
use bytes::Bytes;

/// Marks a field that decisions need and nobody is sent.
const APART: u8 = 0x80;

/// The names that take one byte: those that origins send. Their order is that of codes in memory alone.
static NAMES: [HeaderName; 64] = [
    header::ACCEPT_RANGES,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    header::AGE,
    header::ALLOW,
    header::ALT_SVC,
    header::CACHE_CONTROL,
    header::CACHE_STATUS,
    header::CDN_CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LINK,
    header::LOCATION,
    header::PRAGMA,
    header::REFERRER_POLICY,
    header::REFRESH,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::VARY,
    header::VIA,
    header::WARNING,
    header::X_CONTENT_TYPE_OPTIONS,
    header::X_DNS_PREFETCH_CONTROL,
    header::X_FRAME_OPTIONS,
    header::X_XSS_PROTECTION,
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("cross-origin-embedder-policy"),
    HeaderName::from_static("cross-origin-opener-policy"),
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("expect-ct"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("origin-agent-cluster"),
    HeaderName::from_static("permissions-policy"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("timing-allow-origin"),
    HeaderName::from_static("x-amz-id-2"),
    HeaderName::from_static("x-amz-request-id"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-robots-tag"),
    HeaderName::from_static("x-served-by"),
];

/// A packed header section. Cloning it copies a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Bytes);

/// Fields that a map has room for at once, those that follow the stored ones too.
const FIELDS_USUAL: usize = 12;

/// One line.
struct Line<'a> {
    code: u8,
    name: &'a [u8],
    value: &'a [u8],
    /// Where the value begins in the block.
    at: usize,
}

impl Fields {
    /// Packs `headers`, and those fields that are known `apart` from them. `behind` goes into the same block,
    /// and comes back as it is there.
    pub fn pack<'a>(
        headers: &HeaderMap,
        apart: impl Iterator<Item = (&'a HeaderName, &'a [u8])>,
        behind: &[u8],
    ) -> (Self, Bytes) {
        let text = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 6);
        let mut block = Vec::with_capacity(text.sum::<usize>() + behind.len());
        for (name, value) in apart {
            push_line(&mut block, APART, name, value);
        }
        for (name, value) in headers {
            push_line(&mut block, 0, name, value.as_bytes());
        }
        let end = block.len();
        block.extend_from_slice(behind);
        // A block of just that size.
        let block = Bytes::copy_from_slice(&block);
        (Self(block.slice(..end)), block.slice(end..))
    }

    /// Where the block is in memory: no two have the same address while both are there.
    #[must_use]
    pub fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each line, those of one name in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.sent().map(|line| (line.name_text(), line.value))
    }

    /// Whether it has a field of this name.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.sent().any(|line| line.is(name))
    }

    /// The fields. The values share this block.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.write_over(&mut map);
        map
    }

    /// Puts the fields in place of what `map` holds. A map that has been used has room for them already.
    pub fn write_over(&self, map: &mut HeaderMap) {
        map.clear();
        map.reserve(FIELDS_USUAL);
        for line in self.sent() {
            if let (Some(name), Some(value)) = (line.header_name(), self.value(&line)) {
                map.append(name, value);
            }
        }
    }

    /// The first value of this name, also where it is known apart.
    pub(crate) fn known(&self, name: &HeaderName) -> Option<&[u8]> {
        self.lines().find(|line| line.is(name)).map(|line| line.value)
    }

    /// The same, to be sent.
    pub(crate) fn known_value(&self, name: &HeaderName) -> Option<HeaderValue> {
        self.lines().find(|line| line.is(name)).and_then(|line| self.value(&line))
    }

    fn value(&self, line: &Line<'_>) -> Option<HeaderValue> {
        // What was a value still is one.
        HeaderValue::from_maybe_shared(self.0.slice(line.at..line.at + line.value.len())).ok()
    }

    fn sent(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines().filter(|line| line.code & APART == 0)
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let all = &self.0[..];
        let mut rest = all;
        std::iter::from_fn(move || {
            let (code, after) = rest.split_first()?;
            let (name, after) = match code & !APART {
                0 => take(after)?,
                _ => (&[][..], after),
            };
            let (value, after) = take(after)?;
            rest = after;
            let at = all.len() - after.len() - value.len();
            Some(Line { code: *code, name, value, at })
        })
    }
}

impl Line<'_> {
    fn is(&self, name: &HeaderName) -> bool {
        match self.common() {
            Some(common) => common == name,
            None => self.name == name.as_str().as_bytes(),
        }
    }

    fn common(&self) -> Option<&'static HeaderName> {
        NAMES.get(usize::from(self.code & !APART).checked_sub(1)?)
    }

    fn header_name(&self) -> Option<HeaderName> {
        match self.common() {
            Some(common) => Some(common.clone()),
            None => HeaderName::from_bytes(self.name).ok(),
        }
    }
}

impl<'a> Line<'a> {
    fn name_text(&self) -> &'a str {
        // What was a name is ASCII.
        self.common().map_or_else(|| str::from_utf8(self.name).unwrap_or(""), HeaderName::as_str)
    }
}

fn push_line(block: &mut Vec<u8>, flags: u8, name: &HeaderName, value: &[u8]) {
    match NAMES.iter().position(|common| common == name) {
        // NAMES is shorter than a flag is large.
        Some(place) => block.push(flags | (place as u8 + 1)),
        None => {
            block.push(flags);
            push(block, name.as_str().as_bytes());
        }
    }
    push(block, value);
}

fn push(block: &mut Vec<u8>, text: &[u8]) {
    let mut left = text.len();
    while left >= 0x80 {
        block.push(left as u8 | 0x80);
        left >>= 7;
    }
    block.push(left as u8);
    block.extend_from_slice(text);
}

/// A text from the front, and what follows it.
fn take(block: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = block.split_first()?;
    if *first < 0x80 {
        return rest.split_at_checked(usize::from(*first));
    }
    let (mut length, mut shift, mut at) = (0_usize, 0, 0);
    loop {
        let octet = *block.get(at)?;
        at += 1;
        length |= usize::from(octet & 0x7f).checked_shl(shift)?;
        if octet < 0x80 {
            return block[at..].split_at_checked(length);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(headers: &HeaderMap, behind: &[u8]) -> (Fields, Bytes) {
        Fields::pack(headers, std::iter::empty(), behind)
    }

    fn value(length: usize) -> HeaderValue {
        HeaderValue::from_bytes(&vec![b'v'; length]).unwrap()
    }

    #[test]
    fn fields_come_back_as_they_were() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert("x-own", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.insert("x-empty", value(0));
        for length in [1, 127, 128, 16_383, 16_384, 100_000] {
            headers.append(header::SET_COOKIE, value(length));
        }
        let (fields, behind) = packed(&headers, b"content");
        assert_eq!(fields.to_map(), headers);
        assert_eq!(behind, "content");
        assert_eq!(fields.iter().count(), headers.len());
        assert!(fields.contains(&header::SET_COOKIE) && !fields.contains(&header::ETAG));
        assert!(fields.contains(&HeaderName::from_static("x-own")));
        assert!(packed(&HeaderMap::new(), b"").0.is_empty());
    }

    #[test]
    fn each_common_name_has_a_code_of_its_own() {
        for name in &NAMES {
            let headers = HeaderMap::from_iter([(name.clone(), value(3))]);
            let (fields, _) = packed(&headers, b"");
            assert_eq!((fields.len(), fields.to_map()), (5, headers), "{name}");
        }
        assert!(NAMES.len() < usize::from(APART));
    }

    #[test]
    fn what_is_known_apart_is_not_sent() {
        let headers = HeaderMap::from_iter([(header::DATE, value(3))]);
        let apart = [(&header::ETAG, &b"\"a\""[..])];
        let (fields, _) = Fields::pack(&headers, apart.into_iter(), b"");
        assert_eq!(fields.to_map(), headers);
        assert!(!fields.contains(&header::ETAG));
        assert_eq!(fields.known(&header::ETAG), Some(&b"\"a\""[..]));
        assert_eq!(fields.known_value(&header::DATE), Some(value(3)));
    }
}
