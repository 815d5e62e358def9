//! Transparent forwarding of UDP and TCP, a session for each client.
//!
//! - UDP ([`udp`]): one task owns one listening socket, its table of sessions and their upstream
//!   sockets, so that nothing on a datagram's way is locked. Where we bind, a listener has a socket
//!   for each thread and the kernel keeps a client on one of them; an inherited descriptor is one
//!   socket and therefore one task.
//! - TCP ([`tcp`]): every thread accepts; a connection lives and dies on the thread that accepted it.
//!
//! The control plane asks for sessions a page at a time and never holds up what is relayed.

mod config;
mod ledger;
mod listeners;
mod session;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub(crate) use config::{TcpConfig, UdpConfig};
pub(crate) use listeners::Relay;
pub(crate) use session::{Protocol, SessionInfo};
pub(crate) use tcp::RefuseReason;
