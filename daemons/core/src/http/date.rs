//! HTTP dates (RFC 9110 §5.6.7). A date that no grammar allows is no date: callers treat the field
//! as absent or, for `Expires`, as a time in the past.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use httpdate::HttpDate;

/// Octets of the longest form, `Wednesday, 06-Nov-94 08:49:37 GMT`; anything longer is no date.
const DATE_BYTES_MAX: usize = 33;

/// Seconds from the epoch to 9999-12-31T23:59:59Z, the last second that IMF-fixdate can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// Parses any of the three date forms, ignoring letter case; the zone must be GMT.
///
/// Returns `None` for what the grammar does not allow: other zones, dashes or dots as separators,
/// two-digit years outside the RFC 850 form, one-digit hours, a weekday that is not that day's.
#[must_use]
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    if value.len() > DATE_BYTES_MAX {
        return None;
    }
    // RFC 9111 §4.2: a cache SHOULD match dates without regard to case, though they are written
    // with it. Letters that start a word are capitals, those that follow are not, except in GMT.
    let mut canonical = [0_u8; DATE_BYTES_MAX];
    let canonical = &mut canonical[..value.len()];
    let mut after_letter = false;
    for (to, from) in canonical.iter_mut().zip(value) {
        *to = if after_letter { from.to_ascii_lowercase() } else { from.to_ascii_uppercase() };
        after_letter = from.is_ascii_alphabetic();
    }
    if let Some(zone) = canonical.last_chunk_mut::<3>()
        && zone == b"Gmt"
    {
        *zone = *b"GMT";
    }
    let date: HttpDate = std::str::from_utf8(canonical).ok()?.parse().ok()?;
    Some(date.into())
}

/// The one date of a field that may occur once. Repeated lines are no date (RFC 9110 §5.3).
#[must_use]
pub fn field(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    if lines.next().is_some() { None } else { parse(first.as_bytes()) }
}

/// Writes an IMF-fixdate, 29 octets. Times outside 1970 to 9999 are clamped to that span.
#[must_use]
pub fn format(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND)))
}

/// Writes an IMF-fixdate as a field value.
#[must_use]
pub fn header_value(time: SystemTime) -> HeaderValue {
    // IMF-fixdate is visible ASCII, which every field value allows.
    HeaderValue::from_str(&format(time)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The start of the second that `time` falls in: what a date field can express.
#[must_use]
pub fn whole_second(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UNIX_EPOCH + Duration::from_secs(seconds)
}
