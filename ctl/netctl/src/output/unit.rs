//! Numbers for people: three digits that matter, and a unit.

use std::time::Duration;

pub(crate) use selat_qos::report::count;

use jiff::Timestamp;

/// What stands where nothing was measured.
pub(crate) const NONE: &str = "–";

const BYTE_UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const BIT_RATE_UNITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

/// `1.5 MiB`; powers of 1024.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { scaled(bytes as f64, 1024.0, &BYTE_UNITS) }
}

/// `68.8 kbit/s`; powers of 1000.
pub(crate) fn bit_rate(bits_per_s: f64) -> String {
    scaled(bits_per_s, 1000.0, &BIT_RATE_UNITS)
}

/// `2.5 %`.
pub(crate) fn percent(percent: f64) -> String {
    let decimals = if percent == 0.0 || percent >= 10.0 { 1 } else { 2 };
    format!("{percent:.decimals$} %")
}

/// `0.213 ms`, always in milliseconds so that a column can be compared.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

/// `82 µs`, `1.25 s`, `3 h 5 min`: the two largest units that matter.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 => scaled(duration.as_nanos() as f64, 1000.0, &["ns", "µs", "ms"]),
        1..60 if duration.subsec_millis() == 0 => format!("{seconds} s"),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => pair(seconds, 60, "min", 1, "s"),
        3600..86_400 => pair(seconds, 3600, "h", 60, "min"),
        _ => pair(seconds, 86_400, "d", 3600, "h"),
    }
}

/// A span from a message, below zero where the daemon says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// Zero or more.
    Ahead(Duration),
    /// Less than zero.
    Past(Duration),
}

/// The span that a message has; none where it has none or one out of range.
pub(crate) fn signed(duration: Option<&prost_types::Duration>) -> Option<Signed> {
    let duration = *duration?;
    Some(match Duration::try_from(duration) {
        Ok(ahead) => Signed::Ahead(ahead),
        Err(prost_types::DurationError::NegativeDuration(past)) => Signed::Past(past),
        Err(_) => return None,
    })
}

/// A span that cannot be below zero.
pub(crate) fn message_span(duration: Option<&prost_types::Duration>) -> String {
    match signed(duration) {
        Some(Signed::Ahead(duration)) => span(duration),
        _ => NONE.to_owned(),
    }
}

/// `2026-08-22 14:31:05 UTC`.
pub(crate) fn time(time: Option<&prost_types::Timestamp>) -> String {
    let time = time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
    time.map_or(NONE.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// How long ago it was, by the clock of this machine.
pub(crate) fn since(time: Option<&prost_types::Timestamp>) -> String {
    let time = time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
    let since = time.and_then(|time| Duration::try_from(Timestamp::now() - time).ok());
    since.map_or(NONE.to_owned(), span)
}

/// `1 entry`, `2 entries`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

fn pair(seconds: u64, large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    let rest = seconds % large / small;
    let large = seconds / large;
    if rest == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {rest} {small_unit}")
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // 999.95 would be shown as 1000.0.
    while value >= step - 0.05 {
        let Some(larger) = units.next() else { break };
        value /= step;
        unit = larger;
    }
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_binary_units() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1_572_864, "1.50 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn spans_show_the_two_largest_units() {
        let cases = [
            (Duration::ZERO, "0 s"),
            (Duration::from_nanos(82_000), "82.0 µs"),
            (Duration::from_millis(350), "350 ms"),
            (Duration::from_millis(1250), "1.2 s"),
            (Duration::from_secs(57), "57 s"),
            (Duration::from_secs(185), "3 min 5 s"),
            (Duration::from_secs(11_100), "3 h 5 min"),
            (Duration::from_secs(86_400 * 3), "3 d"),
        ];
        for (value, text) in cases {
            assert_eq!(span(value), text);
        }
    }

    #[test]
    fn a_negative_span_is_told_from_a_missing_one() {
        let stale = prost_types::Duration { seconds: -3, nanos: 0 };
        assert_eq!(signed(Some(&stale)), Some(Signed::Past(Duration::from_secs(3))));
        assert_eq!(signed(None), None);
    }

    #[test]
    fn bit_rates_have_decimal_units() {
        assert_eq!(bit_rate(68_800.0), "68.8 kbit/s");
        assert_eq!(bit_rate(999_990.0), "1.00 Mbit/s");
        assert_eq!(bit_rate(0.0), "0.00 bit/s");
    }
}
