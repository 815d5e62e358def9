//! Datagrams with the time at which the kernel took them in, which no thread's waking up is part of.

use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};

/// Has the kernel stamp what `socket` receives.
pub(crate) fn stamp(socket: &UdpSocket) {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).unwrap();
}

/// The wall time, which stamps are of.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Waits for a datagram over IPv4: its length, its sender, and when it came.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, Duration)> {
    let mut vectors = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(TimeSpec);
    let descriptor = socket.as_raw_fd();
    let message =
        recvmsg::<SockaddrIn>(descriptor, &mut vectors, Some(&mut control), MsgFlags::empty())?;
    let sender = message.address.map(SocketAddrV4::from).map(SocketAddr::V4);
    let stamps = message.cmsgs()?.find_map(|found| match found {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    Ok((message.bytes, sender.ok_or(io::ErrorKind::AddrNotAvailable)?, stamps.unwrap_or_else(now)))
}
