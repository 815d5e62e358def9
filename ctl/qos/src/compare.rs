//! Pure: what changed from one run to another, and whether it is more than noise.
//!
//! The interval of each difference is that of a circular block bootstrap (Politis and Romano 1992):
//! both runs are drawn again in blocks of what followed each other, so that losses that come in bursts and
//! queues that last stay together, and the middle 95 % of the differences of the redrawn runs are
//! what chance alone could have made of these.

mod outcomes;
mod pace;
mod redraw;

use std::fmt;

use self::outcomes::Outcomes;
use self::pace::{Pace, RoundTrips};
use self::redraw::differences;
use crate::report::{Flow, Measurement};

/// What two runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Losses / probes × 100.
    Loss,
    /// Requests without a good answer / requests × 100.
    Errors,
    /// Mean latency.
    Mean,
    /// Median latency.
    P50,
    /// 95th percentile of latency.
    P95,
    /// 99th percentile of latency.
    P99,
    /// Mean |latency(i) − latency(i−1)| over consecutive answers.
    Jitter,
    /// Requests answered a second.
    Rate,
    /// Goodput of streams, both ways together.
    Throughput,
    /// Responsiveness under load.
    Rpm,
}

impl Measure {
    /// Every measure, in the order to show.
    pub const ALL: [Self; 10] = [
        Self::Loss,
        Self::Errors,
        Self::Mean,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::Jitter,
        Self::Rate,
        Self::Throughput,
        Self::Rpm,
    ];

    /// The name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Errors => "errors",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Jitter => "jitter",
            Self::Rate => "rate",
            Self::Throughput => "throughput",
            Self::Rpm => "rpm",
        }
    }

    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Loss | Self::Errors => "%",
            Self::Mean | Self::P50 | Self::P95 | Self::P99 | Self::Jitter => "ms",
            Self::Rate => "/s",
            Self::Throughput => "bit/s",
            Self::Rpm => "RPM",
        }
    }

    /// Whether more of it is better, rather than less.
    #[must_use]
    pub const fn is_better_when_more(self) -> bool {
        matches!(self, Self::Rate | Self::Throughput | Self::Rpm)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A measure of both runs, in its unit; `None` for what was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub measure: Measure,
    /// Of the first run.
    pub before: Option<f64>,
    /// Of the second.
    pub after: Option<f64>,
    /// `after` − `before`, where both were measured.
    pub difference: Option<f64>,
    /// That difference as chance could have made it; `None` where there are too few samples to tell.
    pub interval: Option<Interval>,
}

/// Where 95 of 100 such pairs of runs would have their difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a change is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The interval is on the better side of zero.
    Better,
    /// The interval holds zero: the same path may give both.
    Noise,
    /// The interval is on the worse side of zero.
    Worse,
}

impl Finding {
    /// As JSON and tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Noise => "noise",
            Self::Worse => "worse",
        }
    }
}

impl Change {
    /// What it is worth; `None` where there is no interval to tell by.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let Interval { low, high } = self.interval?;
        Some(match (low > 0.0, high < 0.0) {
            (false, false) => Finding::Noise,
            (is_more, _) if is_more == self.measure.is_better_when_more() => Finding::Better,
            _ => Finding::Worse,
        })
    }

    /// By how much the measure got worse, in its unit; below zero where it got better.
    #[must_use]
    pub fn worsening(&self) -> Option<f64> {
        let sign = if self.measure.is_better_when_more() { -1.0 } else { 1.0 };
        self.difference.map(|difference| sign * difference)
    }
}

/// Every measure of two runs, all clients together.
#[must_use]
pub fn compare(before: &Measurement, after: &Measurement) -> Vec<Change> {
    let mut changes = differences(&Outcomes::of(before), &Outcomes::of(after));
    match (&before.flow, &after.flow) {
        (Some(Flow::Http(before)), Some(Flow::Http(after))) => {
            changes.extend(differences(&Pace::of_answers(before), &Pace::of_answers(after)));
        }
        (Some(Flow::Tcp(before)), Some(Flow::Tcp(after))) => {
            changes.extend(differences(&Pace::of_streams(before), &Pace::of_streams(after)));
            if before.confidence.or(after.confidence).is_some() {
                changes.extend(differences(&RoundTrips::of(before), &RoundTrips::of(after)));
            }
        }
        _ => {}
    }
    changes
}
