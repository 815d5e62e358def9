//! What a peer says first. HTTP/2 begins with a SETTINGS frame (RFC 9113 §3.4): whoever begins with something else is no
//! daemon. Those above may learn no more than that the connection ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a frame's header (RFC 9113 §4.1).
const HEADER_BYTES: usize = 9;
/// Where in a frame's header its type is.
const TYPE_AT: usize = 3;
/// The type of a SETTINGS frame (RFC 9113 §6.5).
const SETTINGS: u8 = 4;

/// How a peer began that does not speak HTTP/2; unset of one that does.
pub(super) type Babble = Arc<OnceLock<String>>;

/// A connection of which the beginning is looked at.
#[derive(Debug)]
pub(super) struct Greeted<T> {
    stream: T,
    first: Vec<u8>,
    babble: Babble,
}

impl<T> Greeted<T> {
    pub(super) fn new(stream: T) -> (Self, Babble) {
        let babble = Babble::default();
        (Self { stream, first: Vec::new(), babble: Arc::clone(&babble) }, babble)
    }

    fn hear(&mut self, bytes: &[u8]) {
        let missing = HEADER_BYTES.saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(missing));
        if self.first.get(TYPE_AT).is_some_and(|kind| *kind != SETTINGS) {
            let begun = String::from_utf8_lossy(&self.first);
            let _ = self.babble.set(format!("it begins with {begun:?}"));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Greeted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.first.len() < HEADER_BYTES {
            self.hear(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Greeted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// What is made of a peer that says this, in pieces of `size`.
    async fn heard(said: &[u8], size: usize) -> Option<String> {
        let (mut greeted, babble) = Greeted::new(said);
        let mut piece = vec![0; size];
        while greeted.read(&mut piece).await.unwrap() > 0 {}
        babble.get().cloned()
    }

    #[tokio::test]
    async fn only_a_peer_that_begins_with_settings_speaks_http_2() {
        let settings = [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        for size in [1, 64] {
            assert_eq!(heard(&settings, size).await, None);
            assert_eq!(heard(b"220", size).await, None, "too little to tell");
            let babble = heard(b"220 mail.example.net ESMTP\r\n", size).await.unwrap();
            assert!(babble.starts_with("it begins with \"220 "), "{babble}");
        }
    }
}
