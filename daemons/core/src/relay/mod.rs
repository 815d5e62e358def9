//! Who talks to whom through the UDP relay, decided without a socket or a clock.
//!
//! 1. [`Sessions::handle`] says what to do with a client's datagram: forward it on a session, open
//!    one, or drop it for a [`DropReason`].
//! 2. [`Sessions::reply`] says which client an upstream's datagram belongs to.
//! 3. [`Sessions::expire`] ends what was idle too long; [`Sessions::next_timeout`] says when to ask.

mod addr;
mod limits;
mod order;
mod reason;
mod session;
mod sessions;

pub use addr::{ClientAddr, ClientNetwork, UpstreamAddr};
pub use limits::{Limits, Rate, TokenBucket};
pub use reason::DropReason;
pub use session::{Past, Session, SessionId, Traffic};
pub use sessions::{PAGE_SLOTS, Sessions, Verdict};
