//! Numbers as a reader wants them: few digits, a unit, a dash for what was not measured.

use std::time::Duration;

use crate::analysis::ms;

/// Stands for what was not measured.
pub(super) const NOT_MEASURED: &str = "–";

/// `12,345`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `4.96 GiB`; powers of 1024.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // 1023.95 would be shown as 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", plain(value), UNITS[unit])
}

/// Three significant digits or so.
pub(super) fn plain(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

/// The same with its sign: a difference.
pub(super) fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", plain(value.abs()))
}

/// A value with its unit, or the dash.
pub(super) fn with_unit(value: Option<f64>, unit: &str) -> String {
    value.map_or(NOT_MEASURED.to_owned(), |value| format!("{} {unit}", plain(value)))
}

/// A duration in milliseconds, or the dash.
pub(super) fn milliseconds(duration: Option<Duration>) -> String {
    with_unit(duration.map(ms), "ms")
}

/// A rate with the decimal prefix that fits, or the dash.
pub(super) fn bit_rate(bps: Option<f64>) -> String {
    match bps {
        Some(bps) if bps >= 1e9 => with_unit(Some(bps / 1e9), "Gbit/s"),
        Some(bps) if bps >= 1e6 => with_unit(Some(bps / 1e6), "Mbit/s"),
        Some(bps) if bps >= 1e3 => with_unit(Some(bps / 1e3), "kbit/s"),
        other => with_unit(other, "bit/s"),
    }
}
