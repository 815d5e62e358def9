//! Values as a person writes them in a file, to say what a default or a bound is: the other way round of
//! [`super::text`].

use std::{path::PathBuf, time::Duration};

use http::HeaderValue;

/// A value of one setting.
pub trait Written {
    /// As a person writes it; empty for none.
    fn written(&self) -> String;
}

macro_rules! displayed {
    ($($type:ty)+) => {
        $(impl Written for $type {
            fn written(&self) -> String {
                self.to_string()
            }
        })+
    };
}

displayed!(bool u16 u32 usize f64 String);

/// Of bytes: counts are of other types.
impl Written for u64 {
    fn written(&self) -> String {
        bytes(*self)
    }
}

impl Written for Duration {
    fn written(&self) -> String {
        duration(*self)
    }
}

impl Written for PathBuf {
    fn written(&self) -> String {
        self.display().to_string()
    }
}

impl Written for HeaderValue {
    fn written(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }
}

impl<T: Written> Written for Option<T> {
    fn written(&self) -> String {
        self.as_ref().map(T::written).unwrap_or_default()
    }
}

/// `256MiB`: in the largest unit that divides it.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// `5m`: in the largest unit that divides it.
pub(super) fn duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1000, "ms"),
    ];
    let micros = duration.as_micros();
    if micros == 0 {
        return "0s".to_owned();
    }
    match UNITS.iter().find(|(unit, _)| micros.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", micros / unit),
        None => format!("{micros}us"),
    }
}

/// One value as it is, several in brackets.
pub(super) fn list(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        values => format!("[{}]", values.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text;

    #[test]
    fn what_is_written_reads_as_the_same() {
        for (value, written) in [
            (0, "0B"),
            (1000, "1000B"),
            (1 << 10, "1KiB"),
            (1536 << 10, "1536KiB"),
            (256 << 20, "256MiB"),
            (1 << 44, "16TiB"),
        ] {
            assert_eq!((bytes(value).as_str(), text::bytes(written)), (written, Ok(value)));
        }
        for (millis, written) in [
            (0, "0s"),
            (250, "250ms"),
            (1500, "1500ms"),
            (90_000, "90s"),
            (300_000, "5m"),
            (86_400_000, "1d"),
        ] {
            let value = Duration::from_millis(millis);
            assert_eq!((duration(value).as_str(), text::duration(written)), (written, Ok(value)));
        }
        assert_eq!(duration(Duration::from_micros(1500)), "1500us");
    }
}
