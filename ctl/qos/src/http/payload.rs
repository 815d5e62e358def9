//! The content of a request: what is there already, or the same block over and over until it is told
//! to end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The content of a request; none by default.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    block: Bytes,
    remaining: Remaining,
}

#[derive(Clone, Debug)]
enum Remaining {
    Bytes(u64),
    Until(Arc<AtomicBool>),
}

impl Default for Remaining {
    fn default() -> Self {
        Self::Bytes(0)
    }
}

impl Payload {
    /// `content` as it is.
    #[must_use]
    pub fn whole(content: Bytes) -> Self {
        let remaining = Remaining::Bytes(content.len() as u64);
        Self { block: content, remaining }
    }

    /// `block` over and over, until `is_over`.
    #[must_use]
    pub fn endless(block: Bytes, is_over: Arc<AtomicBool>) -> Self {
        Self { block, remaining: Remaining::Until(is_over) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if let Remaining::Bytes(bytes) = &mut self.remaining {
            *bytes = 0;
        }
        Poll::Ready(Some(Ok(Frame::data(self.block.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.remaining {
            Remaining::Bytes(bytes) => *bytes == 0,
            Remaining::Until(is_over) => self.block.is_empty() || is_over.load(Relaxed),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.remaining {
            Remaining::Bytes(bytes) => SizeHint::with_exact(*bytes),
            Remaining::Until(_) => SizeHint::default(),
        }
    }
}
