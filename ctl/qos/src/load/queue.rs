//! What is due and not taken up yet: filled by a thread that keeps time to microseconds, emptied by
//! whichever worker is free first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Enumerate;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::thread::set_current_timer_slack;
use tokio::sync::Semaphore;

use crate::schedule::Times;
use crate::session::{Cancel, Clock, Pace};

/// How far the kernel may delay the pacer's wake-ups to bundle them.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Requests of one schedule. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// A permit for each request that is due and not taken up; at the end, one for each worker too.
    permits: Semaphore,
    requests: Mutex<Requests>,
}

#[derive(Debug)]
struct Requests {
    times: Enumerate<Times>,
    /// Those that are due and not taken up.
    due: u64,
}

impl Queue {
    pub(super) fn new(times: Times) -> Self {
        let requests = Mutex::new(Requests { times: times.enumerate(), due: 0 });
        Self(Arc::new(Shared { permits: Semaphore::new(0), requests }))
    }

    /// Waits until a request is due; its number in this schedule, and when it was due. `None` when
    /// there are no more.
    pub(super) async fn next(&self) -> Option<(u32, Duration)> {
        self.0.permits.acquire().await.ok()?.forget();
        let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.due = requests.due.checked_sub(1)?;
        let (seq, due_at) = requests.times.next()?;
        Some((u32::try_from(seq).ok()?, due_at))
    }

    fn release_one(&self) {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).due += 1;
        self.0.permits.add_permits(1);
    }

    fn end(&self, workers: usize) {
        self.0.permits.add_permits(workers);
    }
}

/// Releases the requests of all `queues` when they are due, until all have been, the time is
/// `until`, or the run is cancelled; then wakes the workers, of which there are `workers`.
pub(super) fn pace(
    queues: &[(Queue, Times)],
    workers: usize,
    clock: &Clock,
    until: Duration,
    cancel: &Cancel,
) {
    // Best effort: with the default slack deadlines are met 50 µs later, and reported so.
    let _ = set_current_timer_slack(Some(TIMER_SLACK_NS));
    let mut times: Vec<Times> = queues.iter().map(|(_, times)| times.clone()).collect();
    let mut due: BinaryHeap<Reverse<(Duration, usize)>> = times
        .iter_mut()
        .enumerate()
        .filter_map(|(index, times)| Some(Reverse((times.next()?, index))))
        .collect();
    while let Some(Reverse((due_at, index))) = due.pop() {
        let is_over = || cancel.is_cancelled();
        if due_at > until || !clock.wait_until(due_at, Pace::Eco, is_over) {
            break;
        }
        queues[index].0.release_one();
        due.extend(times[index].next().map(|next| Reverse((next, index))));
    }
    queues.iter().for_each(|(queue, _)| queue.end(workers));
}
