//! What a running test tells the outside while it runs, and how the outside ends it. Counters are
//! atomics; who wants to see each probe gets a bounded [`Feed`], which loses what is not taken out in
//! time. Whoever watches never holds the measuring threads up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Events that a [`Feed`] keeps for whoever reads it: a tenth of a second at 80,000 probes a second.
pub const FEED_EVENTS_MAX: usize = 16_384;

/// Live counters of a run, all clients together. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    planned: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    overtaken: AtomicU64,
    last_latency_ns: AtomicU64,
    load: Mutex<Option<Load>>,
    feed: Option<SyncSender<Event>>,
    unseen: Arc<AtomicU64>,
}

/// The live counters at one moment; each is exact, but they are not read in one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Probes that the run will send.
    pub planned: u64,
    /// Probes sent so far.
    pub sent: u64,
    /// Probes answered so far, duplicates not counted.
    pub received: u64,
    /// Lost so far: unanswered probes of which a later one of the same client was answered.
    /// A reordered reply takes its probe out again.
    pub lost_so_far: u64,
    /// Latency of the newest answer.
    pub last_latency: Option<Duration>,
    /// The load that the probes are beside, in a test of streams.
    pub load: Option<Load>,
}

/// Streams under way, as they are at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// What the path is filled for.
    pub phase: Phase,
    /// Streams, both ways.
    pub streams: u32,
    /// Content that came so far, bytes; `None` where no load goes that way.
    pub down_bytes: Option<u64>,
    /// Content that went so far, bytes.
    pub up_bytes: Option<u64>,
    /// Responsiveness over the last intervals, where that is asked: round trips a minute.
    pub rpm: Option<u64>,
}

/// The part of a test of streams that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The path is idle: what answers take then is compared with.
    #[default]
    Idle,
    /// There is load, and it does not count.
    WarmUp,
    /// There is load.
    Loaded,
}

/// What became of one probe. Times are those of [`crate::sample::Sample`], clients count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It left.
    Sent {
        /// Whose it is.
        client: u32,
        /// When it was to be sent.
        due_at: Duration,
        /// When it was.
        sent_at: Duration,
    },
    /// Its first answer came.
    Answered {
        /// Whose it is.
        client: u32,
        /// When it was sent.
        sent_at: Duration,
        /// The round trip.
        latency: Duration,
        /// Payload of the answer.
        bytes: u64,
    },
    /// It failed, and no answer is to be waited for.
    Failed {
        /// Whose it is.
        client: u32,
        /// When it was sent.
        sent_at: Duration,
    },
}

/// The events of a run, for one reader. It is told nothing that it would have to be waited for: where
/// [`FEED_EVENTS_MAX`] are waiting for it, further ones are counted and lost.
#[derive(Debug)]
pub struct Feed {
    events: Receiver<Event>,
    unseen: Arc<AtomicU64>,
}

impl Feed {
    /// What happened since the last call.
    pub fn take(&self) -> impl Iterator<Item = Event> + '_ {
        // Bounded, or a sender that is faster than the reader would never let it go.
        self.events.try_iter().take(FEED_EVENTS_MAX)
    }

    /// Events that were lost because this feed was full.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.unseen.load(Relaxed)
    }
}

impl Progress {
    /// Counters, and every event beside them.
    #[must_use]
    pub fn with_feed() -> (Self, Feed) {
        let (feed, events) = sync_channel(FEED_EVENTS_MAX);
        let shared = Shared { feed: Some(feed), ..Shared::default() };
        let unseen = Arc::clone(&shared.unseen);
        (Self(Arc::new(shared)), Feed { events, unseen })
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let last_latency_ns = self.0.last_latency_ns.load(Relaxed);
        Snapshot {
            planned: self.0.planned.load(Relaxed),
            sent: self.0.sent.load(Relaxed),
            received: self.0.received.load(Relaxed),
            lost_so_far: self.0.overtaken.load(Relaxed),
            last_latency: (last_latency_ns > 0).then(|| Duration::from_nanos(last_latency_ns)),
            load: *self.0.load.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Says that so many more probes are to be sent.
    pub fn plan(&self, probes: u64) {
        self.0.planned.fetch_add(probes, Relaxed);
    }

    /// Says how the load stands that the probes are beside. Unlike a probe it is told ten times a second.
    pub fn load(&self, load: Load) {
        *self.0.load.lock().unwrap_or_else(PoisonError::into_inner) = Some(load);
    }

    /// Says that a probe of `client`, from 1, left.
    pub fn probe_sent(&self, client: u32, due_at: Duration, sent_at: Duration) {
        self.0.sent.fetch_add(1, Relaxed);
        self.tell(Event::Sent { client, due_at, sent_at });
    }

    /// Says that a probe that was sent at `sent_at` got its first answer.
    pub fn probe_answered(&self, client: u32, sent_at: Duration, latency: Duration, bytes: u64) {
        self.0.received.fetch_add(1, Relaxed);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.last_latency_ns.store(nanos.max(1), Relaxed);
        self.tell(Event::Answered { client, sent_at, latency, bytes });
    }

    /// Says that a probe is lost for certain, such as a request that was refused.
    pub fn probe_failed(&self, client: u32, sent_at: Duration) {
        self.probes_overtaken(1);
        self.tell(Event::Failed { client, sent_at });
    }

    pub(crate) fn probes_overtaken(&self, probes: u32) {
        self.0.overtaken.fetch_add(u64::from(probes), Relaxed);
    }

    pub(crate) fn overtaken_probe_answered(&self) {
        self.0.overtaken.fetch_sub(1, Relaxed);
    }

    fn tell(&self, event: Event) {
        let Some(feed) = &self.0.feed else { return };
        if feed.try_send(event).is_err() {
            self.0.unseen.fetch_add(1, Relaxed);
        }
    }
}

/// Ends a run early; what was measured until then is kept. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Ending>);

#[derive(Debug, Default)]
struct Ending {
    is_cancelled: AtomicBool,
    is_cut_off: AtomicBool,
}

impl Cancel {
    /// Stops sending; the run ends once the replies on their way had time to come.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Relaxed);
    }

    /// Ends the run without waiting for the replies on their way.
    pub fn cut_off(&self) {
        self.0.is_cut_off.store(true, Relaxed);
        self.cancel();
    }

    /// Whether the run was told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Relaxed)
    }

    /// Whether nothing that is on its way is to be waited for.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.0.is_cut_off.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_feed_that_is_not_read_loses_events_and_the_counters_lose_nothing() {
        let (progress, feed) = Progress::with_feed();
        let probes = FEED_EVENTS_MAX as u64 + 7;
        (0..probes).for_each(|_| progress.probe_sent(1, MS, MS));
        assert_eq!((progress.snapshot().sent, feed.unseen()), (probes, 7));
        assert_eq!(feed.take().count(), FEED_EVENTS_MAX);
        progress.probe_answered(1, MS, 2 * MS, 44);
        let answered = Event::Answered { client: 1, sent_at: MS, latency: 2 * MS, bytes: 44 };
        assert_eq!((feed.take().collect::<Vec<_>>(), feed.unseen()), (vec![answered], 7));
    }

    #[test]
    fn a_reader_that_went_away_holds_nobody_up() {
        let (progress, feed) = Progress::with_feed();
        drop(feed);
        progress.probe_sent(1, MS, MS);
        assert_eq!(progress.snapshot().sent, 1);
    }
}
