//! The table of sessions of one UDP listener.
//!
//! All sessions of a table have the same idle timeout, so the order of last use is the order of
//! deadlines and also the order of shedding: one list serves all three and is never searched.

use std::collections::HashMap;
use std::time::Instant;

use super::addr::{ClientAddr, ClientNetwork};
use super::limits::{Limits, TokenBucket};
use super::order::IdleOrder;
use super::reason::DropReason;
use super::session::{Past, Session, SessionId, Traffic};

/// Slots that one call of [`Sessions::page`] walks.
pub const PAGE_SLOTS: usize = 256;

/// What to do with a client's datagram.
#[derive(Debug)]
pub enum Verdict {
    /// Send it on the session's upstream socket.
    Forward(SessionId),
    /// Open an upstream socket for this new session, then send it there.
    /// [`Sessions::close`] takes the session back if that fails.
    Open {
        /// The new session.
        session: SessionId,
        /// The session that made room and is no longer in the table: its socket must be closed
        /// before the new one is kept, for the slot is the same.
        shed: Option<Session>,
    },
    /// Drop it.
    Drop(DropReason),
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    session: Option<Session>,
}

/// Who talks to the upstream of one listener.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    slots: Vec<Slot>,
    free: Vec<u32>,
    order: IdleOrder,
    by_client: HashMap<ClientAddr, u32>,
    by_network: HashMap<ClientNetwork, u32>,
    opening: TokenBucket,
}

impl Sessions {
    /// An empty table. Memory is taken as sessions open.
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            order: IdleOrder::new(),
            by_client: HashMap::new(),
            by_network: HashMap::new(),
            opening: TokenBucket::new(limits.open_rate, now),
        }
    }

    /// Sessions in the table.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether no session is in the table.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Takes up a session of an earlier table; `None` where its client has one, or the table is full. To be called
    /// for the least recently used first, and before the table is used.
    pub fn restore(&mut self, past: Past, now: Instant) -> Option<SessionId> {
        let is_full = self.len() >= self.limits.sessions_max as usize;
        if is_full || self.by_client.contains_key(&past.client) {
            return None;
        }
        Some(self.insert(past, now))
    }

    /// Decides on a datagram of `len` payload bytes from a client and counts it where it is carried.
    pub fn handle(&mut self, from: ClientAddr, len: usize, now: Instant) -> Verdict {
        match self.by_client.get(&from) {
            Some(&slot) => self.forward(slot, len, now),
            None => match self.admit(from, now) {
                Ok(shed) => Verdict::Open { session: self.open(from, len, now), shed },
                Err(reason) => Verdict::Drop(reason),
            },
        }
    }

    /// Names the client that a datagram of `len` payload bytes from the upstream belongs to and
    /// counts it; `None` if the session has ended.
    pub fn reply(&mut self, id: SessionId, len: usize, now: Instant) -> Option<ClientAddr> {
        let session = self.live_mut(id)?;
        session.down.add(len);
        let client = session.client;
        self.touch(id.slot, now);
        Some(client)
    }

    /// When [`Sessions::expire`] will next have something to end. It only ever moves later by use
    /// and earlier by [`Sessions::set_limits`], so waking at an old answer is safe.
    pub fn next_timeout(&self) -> Option<Instant> {
        let session = self.least_used()?;
        Some(session.last_used + self.limits.idle_timeout)
    }

    /// Takes out the sessions that have been idle for the timeout, longest idle first.
    pub fn expire(&mut self, now: Instant) -> impl Iterator<Item = Session> + '_ {
        std::iter::from_fn(move || {
            let due = self.next_timeout().is_some_and(|deadline| deadline <= now);
            let slot = self.order.first().filter(|_| due)?;
            self.remove(slot)
        })
    }

    /// Takes out one session; `None` if it has ended already.
    pub fn close(&mut self, id: SessionId) -> Option<Session> {
        self.live_mut(id)?;
        self.remove(id.slot)
    }

    /// A session of the table.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.slot())?.session.as_ref().filter(|session| session.id == id)
    }

    /// The sessions in the `index`th run of [`PAGE_SLOTS`] slots, `None` past the end: a table is
    /// read a page at a time, so that reading it never holds up the datagrams for long.
    pub fn page(&self, index: usize) -> Option<impl Iterator<Item = &Session>> {
        let slots = self.slots.chunks(PAGE_SLOTS).nth(index)?;
        Some(slots.iter().filter_map(|slot| slot.session.as_ref()))
    }

    /// Applies new limits. Sessions above a lowered cap stay until they are idle or shed; a changed
    /// rate applies to new sessions.
    pub fn set_limits(&mut self, limits: Limits, now: Instant) {
        if limits.open_rate != self.limits.open_rate {
            self.opening = TokenBucket::new(limits.open_rate, now);
        }
        self.limits = limits;
    }

    fn forward(&mut self, slot: u32, len: usize, now: Instant) -> Verdict {
        let Some(session) = self.slots[slot as usize].session.as_mut() else {
            return Verdict::Drop(DropReason::SessionEnded);
        };
        if session.bucket.as_mut().is_some_and(|bucket| !bucket.admit(1, now)) {
            return Verdict::Drop(DropReason::SessionRate);
        }
        session.up.add(len);
        let id = session.id;
        self.touch(slot, now);
        Verdict::Forward(id)
    }

    /// Decides whether a new client may have a session, and takes out the one that makes room.
    fn admit(&mut self, from: ClientAddr, now: Instant) -> Result<Option<Session>, DropReason> {
        if !from.is_answerable() {
            return Err(DropReason::Unanswerable);
        }
        if from.is_reserved() {
            return Err(DropReason::ReservedPort);
        }
        let of_client = self.by_network.get(&from.network()).copied().unwrap_or(0);
        if of_client >= self.limits.sessions_per_client_max {
            return Err(DropReason::ClientCap);
        }
        let full = self.len() >= self.limits.sessions_max as usize;
        if full && !self.may_shed(now) {
            return Err(DropReason::TableFull);
        }
        if !self.opening.admit(1, now) {
            return Err(DropReason::OpenRate);
        }
        let longest_idle = self.order.first().filter(|_| full);
        Ok(longest_idle.and_then(|slot| self.remove(slot)))
    }

    fn may_shed(&self, now: Instant) -> bool {
        self.least_used().is_some_and(|session| {
            now.saturating_duration_since(session.last_used) >= self.limits.shed_idle_min
        })
    }

    fn open(&mut self, client: ClientAddr, len: usize, now: Instant) -> SessionId {
        let mut up = Traffic::default();
        up.add(len);
        let down = Traffic::default();
        let id = self.insert(Past { client, opened: now, last_used: now, up, down }, now);
        let session = self.slots[id.slot()].session.as_mut();
        session.and_then(|session| session.bucket.as_mut()).map(|bucket| bucket.admit(1, now));
        id
    }

    fn insert(&mut self, past: Past, now: Instant) -> SessionId {
        let Past { client, opened, last_used, up, down } = past;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let entry = &mut self.slots[slot as usize];
        let id = SessionId { slot, generation: entry.generation };
        let bucket = self.limits.session_rate.map(|rate| TokenBucket::new(rate, now));
        entry.session = Some(Session { id, client, opened, last_used, up, down, bucket });
        self.order.push(slot);
        self.by_client.insert(client, slot);
        *self.by_network.entry(client.network()).or_default() += 1;
        id
    }

    fn remove(&mut self, slot: u32) -> Option<Session> {
        let entry = &mut self.slots[slot as usize];
        let session = entry.session.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.order.remove(slot);
        self.free.push(slot);
        self.by_client.remove(&session.client);
        self.forget_one_of(session.client.network());
        Some(session)
    }

    fn forget_one_of(&mut self, network: ClientNetwork) {
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
    }

    fn live_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.slot())?.session.as_mut().filter(|session| session.id == id)
    }

    fn least_used(&self) -> Option<&Session> {
        self.slots[self.order.first()? as usize].session.as_ref()
    }

    fn touch(&mut self, slot: u32, now: Instant) {
        if let Some(session) = self.slots[slot as usize].session.as_mut() {
            session.last_used = now;
            self.order.touch(slot);
        }
    }
}
