//! A response on its way into the store. One task feeds it, any number of readers follow, each at its own
//! pace, and none polls.
//!
//! Content that outgrows what may be stored, or the memory there is for that, is passed on through a
//! window: no further reader may join, what all have read is let go, and the feed waits for the
//! slowest. One that is too slow for the others is cut off. Where the last reader leaves, the feed
//! ends unless little is left.

mod reader;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use selat_core::cache::{reason::StoreRefusal, stored::StoredMeta};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::debug;

pub(crate) use self::reader::Reader;
use super::{
    budget::Share,
    content::{Content, Gather},
};

/// Octets that the feed may be ahead of the slowest reader once the content is too large to store.
const WINDOW_BYTES: usize = 1 << 20;

/// Time for which others wait for a reader in all, until it has taken a window's worth.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Octets that are still fetched when the last reader has left: the next one will be glad of them.
const UNREAD_BYTES_MAX: u64 = 256 << 10;

/// The content ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the origin's response ended before it was whole")]
pub(crate) struct CutOff;

/// Nobody reads any more what is not worth storing.
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
    gather: Gather,
    pieces: VecDeque<Bytes>,
    /// Pieces let go from the front.
    gone: usize,
    received: u64,
    end: Option<Result<(), CutOff>>,
    /// Why it cannot be stored.
    refusal: Option<StoreRefusal>,
    memory: Share,
    /// Octets that had arrived when the last reader left.
    unread_from: Option<u64>,
    /// How long readers have waited for slower ones since the last window's worth was let go.
    waited: Duration,
    let_go_bytes: usize,
    readers: Vec<Option<Place>>,
}

/// Where a reader is.
#[derive(Debug, Default)]
struct Place {
    next: usize,
    /// Octets read of the next piece, which was not whole then.
    offset: usize,
    /// Octets taken since the last time that slow readers were cut off or a window's worth was let go.
    taken_bytes: usize,
    waker: Option<Waker>,
}

impl Filling {
    pub(crate) fn new(
        meta: StoredMeta,
        headers: HeaderMap,
        origin: Arc<str>,
        length: Option<u64>,
        object_bytes_max: u64,
        memory: Share,
    ) -> Self {
        let state = State {
            gather: Gather::new(length),
            pieces: VecDeque::new(),
            gone: 0,
            received: 0,
            end: None,
            refusal: None,
            memory,
            unread_from: None,
            waited: Duration::ZERO,
            let_go_bytes: 0,
            readers: Vec::new(),
        };
        let (state, taken) = (Mutex::new(state), Notify::new());
        Self { meta, headers, origin, length, object_bytes_max, state, taken }
    }

    /// A body with all of the content; `None` where its beginning is gone already.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        if state.refusal.is_some() {
            return None;
        }
        state.unread_from = None;
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

    /// Why it cannot be stored, if so.
    pub(crate) fn refusal(&self) -> Option<StoreRefusal> {
        self.lock().refusal
    }

    /// Takes in what arrived. Why it cannot be stored, if so.
    ///
    /// # Errors
    /// [`Abandoned`] where nothing would come of more.
    pub(crate) async fn feed(&self, arrived: &[u8]) -> Result<Option<StoreRefusal>, Abandoned> {
        let length = arrived.len() as u64;
        let take = |state: &mut State| {
            if !state.memory.grow(length) {
                state.refusal.get_or_insert(StoreRefusal::NoRoom);
            }
            let State { gather, pieces, .. } = state;
            gather.take(arrived, |piece| pieces.push_back(piece));
        };
        self.take_in(length, take).await
    }

    /// Takes in what is stored already, as [`Filling::feed`] does; its memory is the store's.
    ///
    /// # Errors
    /// [`Abandoned`] where nothing would come of more.
    pub(crate) async fn feed_stored(
        &self,
        content: &Content,
    ) -> Result<Option<StoreRefusal>, Abandoned> {
        let stored = content.pieces().iter().cloned();
        let take = |state: &mut State| {
            state.finish_piece();
            state.pieces.extend(stored);
        };
        self.take_in(content.length(), take).await
    }

    async fn take_in(
        &self,
        length: u64,
        take: impl FnOnce(&mut State),
    ) -> Result<Option<StoreRefusal>, Abandoned> {
        let refusal = {
            let mut state = self.lock();
            state.received += length;
            take(&mut state);
            if state.received > self.object_bytes_max {
                state.refusal.get_or_insert(StoreRefusal::TooLarge);
            }
            state.abandon_unread(self.length)?;
            state.let_go();
            state.wake();
            state.refusal
        };
        if refusal.is_some() {
            self.wait_for_readers().await?;
        }
        Ok(refusal)
    }

    /// How much is to be fed, where that is known: what is stored already may be a part of it all.
    pub(crate) fn expect(&self, length: Option<u64>) {
        self.lock().gather = Gather::new(length);
    }

    /// Ends the content: whole, or cut off. Gives what can be stored.
    pub(crate) fn end(&self, end: Result<(), CutOff>) -> Option<Content> {
        let mut state = self.lock();
        let short = self.length.is_some_and(|length| length != state.received);
        let end = if short { Err(CutOff) } else { end };
        state.end = Some(end);
        let spare = state.finish_piece();
        state.wake();
        if end.is_err() || state.refusal.is_some() {
            return None;
        }
        // From here on the store counts it.
        state.memory.shrink(u64::MAX);
        Some(Content::with_spare(state.pieces.iter().cloned().collect(), spare))
    }

    async fn wait_for_readers(&self) -> Result<(), Abandoned> {
        loop {
            let taken = self.taken.notified();
            let patience = {
                let mut state = self.lock();
                if state.readers.iter().all(Option::is_none) {
                    return Err(Abandoned);
                }
                if state.behind(state.gone) < WINDOW_BYTES {
                    return Ok(());
                }
                if state.waited >= WAIT_MAX {
                    state.cut_off_slow();
                    continue;
                }
                state.someone_waits().then(|| WAIT_MAX - state.waited)
            };
            let Some(patience) = patience else {
                taken.await;
                continue;
            };
            let since = Instant::now();
            // Whether someone took a piece or time is up, the next turn sees.
            let _ = timeout(patience, taken).await;
            self.lock().waited += since.elapsed();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes a piece of what is unfinished; those who have read some of it go on behind that. Gives the octets
    /// that the last block has left.
    fn finish_piece(&mut self) -> usize {
        let (last, spare) = self.gather.finish();
        self.pieces.extend(last);
        spare
    }

    /// What the reader in `slot` has not read of what there is: the rest of a piece, or of what is not yet one.
    fn read(&mut self, slot: usize) -> Option<Bytes> {
        let place = self.readers[slot].as_mut()?;
        let mut rest = Bytes::new();
        while rest.is_empty()
            && let Some(piece) = self.pieces.get(place.next - self.gone)
        {
            rest = piece.slice(place.offset..);
            (place.next, place.offset) = (place.next + 1, 0);
        }
        if rest.is_empty() {
            rest = Bytes::copy_from_slice(&self.gather.unfinished()[place.offset..]);
            place.offset += rest.len();
        }
        place.taken_bytes += rest.len();
        (!rest.is_empty()).then_some(rest)
    }

    /// Lets go what all have read, once it cannot be stored.
    fn let_go(&mut self) {
        if self.refusal.is_none() {
            return;
        }
        let slowest = self.readers.iter().flatten().map(|place| place.next).min();
        while self.gone < slowest.unwrap_or(usize::MAX)
            && let Some(piece) = self.pieces.pop_front()
        {
            self.memory.shrink(piece.len() as u64);
            self.gone += 1;
            self.let_go_bytes += piece.len();
        }
        if self.let_go_bytes >= WINDOW_BYTES {
            self.begin_period();
        }
    }

    /// Octets from the piece with this number on.
    fn behind(&self, next: usize) -> usize {
        self.pieces.iter().skip(next - self.gone).map(Bytes::len).sum()
    }

    /// Whether a reader has read all that there is.
    fn someone_waits(&self) -> bool {
        let all = self.gone + self.pieces.len();
        self.readers.iter().flatten().any(|place| place.next == all)
    }

    /// Cuts off who is a window behind and has not taken as much while others waited.
    fn cut_off_slow(&mut self) {
        for slot in 0..self.readers.len() {
            let Some(place) = &self.readers[slot] else { continue };
            if place.taken_bytes < WINDOW_BYTES && self.behind(place.next) >= WINDOW_BYTES {
                debug!("a reader that others waited for was cut off");
                if let Some(waker) = self.readers[slot].take().and_then(|place| place.waker) {
                    waker.wake();
                }
            }
        }
        self.begin_period();
        self.let_go();
    }

    fn begin_period(&mut self) {
        (self.waited, self.let_go_bytes) = (Duration::ZERO, 0);
        for place in self.readers.iter_mut().flatten() {
            place.taken_bytes = 0;
        }
    }

    /// Lets nobody join any more, and fails, where the last reader has left and more than little is to come.
    fn abandon_unread(&mut self, length: Option<u64>) -> Result<(), Abandoned> {
        let Some(unread_from) = self.unread_from else { return Ok(()) };
        let left = length.map_or(0, |length| length.saturating_sub(self.received));
        if left.max(self.received - unread_from) <= UNREAD_BYTES_MAX {
            return Ok(());
        }
        self.refusal.get_or_insert(StoreRefusal::Incomplete);
        Err(Abandoned)
    }

    fn wake(&mut self) {
        for waker in self.readers.iter_mut().flatten().filter_map(|place| place.waker.take()) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
