//! Pure: how a test stands so far, made of its counters and its events.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;
use selat_qos::session::{Event, Snapshot};

use super::course::Course;

/// Slices of a course at first: the pause between two drawings, and a part of it.
const COUNTED_SLICE: Duration = Duration::from_millis(100);
const TIMED_SLICE: Duration = Duration::from_millis(10);
/// Latencies that the percentiles tell apart: from a nanosecond to a minute, to two digits.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const LATENCY_DIGITS: u8 = 2;

/// A test under way.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Time since the test began.
    pub(super) elapsed: Duration,
    /// The counters of now.
    pub(super) counters: Snapshot,
    /// Events that were lost on the way to the screen.
    pub(super) unseen: u64,
    /// What the counters grew by, when it was seen.
    pub(super) counted: Course<Counted>,
    /// What the events say, by the time of sending.
    pub(super) timed: Course<Timed>,
    /// The latencies of all; `None` where they cannot be kept, which the bounds above rule out.
    latencies: Option<Histogram<u64>>,
    /// How each client fares.
    pub(super) clients: BTreeMap<u32, Tally>,
}

/// Counts of one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// May be less than nothing for a moment: what was taken for lost came late.
    pub(super) lost: i64,
}

/// Times of one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Timed {
    pub(super) latency: Spread,
    /// |latency(i) − latency(i−1)| of each client.
    pub(super) step: Spread,
    /// Send time − due time.
    pub(super) late: Spread,
    /// Payload of the answers.
    pub(super) bytes: u64,
}

/// Some times, as few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    count: u32,
    sum: Duration,
    least: Duration,
    most: Duration,
}

/// How one client fares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) last: Option<Duration>,
    pub(super) latency: Spread,
    pub(super) step: Spread,
}

impl Standing {
    /// Before anything happened.
    pub(super) fn new() -> Self {
        Self {
            elapsed: Duration::ZERO,
            counters: Snapshot::default(),
            unseen: 0,
            counted: Course::new(COUNTED_SLICE),
            timed: Course::new(TIMED_SLICE),
            latencies: Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS).ok(),
            clients: BTreeMap::new(),
        }
    }

    /// Takes in the counters as they are now.
    pub(super) fn count(&mut self, elapsed: Duration, counters: Snapshot) {
        let before = self.counters;
        let grown = Counted {
            sent: counters.sent.saturating_sub(before.sent),
            received: counters.received.saturating_sub(before.received),
            lost: counters.lost_so_far.cast_signed() - before.lost_so_far.cast_signed(),
        };
        // What is seen now happened since the last look.
        self.counted.add(self.elapsed, grown);
        (self.elapsed, self.counters) = (elapsed, counters);
    }

    /// Takes in what became of a probe.
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Sent { client, due_at, sent_at } => {
                self.clients.entry(client).or_default().sent += 1;
                let late = Spread::of(sent_at.saturating_sub(due_at));
                self.timed.add(sent_at, Timed { late, ..Timed::default() });
            }
            Event::Answered { client, sent_at, latency, bytes } => {
                let step = self.clients.entry(client).or_default().answer(latency);
                let latencies = Spread::of(latency);
                let timed = Timed { latency: latencies, step, bytes, ..Timed::default() };
                self.timed.add(sent_at, timed);
                if let Some(all) = &mut self.latencies {
                    all.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
            }
            Event::Failed { client, .. } => self.clients.entry(client).or_default().failed += 1,
        }
    }

    /// A percentile of the latencies so far, to two digits.
    pub(super) fn percentile(&self, percent: f64) -> Option<Duration> {
        let latencies = self.latencies.as_ref().filter(|all| !all.is_empty())?;
        Some(Duration::from_nanos(latencies.value_at_percentile(percent)))
    }

    /// All times together.
    pub(super) fn all(&self) -> Timed {
        self.timed.columns(1, Duration::MAX).next().unwrap_or_default()
    }
}

impl Tally {
    /// Counts an answer; returns the step from the one before.
    fn answer(&mut self, latency: Duration) -> Spread {
        let step = self.last.map_or(Spread::default(), |last| Spread::of(last.abs_diff(latency)));
        self.answered += 1;
        self.last = Some(latency);
        self.latency += Spread::of(latency);
        self.step += step;
        step
    }

    /// Probes without an answer, those on their way among them.
    pub(super) fn open(&self) -> u64 {
        self.sent.saturating_sub(self.answered)
    }
}

impl Spread {
    fn of(time: Duration) -> Self {
        Self { count: 1, sum: time, least: time, most: time }
    }

    /// The arithmetic mean.
    pub(super) fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }

    /// The smallest.
    pub(super) fn least(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.least)
    }

    /// The largest.
    pub(super) fn most(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.most)
    }
}

impl AddAssign for Spread {
    fn add_assign(&mut self, other: Self) {
        self.least = match (self.count, other.count) {
            (0, _) => other.least,
            (_, 0) => self.least,
            _ => self.least.min(other.least),
        };
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.most = self.most.max(other.most);
    }
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.lost += other.lost;
    }
}

impl AddAssign for Timed {
    fn add_assign(&mut self, other: Self) {
        self.latency += other.latency;
        self.step += other.step;
        self.late += other.late;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answered(client: u32, sent_at: Duration, latency: Duration) -> Event {
        Event::Answered { client, sent_at, latency, bytes: 100 }
    }

    #[test]
    fn answers_are_placed_by_the_time_of_their_probes() {
        let mut standing = Standing::new();
        standing.happen(Event::Sent { client: 1, due_at: 20 * MS, sent_at: 21 * MS });
        standing.happen(answered(1, 21 * MS, 5 * MS));
        standing.happen(answered(1, 41 * MS, 7 * MS));
        let columns: Vec<_> = standing.timed.columns(3, 60 * MS).collect();
        let means: Vec<_> = columns.iter().map(|timed| timed.latency.mean()).collect();
        assert_eq!(means, [None, Some(5 * MS), Some(7 * MS)]);
        assert_eq!((columns[1].late.most(), columns[2].step.mean()), (Some(MS), Some(2 * MS)));
        assert_eq!((standing.all().bytes, standing.all().latency.least()), (200, Some(5 * MS)));
        let median = standing.percentile(50.0).unwrap();
        assert!(median.abs_diff(5 * MS) < MS / 10, "{median:?}");
    }

    #[test]
    fn steps_are_within_a_client() {
        let mut standing = Standing::new();
        for (client, latency) in [(1, 10), (2, 90), (1, 12), (2, 90)] {
            standing.happen(answered(client, MS, latency * MS));
        }
        assert_eq!(standing.all().step.most(), Some(2 * MS));
        assert_eq!(standing.clients[&2].step.mean(), Some(Duration::ZERO));
    }

    #[test]
    fn what_comes_late_is_taken_out_of_the_losses() {
        let mut standing = Standing::new();
        let counters = |sent, lost_so_far| Snapshot { sent, lost_so_far, ..Snapshot::default() };
        standing.count(100 * MS, counters(10, 3));
        standing.count(200 * MS, counters(20, 1));
        let all = standing.counted.columns(1, 200 * MS).next().unwrap();
        assert_eq!((all.sent, all.lost), (20, 1));
    }
}
