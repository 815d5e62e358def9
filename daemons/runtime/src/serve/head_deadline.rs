//! The time that a client has to send the head of its next request. hyper sets a timer before each head and
//! clears it after; with the runtime's timers that costs a tenth of what a short answer from memory does. So
//! hyper only notes here until when it waits, and a connection's one timer looks at that when it fires.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// Until when one connection waits for a head. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct HeadDeadline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When the connection began.
    origin: Instant,
    /// Nanoseconds from then to when a head is due; 0 while none is waited for.
    due_ns: AtomicU64,
    is_over: AtomicBool,
}

impl Default for HeadDeadline {
    fn default() -> Self {
        let origin = time::Instant::now().into();
        let (due_ns, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Shared { origin, due_ns, is_over }))
    }
}

/// hyper's end: over when [`HeadDeadline::over`] has said so. That wakes the connection, which polls both.
#[derive(Debug)]
struct Waiting(HeadDeadline);

impl HeadDeadline {
    /// Ends when a head is waited for that should have come by now. Deadlines are `limit` after they are set.
    pub(super) async fn over(self, limit: Duration) {
        let mut next = self.now() + limit;
        loop {
            time::sleep_until(next.into()).await;
            let now = self.now();
            let due = self.due();
            next = match due {
                Some(due) if due <= now => break,
                Some(due) => due,
                None => now + limit,
            };
        }
        self.0.is_over.store(true, Relaxed);
    }

    fn set(&self, due: Option<Instant>) {
        let nanos = |due: Instant| due.saturating_duration_since(self.0.origin).as_nanos();
        let due_ns = due.map_or(0, |due| u64::try_from(nanos(due)).unwrap_or(u64::MAX).max(1));
        self.0.due_ns.store(due_ns, Relaxed);
        self.0.is_over.store(false, Relaxed);
    }

    fn due(&self) -> Option<Instant> {
        let due_ns = self.0.due_ns.load(Relaxed);
        (due_ns > 0).then(|| self.0.origin + Duration::from_nanos(due_ns))
    }
}

impl Timer for HeadDeadline {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.set(Some(deadline));
        Box::pin(Waiting(self.clone()))
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.set(Some(deadline));
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.0.is_over.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Whether `over` has ended once the clock shows `seconds` more.
    async fn ends_after(over: &mut Pin<Box<impl Future<Output = ()>>>, seconds: u64) -> bool {
        time::advance(Duration::from_secs(seconds)).await;
        over.as_mut().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_only_while_a_head_is_late() {
        let deadline = HeadDeadline::default();
        let mut over = Box::pin(deadline.clone().over(LIMIT));
        assert!(!ends_after(&mut over, 0).await);
        let first = deadline.sleep_until(deadline.now() + LIMIT);
        assert!(!ends_after(&mut over, 59).await);
        drop(first);
        // Nothing is waited for: however long that takes, it is no fault of the client.
        assert!(!ends_after(&mut over, 200).await);
        let mut second = deadline.sleep_until(deadline.now() + LIMIT);
        assert!(!ends_after(&mut over, 59).await);
        assert!(second.as_mut().now_or_never().is_none());
        assert!(ends_after(&mut over, 2).await);
        assert!(second.as_mut().now_or_never().is_some());
        // A head that came at that very moment counts; the next has its own time.
        drop(second);
        let mut third = deadline.sleep_until(deadline.now() + LIMIT);
        assert!(third.as_mut().now_or_never().is_none());
    }
}
