//! Generated content: the same block of random bytes over and over, which nothing on the way can make
//! smaller within its window.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, timeout_at},
};

/// Bytes of the block: larger than the window of gzip (32 KiB) and than that of brotli by default.
const BLOCK_BYTES: usize = 8 << 20;
/// Bytes handed over at once: one large write, and other connections of the thread hardly wait.
const PIECE_BYTES: usize = 256 << 10;
/// Any number but zero; the same data on every start.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The transfer took longer than any may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transfer took longer than measure.duration")]
pub(crate) struct TooLong;

/// What is left of one download.
#[derive(Debug, Default)]
pub(crate) struct Download {
    block: Bytes,
    at: usize,
    remaining: u64,
    ends_at: Option<Instant>,
    /// Dropped with this, which gives the place back.
    _held: Option<oneshot::Sender<()>>,
}

impl Download {
    /// `bytes` of `block`, again and again. Keeps its place until it is dropped, but not after `ends_at`: who
    /// reads slowly is not asked for more by then, and must keep nobody else out.
    pub(super) fn new(
        block: Bytes,
        bytes: u64,
        ends_at: Instant,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (held, dropped) = oneshot::channel();
        tokio::spawn(async move {
            // However that ended, it is over.
            let _ = timeout_at(ends_at, dropped).await;
            drop(place);
        });
        Self { block, at: 0, remaining: bytes, ends_at: Some(ends_at), _held: Some(held) }
    }

    /// `content` as it is.
    pub(super) fn whole(content: Bytes) -> Self {
        let remaining = content.len() as u64;
        Self { block: content, remaining, ..Self::default() }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = TooLong;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TooLong>>> {
        if self.remaining == 0 || self.block.is_empty() {
            return Poll::Ready(None);
        }
        if self.ends_at.is_some_and(|ends_at| Instant::now() >= ends_at) {
            self.remaining = 0;
            return Poll::Ready(Some(Err(TooLong)));
        }
        let left = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let end = self.block.len().min(self.at.saturating_add(PIECE_BYTES.min(left)));
        let piece = self.block.slice(self.at..end);
        self.at = end % self.block.len();
        self.remaining -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A block of random bytes (xorshift64, Marsaglia 2003).
pub(super) fn block() -> Bytes {
    let mut state = SEED;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    while block.len() < BLOCK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.into()
}

/// The bytes that a query asks for by `bytes=N`: `max` where it says nothing or more.
///
/// # Errors
/// It says something that is no number.
pub(super) fn length(query: Option<&str>, max: u64) -> Result<u64, std::num::ParseIntError> {
    let given = query.into_iter().flat_map(|query| query.split('&'));
    let Some(bytes) = given.filter_map(|pair| pair.strip_prefix("bytes=")).next_back() else {
        return Ok(max);
    };
    Ok(bytes.parse::<u64>()?.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_how_much_and_the_limit_how_much_at_most() {
        let cases = [(None, 100), (Some(""), 100), (Some("a=1"), 100), (Some("bytes=7"), 7)];
        for (query, expected) in cases {
            assert_eq!(length(query, 100), Ok(expected), "{query:?}");
        }
        assert_eq!(length(Some("x=1&bytes=200"), 100), Ok(100));
        for query in ["bytes=", "bytes=-1", "bytes=1k"] {
            assert!(length(Some(query), 100).is_err(), "{query}");
        }
    }
}
