//! The streams of one HTTP/2 connection: for how long none has been open, and an end to those of which the
//! client takes nothing.
//!
//! A stream without a window (RFC 9113 §5.2) holds its response while the connection as a whole moves on,
//! so that no deadline of the socket sees it. Each response is given to h2 in pieces; when the next one is
//! asked for, the client has made room for the one before.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::{
    task_local,
    time::{Instant, Sleep, sleep_until},
};
use tracing::debug;

/// Most bytes that h2 is given at once: so much at least a client must take within each write timeout, and
/// so much at most of a response can it leave with h2 once we are done with it.
const PIECE_BYTES: usize = 16 << 10;

task_local! {
    /// Since when the task's stream waits for its client; nothing, while its client waits for us.
    static WAITING_SINCE: Cell<Option<Instant>>;
}

/// Runs the streams of a connection.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    activity: Arc<Mutex<Activity>>,
    limit: Duration,
}

#[derive(Debug)]
struct Activity {
    open: usize,
    /// When a stream ended last, or else when the connection began.
    ended: Instant,
}

impl Streams {
    /// A stream ends when its client takes nothing for `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let activity = Activity { open: 0, ended: Instant::now() };
        Self { activity: Arc::new(Mutex::new(activity)), limit }
    }

    /// Waits until no stream has been open for `limit` from now on, and for twice as long at most from when the
    /// last one ended.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut since = Instant::now();
        loop {
            let now = Instant::now();
            since = since.max(self.idle_since().unwrap_or(now));
            if now >= since + limit {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        let activity = self.lock();
        (activity.open == 0).then_some(activity.ended)
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (open, limit) = (Open::new(self), self.limit);
        tokio::spawn(WAITING_SINCE.scope(Cell::new(None), async move {
            unless_stalled(stream, limit).await;
            drop(open);
        }));
    }
}

/// Counts a stream as open while it lives.
struct Open(Streams);

impl Open {
    fn new(streams: &Streams) -> Self {
        streams.lock().open += 1;
        Self(streams.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut activity = self.0.lock();
        activity.open -= 1;
        activity.ended = Instant::now();
    }
}

/// Runs `stream` to its end, or until it has waited for its client for `limit`: dropping it resets it.
async fn unless_stalled(stream: impl Future, limit: Duration) {
    let mut stream = pin!(stream);
    let mut deadline: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = WAITING_SINCE.get().into_inner() else { return Poll::Pending };
        let due = since + limit;
        let deadline = deadline.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if deadline.deadline() != due {
            deadline.as_mut().reset(due);
        }
        ready!(deadline.as_mut().poll(context));
        debug!("stream reset: its client takes nothing of the response");
        Poll::Ready(())
    })
    .await;
}

/// The content of a response, in pieces whose taking is noted.
#[derive(Debug)]
pub(super) struct Paced<B: Body> {
    body: B,
    /// What is left of the last that `body` gave.
    rest: Option<B::Data>,
}

impl<B: Body + Unpin> Paced<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, rest: None }
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut data = match self.rest.take() {
            Some(rest) => rest,
            None => match ready!(Pin::new(&mut self.body).poll_frame(context)?) {
                Some(frame) => match frame.into_data() {
                    Ok(data) => data,
                    Err(last) => {
                        let trailers = last.into_trailers().ok().map(Frame::trailers);
                        return Poll::Ready(trailers.map(Ok));
                    }
                },
                None => return Poll::Ready(None),
            },
        };
        let piece = data.copy_to_bytes(data.remaining().min(PIECE_BYTES));
        self.rest = data.has_remaining().then_some(data);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl<B: Body<Data: Unpin> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let piece = self.poll_piece(context);
        let waiting_since = matches!(piece, Poll::Ready(Some(_))).then(Instant::now);
        // Only a stream of our own has a client to wait for.
        let _ = WAITING_SINCE.try_with(|since| since.set(waiting_since));
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, Buf::remaining) as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
