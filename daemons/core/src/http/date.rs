//! HTTP dates (RFC 9110 §5.6.7). A date that no grammar allows is no date: callers treat the field
//! as absent or, for `Expires`, as a time in the past.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use httpdate::HttpDate;

/// Octets of the longest form, `Wednesday, 06-Nov-94 08:49:37 GMT`; anything longer is no date.
const DATE_BYTES_MAX: usize = 33;

/// Seconds from the epoch to 9999-12-31T23:59:59Z, the last second that IMF-fixdate can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// Names of the days, as IMF-fixdate and asctime have them, and as RFC 850 has them.
const DAYS: [(&str, &str); 7] = [
    ("Mon", "Monday"),
    ("Tue", "Tuesday"),
    ("Wed", "Wednesday"),
    ("Thu", "Thursday"),
    ("Fri", "Friday"),
    ("Sat", "Saturday"),
    ("Sun", "Sunday"),
];

/// Parses any of the three date forms, ignoring letter case; the zone must be GMT.
///
/// The name of the day must be one, but may be another day's: it adds nothing to the date.
/// Returns `None` for what the grammar does not allow: other zones, dashes or dots as separators,
/// two-digit years outside the RFC 850 form, one-digit hours.
#[must_use]
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    if value.len() > DATE_BYTES_MAX {
        return None;
    }
    let mut octets = [0_u8; DATE_BYTES_MAX];
    let octets = &mut octets[..value.len()];
    octets.copy_from_slice(value);
    capitalise(octets);
    let text = std::str::from_utf8(octets).ok()?;
    parse_exactly(text).or_else(|| parse_whatever_day(text))
}

/// RFC 9111 §4.2: a cache SHOULD match dates without regard to case, though they are written with
/// it. Letters that start a word become capitals and those that follow small, but for the zone.
fn capitalise(octets: &mut [u8]) {
    let mut after_letter = false;
    for octet in octets.iter_mut() {
        let letter = octet.is_ascii_alphabetic();
        if after_letter {
            octet.make_ascii_lowercase();
        } else {
            octet.make_ascii_uppercase();
        }
        after_letter = letter;
    }
    if let Some(zone) = octets.last_chunk_mut::<3>()
        && zone == b"Gmt"
    {
        *zone = *b"GMT";
    }
}

fn parse_exactly(text: &str) -> Option<SystemTime> {
    text.parse::<HttpDate>().ok().map(SystemTime::from)
}

/// Parses a date whose day of the week is not that of the date, by trying the other days.
fn parse_whatever_day(text: &str) -> Option<SystemTime> {
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic())?;
    let (day, rest) = text.split_at(end);
    let short = DAYS.iter().any(|(short, _)| *short == day);
    if !short && !DAYS.iter().any(|(_, long)| *long == day) {
        return None;
    }
    DAYS.iter().find_map(|(other, long)| {
        let other = if short { other } else { long };
        parse_exactly(&format!("{other}{rest}"))
    })
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
