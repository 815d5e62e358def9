//! The `Via` field (RFC 9110 §7.6.3): the hops a message took, and whether it came around again.

use ::http::{HeaderMap, HeaderValue, Version, header};

use super::list;

/// Hops after which a message is taken to be in a loop, whoever the hops were.
pub const HOPS_MAX: usize = 32;

/// Appends this hop to `Via` as `<version> <pseudonym>`. A pseudonym that no field value can hold
/// is left out and nothing is appended.
pub fn append(headers: &mut HeaderMap, received: Version, pseudonym: &str) {
    let protocol = protocol(received);
    let mut hop = String::with_capacity(protocol.len() + 1 + pseudonym.len());
    hop.extend([protocol, " ", pseudonym]);
    if let Ok(hop) = HeaderValue::try_from(hop) {
        headers.append(header::VIA, hop);
    }
}

/// Whether the message has passed here before, or has passed [`HOPS_MAX`] hops.
#[must_use]
pub fn loops(headers: &HeaderMap, pseudonym: &str) -> bool {
    let mut hops = 0;
    list::members(headers, header::VIA).any(|hop| {
        hops += 1;
        hops >= HOPS_MAX || is_by(hop, pseudonym)
    })
}

/// Whether a hop was received by `pseudonym`, which may end in a comment that the hop then has to
/// have as well.
fn is_by(hop: &[u8], pseudonym: &str) -> bool {
    let protocol_end = hop.iter().position(u8::is_ascii_whitespace).unwrap_or(hop.len());
    let by = hop[protocol_end..].trim_ascii();
    let named = by.get(..pseudonym.len());
    named.is_some_and(|named| named.eq_ignore_ascii_case(pseudonym.as_bytes()))
        && by.get(pseudonym.len()).is_none_or(u8::is_ascii_whitespace)
}

/// The received protocol; the name HTTP is left out, as §7.6.3 allows.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
