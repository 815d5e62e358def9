//! Times on the wire, in both formats, and what the host that wrote them knows of its clock.

use std::time::Duration;

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905 figure 4.
const NTP_UNIX_OFFSET_S: u64 = 2_208_988_800;
const NANOS_PER_S: u64 = 1_000_000_000;

/// How the 64 bits of a [`Timestamp`] are to be read: the Z flag of the error estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1900 and a binary fraction of 32 bits (RFC 5905 §6).
    Ntp,
    /// Truncated PTPv2: seconds since 1970 and nanoseconds, 32 bits each (RFC 8186 §2.1).
    Ptp,
}

/// 64 bits of time on the wire, in the format that the packet's [`ErrorEstimate`] names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The NTP form of a time since the Unix epoch; eras wrap as RFC 5905 §6 has it.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(NTP_UNIX_OFFSET_S) & 0xffff_ffff;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / NANOS_PER_S;
        Self((seconds << 32) | fraction)
    }

    /// The time from `earlier` to `self`, both in `format`; `None` when it would be negative.
    /// Differences of more than 68 years read as negative.
    #[must_use]
    pub fn since(self, earlier: Self, format: TimestampFormat) -> Option<Duration> {
        match format {
            TimestampFormat::Ntp => {
                let delta = self.0.wrapping_sub(earlier.0);
                (delta >> 63 == 0).then(|| ntp_duration(delta))
            }
            TimestampFormat::Ptp => self.ptp().checked_sub(earlier.ptp()),
        }
    }

    /// Nanoseconds from the moment `since_epoch` of Unix time to `self`, in `format`; negative when
    /// `self` is earlier. Right as long as the two are within 68 years of each other.
    #[must_use]
    pub fn nanos_since(self, since_epoch: Duration, format: TimestampFormat) -> i64 {
        match format {
            TimestampFormat::Ntp => {
                let delta = self.0.wrapping_sub(Self::from_unix(since_epoch).0) as i64;
                (delta >> 32) * NANOS_PER_S as i64 + fraction_nanos(delta as u64) as i64
            }
            TimestampFormat::Ptp => nanos(self.ptp()).wrapping_sub(nanos(since_epoch)),
        }
    }

    fn ptp(self) -> Duration {
        Duration::from_secs(self.0 >> 32) + Duration::from_nanos(self.0 & 0xffff_ffff)
    }
}

fn ntp_duration(bits: u64) -> Duration {
    Duration::from_secs(bits >> 32) + Duration::from_nanos(fraction_nanos(bits))
}

/// The lower 32 bits as nanoseconds, rounded, so that whole nanoseconds survive the way there and
/// back.
fn fraction_nanos(bits: u64) -> u64 {
    ((bits & 0xffff_ffff) * NANOS_PER_S + (1 << 31)) >> 32
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What the stamping host knows of its clock (RFC 4656 §4.1.2, RFC 8186 §2.1):
/// S (synchronised), Z (format), scale, multiplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEstimate(pub u16);

impl ErrorEstimate {
    /// NTP format, not synchronised, within one second: what a host says that has not asked.
    pub const UNSYNCHRONISED: Self = Self((32 << 8) | 1);

    /// The format of the timestamps beside this estimate.
    #[must_use]
    pub fn format(self) -> TimestampFormat {
        if self.0 & 0x4000 == 0 { TimestampFormat::Ntp } else { TimestampFormat::Ptp }
    }

    /// Whether this can be an estimate: a multiplier of zero marks a corrupt packet (RFC 4656 §4.1.2).
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0 & 0x00ff != 0
    }

    /// Whether the host says that its clock follows UTC from an outside source.
    #[must_use]
    pub fn is_synchronised(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ntp_differences_cross_the_era_of_2036() {
        let before = Duration::from_secs(2_085_978_495);
        let after = before + Duration::from_millis(1_500);
        let (before, after) = (Timestamp::from_unix(before), Timestamp::from_unix(after));
        assert!(after.0 < before.0);
        assert_eq!(after.since(before, TimestampFormat::Ntp), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn a_timestamp_reads_as_time_from_a_moment_in_either_format() {
        let from = Duration::from_secs(1_800_000_000);
        let later = Timestamp::from_unix(from + Duration::from_nanos(1_500));
        let ptp = |seconds: u64, nanos: u64| Timestamp(seconds << 32 | nanos);
        let cases = [
            (later, TimestampFormat::Ntp, 1_500),
            (Timestamp::from_unix(from - Duration::from_micros(3)), TimestampFormat::Ntp, -3_000),
            (ptp(1_800_000_001, 5), TimestampFormat::Ptp, 1_000_000_005),
            (ptp(1_799_999_999, 0), TimestampFormat::Ptp, -1_000_000_000),
        ];
        for (stamp, format, expected) in cases {
            assert_eq!(stamp.nanos_since(from, format), expected);
        }
    }

    proptest! {
        #[test]
        fn whole_nanoseconds_survive_the_wire(start_ns in 0..u64::MAX / 4, delta_ns in 0..1_u64 << 60) {
            let start = Duration::from_nanos(start_ns);
            let delta = Duration::from_nanos(delta_ns);
            let (t2, t3) = (Timestamp::from_unix(start), Timestamp::from_unix(start + delta));
            let error_ns = t3.since(t2, TimestampFormat::Ntp).unwrap().abs_diff(delta).as_nanos();
            prop_assert!(error_ns <= 1);
        }
    }
}
