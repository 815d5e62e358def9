//! Interim responses (RFC 9110 §15.2) to HTTP/1.1 clients. hyper's server sends none but 100, so
//! they are written beneath it, between its messages.
//!
//! hyper serves the requests of a connection one at a time, and flushes all it has before it
//! waits. So when it flushes while a service still works on its request, the connection stands
//! between two messages, and a head may be written. A service that is done waits until what was
//! sent before has been written, and nothing is taken from then on: no head comes after the
//! response that it announces, or before the end of the one before.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice},
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use http::{HeaderMap, StatusCode, header};
use hyper::rt::{Read, ReadBufCursor, Write};

/// Interim responses to one request that are sent; more are dropped.
const HEADS_MAX: usize = 16;

/// Bytes of them.
const BYTES_MAX: usize = 64 << 10;

/// The interim responses of one connection. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Interims(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether a service has opened its turn; read and written by the connection's task alone.
    is_open: AtomicBool,
    /// Whether heads wait to be written.
    is_waiting: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    turn: Turn,
    /// Whether the turn still takes heads.
    takes: bool,
    /// Heads and bytes that this turn has taken.
    heads: usize,
    bytes: usize,
    /// What the turn has taken and nobody writes yet.
    waiting: Vec<u8>,
    is_writing: bool,
    waker: Option<Waker>,
}

/// Tells a request from those before and after it on its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn(u64);

/// Sends interim responses to one request, as long as its response has not begun.
#[derive(Clone, Debug)]
pub struct InterimSender {
    interims: Interims,
    turn: Turn,
}

impl Interims {
    /// Lets interim responses be sent to the request that the connection's service works on. To be
    /// called by that service, before its response is ready.
    #[must_use]
    pub fn open(&self) -> InterimSender {
        let mut state = self.lock();
        if !self.0.is_open.swap(true, Relaxed) {
            state.turn = Turn(state.turn.0 + 1);
            (state.takes, state.heads, state.bytes) = (true, 0, 0);
        }
        InterimSender { interims: self.clone(), turn: state.turn }
    }

    /// Waits for a service's answer, and for the interim responses before it to be written.
    pub(super) async fn before<F: Future>(&self, answer: F) -> F::Output {
        let mut answer = pin!(answer);
        let output = poll_fn(|context| {
            let polled = answer.as_mut().poll(context);
            if polled.is_pending() && self.0.is_open.load(Relaxed) {
                self.watch(context);
            }
            polled
        });
        let output = output.await;
        if self.0.is_open.load(Relaxed) {
            poll_fn(|context| self.poll_close(context)).await;
        }
        output
    }

    /// Has the connection's task woken by the next head.
    fn watch(&self, context: &Context<'_>) {
        let mut state = self.lock();
        state.waker = Some(context.waker().clone());
        if !state.waiting.is_empty() {
            state.wake();
        }
    }

    fn poll_close(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.takes = false;
        if !state.waiting.is_empty() || state.is_writing {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.waker = None;
        self.0.is_open.store(false, Relaxed);
        Poll::Ready(())
    }

    /// Takes what is to be written now; [`Self::written`] follows.
    fn take(&self) -> Option<Vec<u8>> {
        if !self.0.is_waiting.load(Relaxed) {
            return None;
        }
        let mut state = self.lock();
        self.0.is_waiting.store(false, Relaxed);
        state.is_writing = true;
        Some(mem::take(&mut state.waiting))
    }

    fn written(&self) {
        let mut state = self.lock();
        state.is_writing = false;
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl InterimSender {
    /// Sends an interim response: 102 to 199, without fields that frame content. It is dropped
    /// where the response has begun, or too much was sent.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        // 100 answers an Expect, 101 ends HTTP: both are the server's own to send.
        if !status.is_informational() || status.as_u16() < 102 {
            return;
        }
        let head = head(status, headers);
        let mut state = self.interims.lock();
        let fits = state.heads < HEADS_MAX && state.bytes + head.len() <= BYTES_MAX;
        if state.turn != self.turn || !state.takes || !fits {
            return;
        }
        state.heads += 1;
        state.bytes += head.len();
        state.waiting.extend(head);
        self.interims.0.is_waiting.store(true, Relaxed);
        state.wake();
    }
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        // RFC 9110 §8.6, RFC 9112 §6.1: a 1xx has no content, and no field that would frame it.
        if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
            continue;
        }
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// `io`, with the interim responses of its connection written where hyper's messages allow it.
#[derive(Debug)]
pub(super) struct WithInterims<T> {
    io: T,
    interims: Interims,
    /// Heads that are being written, and how much of them is.
    begun: Vec<u8>,
    written: usize,
}

impl<T: Write + Unpin> WithInterims<T> {
    pub(super) fn new(io: T, interims: Interims) -> Self {
        Self { io, interims, begun: Vec::new(), written: 0 }
    }

    /// Writes all that is waiting. Nothing of hyper's is on its way.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_begun(context))?;
            let Some(heads) = self.interims.take() else { return Poll::Ready(Ok(())) };
            (self.begun, self.written) = (heads, 0);
        }
    }

    /// Ends a head that was begun: nothing may come between.
    fn poll_begun(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.begun.len() {
            let left = &self.begun[self.written..];
            let written = ready!(Pin::new(&mut self.io).poll_write(context, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.begun = Vec::new();
        self.interims.written();
        Poll::Ready(Ok(()))
    }
}

impl<T: Read + Unpin> Read for WithInterims<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for WithInterims<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(context))?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(context))?;
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }
}
