//! A session as the control plane sees it.

use std::net::SocketAddr;
use std::time::Duration;

use selat_core::relay::{ClientAddr, Traffic, UpstreamAddr};

/// What a session carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Udp,
    Tcp,
}

/// A session that was open when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionInfo {
    pub(crate) protocol: Protocol,
    /// Unique in the life of the process; a later session has a higher one.
    pub(crate) number: u64,
    pub(crate) client: ClientAddr,
    pub(crate) listener: SocketAddr,
    pub(crate) upstream: UpstreamAddr,
    /// Time since it was opened.
    pub(crate) age: Duration,
    /// Time since it last carried anything, either way.
    pub(crate) idle: Duration,
    /// From the client to the upstream; datagrams are 0 for TCP.
    pub(crate) up: Traffic,
    /// From the upstream to the client; datagrams are 0 for TCP.
    pub(crate) down: Traffic,
}
