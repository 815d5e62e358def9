//! Pure: how a test stands so far, made of its counters and its events.

use std::collections::{BTreeMap, VecDeque};
use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;
use selat_qos::session::{Event, Load, Snapshot};

use super::course::Course;

/// Slices of a course at first: the pause between two drawings, and a part of it.
const COUNTED_SLICE: Duration = Duration::from_millis(100);
const TIMED_SLICE: Duration = Duration::from_millis(10);
/// Latencies that the percentiles tell apart: from a nanosecond to a minute, to two digits.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const LATENCY_DIGITS: u8 = 2;
/// Probes of a client that are waited for; of more, the oldest are taken for lost.
const OPEN_MAX: usize = 1_024;
/// What a rate of now is taken over, at the least.
const NOW: Duration = Duration::from_secs(1);

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
    /// Content of the streams that probes are beside.
    pub(super) down_bytes: u64,
    /// See `down_bytes`.
    pub(super) up_bytes: u64,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// Probes that failed, or of which a later one was answered.
    pub(super) lost: u64,
    /// When probes that may still be answered were due and sent: what becomes of a request is told by when
    /// it was due, of a datagram by when it was sent.
    open: VecDeque<(Duration, Duration)>,
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
        let carried = |pick: fn(&Load) -> Option<u64>| {
            let of = |it: &Snapshot| it.load.as_ref().and_then(pick).unwrap_or(0);
            of(&counters).saturating_sub(of(&before))
        };
        let grown = Counted {
            sent: counters.sent.saturating_sub(before.sent),
            received: counters.received.saturating_sub(before.received),
            lost: counters.lost_so_far.cast_signed() - before.lost_so_far.cast_signed(),
            down_bytes: carried(|it| it.down_bytes),
            up_bytes: carried(|it| it.up_bytes),
        };
        // What is seen now happened since the last look.
        self.counted.add(self.elapsed, grown);
        (self.elapsed, self.counters) = (elapsed, counters);
    }

    /// Takes in what became of a probe.
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Sent { client, due_at, sent_at } => {
                self.clients.entry(client).or_default().send(due_at, sent_at);
                let late = Spread::of(sent_at.saturating_sub(due_at));
                self.timed.add(sent_at, Timed { late, ..Timed::default() });
            }
            Event::Answered { client, sent_at, latency, bytes } => {
                let step = self.clients.entry(client).or_default().answer(sent_at, latency);
                let latencies = Spread::of(latency);
                let timed = Timed { latency: latencies, step, bytes, ..Timed::default() };
                self.timed.add(sent_at, timed);
                if let Some(all) = &mut self.latencies {
                    all.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
            }
            Event::Failed { client, sent_at } => {
                self.clients.entry(client).or_default().fail(sent_at);
            }
        }
    }

    /// A percentile of the latencies so far, to two digits.
    pub(super) fn percentile(&self, percent: f64) -> Option<Duration> {
        let latencies = self.latencies.as_ref().filter(|all| !all.is_empty())?;
        Some(Duration::from_nanos(latencies.value_at_percentile(percent)))
    }

    /// Bytes of the last moments as a rate, bit/s.
    pub(super) fn now_bps(&self, pick: fn(&Counted) -> u64) -> f64 {
        // The slices of a long test are longer.
        let span = NOW.max(self.elapsed / 100).min(self.elapsed);
        let recent = self.counted.within(self.elapsed.saturating_sub(span), self.elapsed);
        pick(&recent) as f64 * 8.0 / span.as_secs_f64().max(1e-3)
    }

    /// All times together.
    pub(super) fn all(&self) -> Timed {
        self.timed.columns(1, Duration::MAX).next().unwrap_or_default()
    }
}

impl Tally {
    fn send(&mut self, due_at: Duration, sent_at: Duration) {
        self.sent += 1;
        self.open.push_back((due_at, sent_at));
        if self.open.len() > OPEN_MAX {
            self.open.pop_front();
            self.lost += 1;
        }
    }

    fn fail(&mut self, sent_at: Duration) {
        self.open.retain(|(due, sent)| *due != sent_at && *sent != sent_at);
        self.lost += 1;
    }

    /// Counts an answer; returns the step from the one before. What it overtook is lost, until that
    /// is answered late.
    fn answer(&mut self, sent_at: Duration, latency: Duration) -> Spread {
        let step = self.last.map_or(Spread::default(), |last| Spread::of(last.abs_diff(latency)));
        let overtaken = self.open.iter().take_while(|(_, sent)| *sent < sent_at).count();
        self.open.drain(..overtaken);
        self.lost += overtaken as u64;
        match self.open.front() {
            Some((due, sent)) if *due == sent_at || *sent == sent_at => drop(self.open.pop_front()),
            _ => self.lost = self.lost.saturating_sub(1),
        }
        self.answered += 1;
        self.last = Some(latency);
        self.latency += Spread::of(latency);
        self.step += step;
        step
    }

    /// Probes that may still be answered.
    pub(super) fn open(&self) -> u64 {
        self.open.len() as u64
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
        self.down_bytes += other.down_bytes;
        self.up_bytes += other.up_bytes;
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
    fn what_is_lost_is_not_open() {
        let mut standing = Standing::new();
        for probe in 0..5 {
            let at = probe * 10 * MS;
            standing.happen(Event::Sent { client: 1, due_at: at, sent_at: at });
        }
        let figures = |standing: &Standing| {
            let tally = &standing.clients[&1];
            (tally.answered, tally.lost, tally.open())
        };
        standing.happen(answered(1, 20 * MS, MS));
        assert_eq!(figures(&standing), (1, 2, 2), "two were overtaken, two are on their way");
        standing.happen(answered(1, 10 * MS, 30 * MS));
        assert_eq!(figures(&standing), (2, 1, 2), "one of them came late");
        standing.happen(Event::Failed { client: 1, sent_at: 40 * MS });
        assert_eq!(figures(&standing), (2, 2, 1));
    }

    #[test]
    fn goodput_is_that_of_the_last_second() {
        let mut standing = Standing::new();
        for tick in 0..40_u32 {
            let down_bytes = Some(u64::from(tick.saturating_sub(20)) * 125_000);
            let load = Some(Load { down_bytes, ..Load::default() });
            standing.count(tick * 100 * MS, Snapshot { load, ..Snapshot::default() });
        }
        let bps = standing.now_bps(|it| it.down_bytes);
        assert!((bps - 1e7).abs() < 2e6, "{bps}");
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
