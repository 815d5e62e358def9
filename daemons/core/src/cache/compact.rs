//! Points and spans of time in as few bytes as a stored response has room for. What lies beyond their range
//! becomes its nearest end.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::date;

/// A point in time to the nanosecond, within 292 years of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        })
    }
}

impl From<Moment> for SystemTime {
    fn from(Moment(nanos): Moment) -> Self {
        let span = Duration::from_nanos(nanos.unsigned_abs());
        if nanos < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }
    }
}

/// A second since the epoch, as dates have it: one more than its number, so that none takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Second(NonZeroU64);

impl From<SystemTime> for Second {
    fn from(time: SystemTime) -> Self {
        let second = date::whole_second(time).duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(NonZeroU64::MIN.saturating_add(second.as_secs()))
    }
}

impl From<Second> for SystemTime {
    fn from(Second(number): Second) -> Self {
        UNIX_EPOCH + Duration::from_secs(number.get() - 1)
    }
}

/// Whole seconds, 136 years of them at most: one more than their number, so that none takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(NonZeroU32);

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(seconds))
    }
}

impl From<Span> for Duration {
    fn from(Span(number): Span) -> Self {
        Self::from_secs(u64::from(number.get() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were() {
        for nanos in [0, 1, 999_999_999, 1_767_225_600_123_456_789] {
            for time in
                [UNIX_EPOCH + Duration::from_nanos(nanos), UNIX_EPOCH - Duration::from_nanos(nanos)]
            {
                assert_eq!(SystemTime::from(Moment::from(time)), time);
            }
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            assert_eq!(SystemTime::from(Second::from(time)), date::whole_second(time));
        }
        for seconds in [0, 1, 31_536_000, u64::from(u32::MAX) - 1] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(Duration::from(Span::from(duration)), duration);
        }
    }

    #[test]
    fn what_is_too_far_stops_at_the_end() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(Moment::from(far), Moment(i64::MAX));
        assert_eq!(SystemTime::from(Second::from(far)), far);
        assert_eq!(Span::from(Duration::MAX), Span(NonZeroU32::MAX));
    }
}
