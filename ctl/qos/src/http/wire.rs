//! A stream that remembers when its last byte left and when its first byte came.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The moments of one exchange. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments(Arc<Mutex<Seen>>);

/// What was seen of one exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// When the last byte of the request left so far.
    pub(super) last_write: Option<Instant>,
    /// When the first byte of the response came.
    pub(super) first_read: Option<Instant>,
}

impl Moments {
    /// What was seen since the last call.
    pub(super) fn take(&self) -> Seen {
        self.change(std::mem::take)
    }

    fn wrote(&self) {
        self.change(|seen| seen.last_write = Some(Instant::now()));
    }

    fn read(&self) {
        self.change(|seen| {
            seen.first_read.get_or_insert_with(Instant::now);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What bytes go over.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The stream.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    moments: Moments,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> (Self, Moments) {
        let moments = Moments::default();
        (Self { stream, moments: moments.clone() }, moments)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            self.moments.read();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        };
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.moments.wrote();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
