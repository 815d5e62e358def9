//! How losses follow each other: single ones are concealed, bursts are heard.

use std::iter::Sum;
use std::ops::Add;
use std::time::Duration;

use super::ratio;
use crate::sample::Sample;

/// Answers in a row that end a burst (RFC 3611 §4.7.2, the recommended Gmin).
pub const GMIN: u64 = 16;

/// Runs of losses, and the bursts and gaps of RFC 3611 §4.7.2. Sums over clients are counts of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossRuns {
    /// Probes sent.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
    /// Maximal runs of consecutive losses.
    pub runs: u64,
    /// Probes in the longest run.
    pub longest: u64,
    /// When the first probe of the longest run was sent, from the start of the run.
    pub longest_at: Option<Duration>,
    /// Bursts: from a loss to a loss, at least two of them, with never [`GMIN`] answers in a row.
    pub bursts: u64,
    /// Probes within bursts.
    pub sent_in_bursts: u64,
    /// Losses within bursts.
    pub lost_in_bursts: u64,
    /// Gaps: what is before, between and after bursts, where there is something.
    pub gaps: u64,
}

impl LossRuns {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut count = Counter::default();
        for sample in samples {
            count.take(sample);
        }
        count.finish()
    }

    /// Mean length of a run of losses, probes.
    #[must_use]
    pub fn mean_run(&self) -> Option<f64> {
        ratio(self.lost, self.runs)
    }

    /// Losses within bursts / probes within bursts.
    #[must_use]
    pub fn burst_density(&self) -> Option<f64> {
        ratio(self.lost_in_bursts, self.sent_in_bursts)
    }

    /// Losses outside of bursts / probes outside of bursts.
    #[must_use]
    pub fn gap_density(&self) -> Option<f64> {
        ratio(self.lost - self.lost_in_bursts, self.sent - self.sent_in_bursts)
    }

    /// Mean length of a burst, probes.
    #[must_use]
    pub fn mean_burst(&self) -> Option<f64> {
        ratio(self.sent_in_bursts, self.bursts)
    }

    /// Mean length of a gap, probes.
    #[must_use]
    pub fn mean_gap(&self) -> Option<f64> {
        ratio(self.sent - self.sent_in_bursts, self.gaps)
    }

    /// BurstR of ITU-T G.107 §7.4: the mean run of losses over the mean run that random loss of
    /// the same ratio p would give, 1 / (1 − p). 1 is random; more is bursty. `None` where all was lost: random loss of
    /// all has no end.
    #[must_use]
    pub fn burst_ratio(&self) -> Option<f64> {
        let loss = ratio(self.lost, self.sent).filter(|loss| *loss < 1.0)?;
        Some(self.mean_run()? * (1.0 - loss))
    }
}

impl Add for LossRuns {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let worse = if other.longest > self.longest { other } else { self };
        Self {
            sent: self.sent + other.sent,
            lost: self.lost + other.lost,
            runs: self.runs + other.runs,
            longest: worse.longest,
            longest_at: worse.longest_at,
            bursts: self.bursts + other.bursts,
            sent_in_bursts: self.sent_in_bursts + other.sent_in_bursts,
            lost_in_bursts: self.lost_in_bursts + other.lost_in_bursts,
            gaps: self.gaps + other.gaps,
        }
    }
}

impl Sum for LossRuns {
    fn sum<I: Iterator<Item = Self>>(clients: I) -> Self {
        clients.fold(Self::default(), Add::add)
    }
}

#[derive(Default)]
struct Counter {
    runs: LossRuns,
    /// Losses in a row up to here.
    run: u64,
    /// When the first of them was sent.
    run_at: Duration,
    /// Losses of the burst that may be open.
    open_lost: u64,
    /// Probes from its first loss to its last.
    open_sent: u64,
    /// Answers since its last loss.
    answered: u64,
    /// Probes up to the end of the burst before it.
    burst_end: u64,
}

impl Counter {
    fn take(&mut self, sample: &Sample) {
        self.runs.sent += 1;
        if sample.is_lost() { self.take_loss(sample.sent_at) } else { self.take_answer() }
    }

    fn take_loss(&mut self, sent_at: Duration) {
        self.runs.lost += 1;
        if self.run == 0 {
            self.runs.runs += 1;
            self.run_at = sent_at;
        }
        self.run += 1;
        if self.run > self.runs.longest {
            (self.runs.longest, self.runs.longest_at) = (self.run, Some(self.run_at));
        }
        self.open_sent += if self.open_lost == 0 { 1 } else { self.answered + 1 };
        self.open_lost += 1;
        self.answered = 0;
    }

    fn take_answer(&mut self) {
        self.run = 0;
        self.answered += 1;
        if self.answered == GMIN {
            self.close_burst();
        }
    }

    fn close_burst(&mut self) {
        // A loss that stands alone between two stretches of Gmin answers belongs to the gap.
        if self.open_lost > 1 {
            self.runs.bursts += 1;
            self.runs.sent_in_bursts += self.open_sent;
            self.runs.lost_in_bursts += self.open_lost;
            let end = self.runs.sent - self.answered;
            self.runs.gaps += u64::from(end - self.open_sent > self.burst_end);
            self.burst_end = end;
        }
        (self.open_lost, self.open_sent) = (0, 0);
    }

    fn finish(mut self) -> LossRuns {
        self.close_burst();
        self.runs.gaps += u64::from(self.runs.sent > self.burst_end);
        self.runs
    }
}
