//! One client's conversation with the upstream.

use std::time::Instant;

use super::addr::ClientAddr;
use super::limits::TokenBucket;

/// Handle of a session in its table. A handle that outlives its session matches no later one in the
/// same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl SessionId {
    /// The handle as one number, for an event queue that carries 64 bits.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The handle that [`SessionId::to_bits`] made.
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }

    /// Place of the session in its table, below [`Limits::sessions_max`](super::Limits) for as long
    /// as that was not lowered; a place is used again after its session ended.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// What was carried one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

impl Traffic {
    pub(super) const fn add(&mut self, len: usize) {
        self.datagrams += 1;
        self.bytes += len as u64;
    }
}

/// What is known of a session of an earlier table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Who opened it.
    pub client: ClientAddr,
    /// When its first datagram came.
    pub opened: Instant,
    /// When it last carried anything, either way.
    pub last_used: Instant,
    /// From the client to the upstream.
    pub up: Traffic,
    /// From the upstream to the client.
    pub down: Traffic,
}

/// One client's conversation with the upstream.
#[derive(Debug)]
pub struct Session {
    pub(super) id: SessionId,
    pub(super) client: ClientAddr,
    pub(super) opened: Instant,
    pub(super) last_used: Instant,
    pub(super) up: Traffic,
    pub(super) down: Traffic,
    pub(super) bucket: Option<TokenBucket>,
}

impl Session {
    /// Its handle.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Who opened it.
    pub const fn client(&self) -> ClientAddr {
        self.client
    }

    /// When its first datagram came.
    pub const fn opened(&self) -> Instant {
        self.opened
    }

    /// When it last carried anything, either way.
    pub const fn last_used(&self) -> Instant {
        self.last_used
    }

    /// From the client to the upstream.
    pub const fn up(&self) -> Traffic {
        self.up
    }

    /// From the upstream to the client.
    pub const fn down(&self) -> Traffic {
        self.down
    }
}
