//! Comma-separated field values (RFC 9110 §5.6.1): members across lines, with quoted strings whole.

use std::iter;

use ::http::{HeaderMap, header::AsHeaderName};

/// The members of every line of a field, trimmed; empty members are skipped.
pub fn members<K: AsHeaderName>(headers: &HeaderMap, name: K) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).iter().flat_map(|line| split(line.as_bytes()))
}

/// The members of one value, trimmed; a comma inside a quoted string does not separate.
pub fn split(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    iter::from_fn(move || {
        let current = rest?;
        let end = member_end(current);
        rest = current.get(end + 1..);
        Some(current[..end].trim_ascii())
    })
    .filter(|member| !member.is_empty())
}

/// Where the first member ends: at a comma outside quotes, or at the end of the value. A quote that
/// is never closed quotes nothing, so that it cannot hide the members behind it.
fn member_end(value: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    let mut comma_in_quotes = None;
    for (at, octet) in value.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                comma_in_quotes = None;
            }
            b',' if !quoted => return at,
            b',' => comma_in_quotes = comma_in_quotes.or(Some(at)),
            _ => {}
        }
    }
    comma_in_quotes.unwrap_or(value.len())
}

/// Whether any member equals `token`, ignoring case.
#[must_use]
pub fn contains<K: AsHeaderName>(headers: &HeaderMap, name: K, token: &str) -> bool {
    members(headers, name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}
