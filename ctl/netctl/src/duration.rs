//! Times on the command line: `1.5s`, `200ms`, `2m`, `1h 30m`, or plain seconds.

use std::time::Duration;

/// Longest time that may be given: a year.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a time above zero.
///
/// # Errors
/// What is wrong with it, as a sentence for the user.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let duration = match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => fractional(text.trim()),
    }?;
    if duration.is_zero() || duration > DURATION_MAX {
        return Err("it must be above zero and at most a year".to_owned());
    }
    Ok(duration)
}

/// Reads a time above zero that says its unit: a bound of milliseconds must not pass for seconds.
///
/// # Errors
/// As [`parse`], and where there is a number alone.
pub(crate) fn parse_with_unit(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(_) => Err(format!("{text} of what? Write {text}ms or {text}s")),
        Err(_) => parse(text),
    }
}

/// One number with a fraction and a unit, or whole numbers with units as humantime reads them.
fn fractional(text: &str) -> Result<Duration, String> {
    let seconds_of = |unit: &str| match unit.trim() {
        "us" | "µs" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    match number.parse::<f64>().ok().zip(seconds_of(unit)) {
        Some((number, seconds)) => {
            Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
        }
        None => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write it like 500ms, 2s or 1m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_units_fractions_or_as_seconds() {
        let cases = [
            ("2", 2_000_000),
            ("0.5", 500_000),
            ("1.5s", 1_500_000),
            ("200ms", 200_000),
            ("250us", 250),
            ("2m", 120_000_000),
            ("1m 30s", 90_000_000),
            ("1h", 3_600_000_000),
        ];
        for (text, micros) in cases {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn a_bound_says_its_unit() {
        assert_eq!(parse_with_unit("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_with_unit(" 1.5s "), Ok(Duration::from_millis(1_500)));
        let refused = parse_with_unit("20").unwrap_err();
        assert_eq!(refused, "20 of what? Write 20ms or 20s");
        assert!(parse_with_unit("soon").is_err());
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for text in ["", "0", "-1", "0s", "NaN", "inf", "2 parsecs", "s", "10000d", "1e300"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
