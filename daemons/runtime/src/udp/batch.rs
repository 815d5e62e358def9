//! Room for datagrams that are received together, and where each goes next.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::mmsg::{self, Departure, Told};
use super::socket::Received;

/// Datagrams in a batch. More would save little: most of the cost of a datagram is in the network
/// stack, not in the system call.
pub const BATCH_DATAGRAMS: usize = 32;

/// Default room for one datagram, bytes: what a 16-bit UDP length can say, so that nothing is ever
/// truncated. A page of it is resident only once a datagram was long enough to touch it.
pub const DATAGRAM_BYTES: usize = 64 * 1024;

/// Where a datagram lies in memory and where it goes.
#[derive(Debug)]
struct Slot {
    start: usize,
    len: usize,
    peer: SocketAddr,
    local: Option<IpAddr>,
    stamp: Stamp,
    kept: bool,
}

/// What the kernel tells of a datagram's arrival on a socket that was asked to by
/// [`super::DatagramSocket::report_arrival`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Wall time at which it came in, since the Unix epoch.
    pub since_epoch: Option<Duration>,
    /// TTL or hop limit that it came with.
    pub hops_left: Option<u8>,
}

/// Up to [`BATCH_DATAGRAMS`] datagrams in memory that is taken once.
#[derive(Debug)]
pub struct Batch {
    memory: Box<[u8]>,
    datagram_bytes: usize,
    pieces_used: usize,
    slots: Vec<Slot>,
}

/// A received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What it carries; may be empty.
    pub payload: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// Address it was sent to, where the socket is bound to a wildcard address.
    pub local: Option<IpAddr>,
}

impl Datagram<'_> {
    /// Whether it claims to come from the very socket, bound to `own`, that received it. Answering
    /// it would go on for ever.
    pub fn came_from(&self, own: SocketAddr) -> bool {
        self.peer.port() == own.port() && self.peer.ip() == self.local.unwrap_or(own.ip())
    }
}

impl Batch {
    /// An empty batch with room for datagrams of any length.
    pub fn new() -> Self {
        Self::with_datagram_bytes(DATAGRAM_BYTES)
    }

    /// An empty batch; a datagram longer than `datagram_bytes` is dropped as truncated.
    pub fn with_datagram_bytes(datagram_bytes: usize) -> Self {
        let memory = vec![0; BATCH_DATAGRAMS * datagram_bytes].into_boxed_slice();
        let slots = Vec::with_capacity(BATCH_DATAGRAMS);
        Self { memory, datagram_bytes, pieces_used: 0, slots }
    }

    /// Datagrams in it, kept or not.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether there is no room for another datagram.
    pub fn is_full(&self) -> bool {
        self.pieces_used == BATCH_DATAGRAMS
    }

    /// Forgets every datagram.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.pieces_used = 0;
    }

    /// The `index`th datagram; `None` past the end.
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let slot = self.slots.get(index)?;
        Some(Datagram { payload: self.payload(index), peer: slot.peer, local: slot.local })
    }

    /// What the kernel told of the `index`th datagram's arrival; nothing past the end.
    pub fn stamp(&self, index: usize) -> Stamp {
        self.slots.get(index).map_or(Stamp::default(), |slot| slot.stamp)
    }

    /// The bytes of the `index`th datagram, to be changed in place; `None` past the end.
    pub fn payload_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        let &Slot { start, len, .. } = self.slots.get(index)?;
        self.memory.get_mut(start..start + len)
    }

    /// Makes the `index`th datagram `len` bytes long, up to the room that it has: shorter, or longer by
    /// zeros.
    pub fn resize(&mut self, index: usize, len: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (before, len) = (slot.len, len.min(self.datagram_bytes));
        slot.len = len;
        if let Some(added) = self.memory.get_mut(slot.start + before..slot.start + len) {
            added.fill(0);
        }
    }

    /// Every datagram, in the order of receipt.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.len()).filter_map(|index| self.datagram(index))
    }

    /// Leaves the `index`th datagram out of the next send.
    pub fn discard(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.kept = false;
        }
    }

    /// Sends the `index`th datagram to `peer` instead of back to its sender, from the address
    /// `local` where that is given.
    pub fn redirect(&mut self, index: usize, peer: SocketAddr, local: Option<IpAddr>) {
        if let Some(slot) = self.slots.get_mut(index) {
            (slot.peer, slot.local) = (peer, local);
        }
    }

    /// Appends what the socket has now, as far as there is room. Truncated datagrams are left out.
    pub(super) fn fill(&mut self, fd: BorrowedFd<'_>) -> io::Result<Received> {
        let (first, piece) = (self.pieces_used * self.datagram_bytes, self.datagram_bytes);
        let slots = &mut self.slots;
        let mut received = Received::default();
        let pieces = mmsg::receive(fd, &mut self.memory[first..], piece, |index, arrival| {
            if arrival.truncated {
                received.truncated += 1;
                return;
            }
            let (start, len) = (first + index * piece, arrival.len.min(piece));
            received.datagrams += 1;
            received.bytes += len as u64;
            let Told { local, stamped, hops_left } = arrival.told;
            let stamp = Stamp { since_epoch: stamped, hops_left };
            slots.push(Slot { start, len, peer: arrival.peer, local, stamp, kept: true });
        })?;
        self.pieces_used += pieces;
        Ok(received)
    }

    /// What is kept, addressed.
    pub(super) fn kept(&self) -> impl Iterator<Item = Departure<'_>> {
        (0..self.len()).filter(|&index| self.slots[index].kept).map(|index| Departure {
            payload: self.payload(index),
            to: Some((self.slots[index].peer, self.slots[index].local)),
        })
    }

    /// A run of datagrams for a connected socket.
    pub(super) fn run(&self, run: Range<usize>) -> impl Iterator<Item = Departure<'_>> {
        run.filter(|&index| index < self.len())
            .map(|index| Departure { payload: self.payload(index), to: None })
    }

    fn payload(&self, index: usize) -> &[u8] {
        let Slot { start, len, .. } = self.slots[index];
        &self.memory[start..start + len]
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
