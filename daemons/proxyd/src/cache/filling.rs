//! A response on its way into the store. One task feeds it, any number of readers follow, each at its own
//! pace, and none polls.
//!
//! Content that outgrows what may be stored is passed on through a window: no further reader may
//! join, what all have read is let go, and the feed waits for the slowest.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use selat_core::cache::stored::StoredMeta;
use tokio::sync::Notify;

use super::content::{Content, Gather};

/// Octets that the feed may be ahead of the slowest reader once the content is too large to store.
const WINDOW_BYTES: usize = 1 << 20;

/// The content ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the origin's response ended before it was whole")]
pub(crate) struct CutOff;

/// Nobody reads any more what cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned;

/// A response whose head has arrived.
#[derive(Debug)]
pub(crate) struct Filling {
    pub(crate) meta: StoredMeta,
    pub(crate) headers: HeaderMap,
    pub(crate) origin: Arc<str>,
    /// Octets of the content, where the head says so.
    pub(crate) length: Option<u64>,
    object_bytes_max: u64,
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Debug)]
struct State {
    pieces: VecDeque<Bytes>,
    /// Pieces let go from the front.
    gone: usize,
    received: u64,
    end: Option<Result<(), CutOff>>,
    too_large: bool,
    readers: Vec<Option<Place>>,
}

/// Where a reader is.
#[derive(Debug, Default)]
struct Place {
    next: usize,
    waker: Option<Waker>,
}

impl Filling {
    pub(crate) fn new(
        meta: StoredMeta,
        headers: HeaderMap,
        origin: Arc<str>,
        length: Option<u64>,
        object_bytes_max: u64,
    ) -> Self {
        let state = State {
            pieces: VecDeque::new(),
            gone: 0,
            received: 0,
            end: None,
            too_large: false,
            readers: Vec::new(),
        };
        let (state, taken) = (Mutex::new(state), Notify::new());
        Self { meta, headers, origin, length, object_bytes_max, state, taken }
    }

    /// A body with all of the content; `None` where its beginning is gone already.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        if state.too_large {
            return None;
        }
        let place = Some(Place::default());
        let slot = match state.readers.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                state.readers.push(None);
                state.readers.len() - 1
            }
        };
        state.readers[slot] = place;
        Some(Reader { filling: Arc::clone(self), slot, read: 0 })
    }

    /// Takes in what arrived. Whether it can still be stored in the end.
    ///
    /// # Errors
    /// [`Abandoned`] where nothing would come of more.
    pub(crate) async fn feed(
        &self,
        gather: &mut Gather,
        arrived: &[u8],
    ) -> Result<bool, Abandoned> {
        let length = arrived.len() as u64;
        self.take_in(length, |pieces| gather.take(arrived, |piece| pieces.push_back(piece))).await
    }

    /// Takes in what is stored already, as [`Filling::feed`] does.
    ///
    /// # Errors
    /// [`Abandoned`] where nothing would come of more.
    pub(crate) async fn feed_stored(&self, content: &Content) -> Result<bool, Abandoned> {
        let stored = content.pieces().iter().cloned();
        self.take_in(content.length(), |pieces| pieces.extend(stored)).await
    }

    async fn take_in(
        &self,
        length: u64,
        take: impl FnOnce(&mut VecDeque<Bytes>),
    ) -> Result<bool, Abandoned> {
        let too_large = {
            let mut state = self.lock();
            state.received += length;
            take(&mut state.pieces);
            state.too_large |= state.received > self.object_bytes_max;
            state.let_go();
            state.wake();
            state.too_large
        };
        if too_large {
            self.wait_for_readers().await?;
        }
        Ok(!too_large)
    }

    /// Ends the content: whole, or cut off. Gives what can be stored.
    pub(crate) fn end(&self, end: Result<(), CutOff>) -> Option<Content> {
        let mut state = self.lock();
        let short = self.length.is_some_and(|length| length != state.received);
        let end = if short { Err(CutOff) } else { end };
        state.end = Some(end);
        state.wake();
        let whole = end.is_ok() && !state.too_large;
        whole.then(|| Content::new(state.pieces.iter().cloned().collect()))
    }

    async fn wait_for_readers(&self) -> Result<(), Abandoned> {
        loop {
            let taken = self.taken.notified();
            {
                let state = self.lock();
                if state.readers.iter().all(Option::is_none) {
                    return Err(Abandoned);
                }
                if state.pieces.iter().map(Bytes::len).sum::<usize>() < WINDOW_BYTES {
                    return Ok(());
                }
            }
            taken.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets go what all have read, once it cannot be stored.
    fn let_go(&mut self) {
        if !self.too_large {
            return;
        }
        let slowest = self.readers.iter().flatten().map(|place| place.next).min();
        while self.gone < slowest.unwrap_or(usize::MAX) && self.pieces.pop_front().is_some() {
            self.gone += 1;
        }
    }

    fn wake(&mut self) {
        for waker in self.readers.iter_mut().flatten().filter_map(|place| place.waker.take()) {
            waker.wake();
        }
    }
}

/// A body that reads a [`Filling`].
#[derive(Debug)]
pub(crate) struct Reader {
    filling: Arc<Filling>,
    slot: usize,
    read: u64,
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
        let Some(place) = state.readers.get_mut(this.slot).and_then(Option::as_mut) else {
            return Poll::Ready(None);
        };
        if let Some(piece) = state.pieces.get(place.next - state.gone).cloned() {
            place.next += 1;
            this.read += piece.len() as u64;
            if state.too_large {
                state.let_go();
                this.filling.taken.notify_one();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(cut_off)) => Poll::Ready(Some(Err(cut_off))),
            None => {
                place.waker = Some(context.waker().clone());
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
        state.let_go();
        drop(state);
        self.filling.taken.notify_one();
    }
}
