//! Pure: responsiveness under working conditions, in round trips per minute (RPM), as
//! draft-ietf-ippm-responsiveness-09 has it.
//!
//! Load grows by intervals. First goodput has to become stable ([`Stability`]), then responsiveness; the
//! result is that of the last [`MAD`] intervals, with the [`Confidence`] that the stages reached.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::ms;

/// The draft that this follows.
pub const DRAFT: &str = "draft-ietf-ippm-responsiveness-09";
/// Moving Average Distance: intervals that an average is of.
pub const MAD: usize = 4;
/// Standard Deviation Tolerance: what is steadier than this share of its average is stable.
pub const SDT: f64 = 0.05;
/// Trimmed Mean Percentage: the share of times that counts, the longest left out.
pub const TMP: f64 = 0.95;
/// Maximum number of parallel connections (MNP).
pub const CONNECTIONS_MAX: u32 = 16;
/// Maximum responsiveness probes a second (MPS).
pub const PROBES_MAX_PER_S: f64 = 100.0;
/// Percentage of Total Capacity that probes may take.
pub const PTC: f64 = 0.05;
/// What the draft supposes that a pair of probes takes, bytes: 5000 for a foreign one, 1000 for a self one.
pub const PROBE_PAIR_BYTES: f64 = 6_000.0;
const MS_PER_MINUTE: f64 = 60_000.0;

/// How sure a stage is ("Confidence of Test-Results").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// There was no time for [`MAD`] intervals.
    Low,
    /// There was, but the measure did not become stable.
    Medium,
    /// It became stable.
    High,
}

impl Confidence {
    /// As JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Responsiveness {
    /// The mean of the two below, or the one that was measured, round trips per minute.
    pub rpm: f64,
    /// On connections of their own.
    pub foreign_rpm: Option<f64>,
    /// On the connections that carry the load.
    pub loaded_rpm: Option<f64>,
}

/// Times of the probes of some intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeTimes {
    /// TCP handshakes of foreign probes.
    pub tcp_foreign: Vec<Duration>,
    /// TLS handshakes, for one round trip; none without TLS.
    pub tls_foreign: Vec<Duration>,
    /// Requests of foreign probes.
    pub http_foreign: Vec<Duration>,
    /// Requests on load-generating connections, or what stands for them.
    pub http_loaded: Vec<Duration>,
}

impl ProbeTimes {
    /// "Aggregating the Measurements"; `None` where no probe was answered.
    ///
    /// ```text
    /// Foreign = 60000 / ((TM(tcp_f) + TM(tls_f) + TM(http_f)) / 3)    without TLS: (TM(tcp_f) + TM(http_f)) / 2
    /// Loaded  = 60000 / TM(http_l)
    /// RPM     = (Foreign + Loaded) / 2
    /// ```
    #[must_use]
    pub fn responsiveness(&self) -> Option<Responsiveness> {
        let means = [&self.tcp_foreign, &self.tls_foreign, &self.http_foreign]
            .into_iter()
            .filter_map(|times| trimmed_mean_ms(times))
            .collect::<Vec<f64>>();
        let has_foreign = !self.tcp_foreign.is_empty() && !self.http_foreign.is_empty();
        let foreign_rpm =
            has_foreign.then(|| per_minute(means.iter().sum::<f64>() / means.len() as f64));
        let loaded_rpm = trimmed_mean_ms(&self.http_loaded).map(per_minute);
        let rpm = match (foreign_rpm, loaded_rpm) {
            (Some(foreign), Some(loaded)) => f64::midpoint(foreign, loaded),
            (one, other) => one.or(other)?,
        };
        Some(Responsiveness { rpm, foreign_rpm, loaded_rpm })
    }
}

/// Of the draft's "poor" to "excellent", by round trips per minute.
#[must_use]
pub fn class(rpm: f64) -> &'static str {
    match rpm {
        ..300.0 => "poor",
        300.0..1_000.0 => "fair",
        1_000.0..6_000.0 => "good",
        _ => "excellent",
    }
}

/// The mean of the shortest [`TMP`] of all times, at least one, ms: single-sided.
#[must_use]
pub fn trimmed_mean_ms(times: &[Duration]) -> Option<f64> {
    let mut times: Vec<f64> = times.iter().copied().map(ms).collect();
    times.sort_unstable_by(f64::total_cmp);
    // The share of a whole number of times is whole: 0.95 of 20 is 19, however it is rounded.
    let kept = (times.len() as f64 * TMP - 1e-9).ceil() as usize;
    let kept = times.get(..kept).filter(|kept| !kept.is_empty())?;
    Some(kept.iter().sum::<f64>() / kept.len() as f64)
}

fn per_minute(round_trip_ms: f64) -> f64 {
    MS_PER_MINUTE / round_trip_ms
}

/// Whether a measure that has a value each interval has become stable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stability {
    values: Vec<f64>,
    is_stable: bool,
}

impl Stability {
    /// Takes the value of the next interval. Once it is stable it stays so.
    pub fn take(&mut self, value: f64) {
        self.values.push(value);
        let last = self.values.len().checked_sub(MAD).and_then(|from| self.values.get(from..));
        self.is_stable |= last.is_some_and(|last| deviation(last) < SDT * value);
    }

    /// Whether it is stable.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        self.is_stable
    }

    /// How sure it is.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        match (self.is_stable, self.values.len()) {
            (true, _) => Confidence::High,
            (false, MAD..) => Confidence::Medium,
            (false, _) => Confidence::Low,
        }
    }
}

/// The standard deviation of all values there are.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// The mean of the last [`MAD`] goodputs, or of as many as there are.
#[must_use]
pub fn moving_average(goodputs: &[f64]) -> Option<f64> {
    let last = goodputs.get(goodputs.len().saturating_sub(MAD)..)?;
    (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
}

/// Pairs of probes a second that a path of this goodput may carry, at least one.
#[must_use]
pub fn probe_rate(goodput_bps: f64) -> f64 {
    (goodput_bps * PTC / (PROBE_PAIR_BYTES * 8.0)).clamp(1.0, PROBES_MAX_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        ms.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn the_longest_twentieth_is_left_out_of_the_mean() {
        assert_eq!(trimmed_mean_ms(&times((1..=19).chain([10_000]))), Some(10.0));
        assert_eq!(trimmed_mean_ms(&times([7])), Some(7.0));
        assert_eq!(trimmed_mean_ms(&[]), None);
        assert_eq!(trimmed_mean_ms(&times((1..=38).chain([900, 900]))), Some(19.5));
    }

    #[test]
    fn round_trips_per_minute_are_those_of_the_formula() {
        let probes = |tls: &[u64], loaded: &[u64]| ProbeTimes {
            tcp_foreign: times([20; 5]),
            tls_foreign: times(tls.iter().copied()),
            http_foreign: times([40; 5]),
            http_loaded: times(loaded.iter().copied()),
        };
        type Case<'a> = (&'a [u64], &'a [u64], f64, f64, Option<f64>);
        let cases: [Case<'_>; 3] = [
            // 60000 / ((20 + 40) / 2) = 2000, 60000 / 100 = 600
            (&[], &[100], 1_300.0, 2_000.0, Some(600.0)),
            // 60000 / ((20 + 60 + 40) / 3) = 1500
            (&[60, 60], &[100, 100], 1_050.0, 1_500.0, Some(600.0)),
            (&[], &[], 2_000.0, 2_000.0, None),
        ];
        for (tls, loaded, rpm, foreign_rpm, loaded_rpm) in cases {
            let found = probes(tls, loaded).responsiveness().unwrap();
            let expected = Responsiveness { rpm, foreign_rpm: Some(foreign_rpm), loaded_rpm };
            assert_eq!(found, expected);
        }
        assert_eq!(ProbeTimes::default().responsiveness(), None);
    }

    #[test]
    fn what_keeps_within_five_percent_for_four_intervals_is_stable() {
        let cases: [(&[f64], bool, Confidence); 6] = [
            (&[], false, Confidence::Low),
            (&[100.0, 100.0, 100.0], false, Confidence::Low),
            (&[100.0, 101.0, 99.0, 100.0], true, Confidence::High),
            (&[50.0, 100.0, 200.0, 400.0], false, Confidence::Medium),
            (&[50.0, 100.0, 101.0, 99.0, 100.0], true, Confidence::High),
            (&[100.0, 100.0, 100.0, 100.0, 900.0], true, Confidence::High),
        ];
        for (values, is_stable, confidence) in cases {
            let mut stability = Stability::default();
            values.iter().for_each(|value| stability.take(*value));
            let found = (stability.is_stable(), stability.confidence());
            assert_eq!(found, (is_stable, confidence), "{values:?}");
        }
    }

    #[test]
    fn averages_are_of_the_last_four_and_probes_take_a_twentieth() {
        assert_eq!(moving_average(&[]), None);
        assert_eq!(moving_average(&[1.0, 3.0]), Some(2.0));
        assert_eq!(moving_average(&[900.0, 1.0, 2.0, 3.0, 4.0]), Some(2.5));
        // 5 % of 9.6 Mbit/s are ten pairs of 6000 bytes.
        assert!((probe_rate(9.6e6) - 10.0).abs() < 1e-9);
        assert_eq!((probe_rate(1e3), probe_rate(1e12)), (1.0, PROBES_MAX_PER_S));
    }

    #[test]
    fn classes_have_the_bounds_of_the_draft() {
        let cases =
            [(0.0, "poor"), (300.0, "fair"), (999.9, "fair"), (1e3, "good"), (6e3, "excellent")];
        for (rpm, expected) in cases {
            assert_eq!(class(rpm), expected, "{rpm}");
        }
    }
}
