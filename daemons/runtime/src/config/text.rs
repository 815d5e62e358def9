//! Values as people write them: sizes, durations, numbers with bounds, addresses.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use super::written;

/// A number of bytes: `4096`, `64KiB`, `256MiB`, `2GiB` (powers of 1024) or `1MB` (powers of 1000).
///
/// # Errors
/// Says which forms are right.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("b", 1),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((lower.strip_suffix(name)?, *unit)))
        .unwrap_or((&lower, 1));
    number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "a size is expected, such as 64KiB, 256MiB or 2GiB".to_owned())
}

/// A number of bytes between two bounds.
pub fn bytes_within(min: u64, max: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let value = bytes(text)?;
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(format!("must be from {} to {}", written::bytes(min), written::bytes(max)))
    }
}

/// A duration: `250ms`, `30s`, `10m`, `2h`, `1d`.
///
/// # Errors
/// Says which forms are right.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 6] =
        [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    number
        .parse::<f64>()
        .ok()
        .zip(seconds)
        .and_then(|(number, seconds)| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| "a duration is expected, such as 250ms, 30s or 10m".to_owned())
}

/// A duration between two bounds.
pub fn duration_within(min: Duration, max: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let value = duration(text)?;
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(format!("must be from {} to {}", written::duration(min), written::duration(max)))
    }
}

/// A whole number between two bounds.
pub fn number_within<T>(min: T, max: T) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    move |text| {
        let number = text
            .trim()
            .replace('_', "")
            .parse()
            .map_err(|_| format!("a whole number from {min} to {max} is expected"))?;
        within(number, min, max)
    }
}

/// An IP address with a port: `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for every address.
///
/// # Errors
/// Says which forms are right.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.to_owned(),
    };
    full.parse().map_err(|_| {
        "an address is expected, such as 127.0.0.1:8080, [::1]:8080 or :8080".to_owned()
    })
}

/// `true` or `false`.
///
/// # Errors
/// Says that it is neither.
pub fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false is expected".to_owned())
}

/// A path that is not empty.
///
/// # Errors
/// Says that it is.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path is expected".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// Any text that is not empty.
///
/// # Errors
/// Says that it is.
pub fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Any text; none where it is empty.
///
/// # Errors
/// None.
pub fn text_or_none(text: &str) -> Result<Option<String>, String> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn within<T: PartialOrd + std::fmt::Display>(value: T, min: T, max: T) -> Result<T, String> {
    if value < min || value > max {
        return Err(format!("must be from {min} to {max}"));
    }
    Ok(value)
}
