//! What a client says first: enough of it is read to tell HTTP/2 from HTTP/1, and read again by whoever
//! serves the connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// The first bytes of HTTP/2's preface (RFC 9113 §3.4); HTTP/1 has no method PRI.
const PREFACE: [u8; 3] = *b"PRI";

/// The first bytes of a connection.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    len: usize,
}

impl Opening {
    /// Reads until it is plain which version of HTTP the client speaks, or that it says no more. What was read
    /// is kept where the future is dropped.
    pub(super) async fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.is_open() {
            match stream.read(&mut self.bytes[self.len..]).await? {
                0 => return Ok(()),
                read => self.len += read,
            }
        }
        Ok(())
    }

    /// Whether the client has said nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn is_http2(&self) -> bool {
        self.said() == PREFACE
    }

    /// Whether this could become either version.
    fn is_open(&self) -> bool {
        self.len < PREFACE.len() && PREFACE.starts_with(self.said())
    }

    fn said(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// `io`, of which `opening` was read before and is read again.
#[derive(Debug)]
pub(super) struct Reopened<T> {
    io: T,
    opening: Opening,
    /// How much of it is read again.
    read: usize,
}

impl<T> Reopened<T> {
    pub(super) fn new(io: T, opening: Opening) -> Self {
        Self { io, opening, read: 0 }
    }
}

impl<T: Read + Unpin> Read for Reopened<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.opening.said()[self.read..];
        let count = left.len().min(buffer.remaining());
        if count == 0 {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        buffer.put_slice(&left[..count]);
        self.read += count;
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Reopened<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }
}
