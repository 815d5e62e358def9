//! A client's end of a fill.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{CutOff, Filling};

/// A body that reads a [`Filling`].
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) filling: Arc<Filling>,
    pub(super) slot: usize,
    /// Octets.
    pub(super) read: u64,
}

impl Body for Reader {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        let mut guard = this.filling.lock();
        let state = &mut *guard;
        if state.readers[this.slot].is_none() {
            // It was cut off: its place is let go before it is.
            return Poll::Ready(Some(Err(CutOff)));
        }
        let read = state.read(this.slot);
        if state.refusal.is_some() {
            state.let_go();
            this.filling.taken.notify_one();
        }
        if let Some(piece) = read {
            this.read += piece.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(cut_off)) => Poll::Ready(Some(Err(cut_off))),
            None => {
                if let Some(place) = &mut state.readers[this.slot] {
                    place.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.filling.length == Some(self.read)
    }

    fn size_hint(&self) -> SizeHint {
        match self.filling.length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.read)),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.filling.lock();
        state.readers[self.slot] = None;
        if state.readers.iter().all(Option::is_none) {
            state.unread_from = Some(state.received);
        }
        state.let_go();
        drop(state);
        self.filling.taken.notify_one();
    }
}
