//! Datagrams in batches: one system call receives or sends up to [`BATCH_DATAGRAMS`] of them.
//!
//! 1. [`DatagramSocket::receive`] waits, then appends what is there to a [`Batch`].
//! 2. The caller looks at each datagram and keeps it as it is (a reply to its sender), redirects it
//!    or discards it.
//! 3. [`DatagramSocket::send`] sends what was kept, from the address each was sent to.
//!
//! No fault of one datagram, peer or path ends a loop over these: it is counted and passed over.

mod batch;
mod mmsg;
mod socket;
mod watch;

pub use batch::{BATCH_DATAGRAMS, Batch, DATAGRAM_BYTES, Datagram, Stamp};
pub use socket::{DatagramSocket, Received, Sent, receive_now, send_connected};
pub use watch::SocketSet;
