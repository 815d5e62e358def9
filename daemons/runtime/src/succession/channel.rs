//! The socket between a process and its successor: packets, each a message with at most one descriptor. The end comes
//! when the other process has gone.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net,
    },
};

use prost::Message;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair, sockopt::socket_type,
};
use selat_proto::v1::{SuccessionMessage, succession_message::Step};
use tokio::{io::Interest, net::UnixDatagram};

/// Most bytes of one packet: some hundred counters with their names.
pub(super) const PACKET_BYTES_MAX: usize = 128 << 10;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(UnixDatagram);

impl Channel {
    /// Both ends: ours, and the descriptor of the other. To be called within a runtime.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::watch(ours)?, theirs))
    }

    /// The end that is `fd`. To be called within a runtime.
    pub(super) fn watch(fd: OwnedFd) -> io::Result<Self> {
        // The runtime knows no socket of this kind, but waits for any in the same way.
        let socket = net::UnixDatagram::from(fd);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixDatagram::from_std(socket)?))
    }

    /// Sends a packet, once there is room for it.
    pub(super) async fn send(&self, step: Step, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let packet = SuccessionMessage { step: Some(step) }.encode_to_vec();
        self.0.async_io(Interest::WRITABLE, || send_now(self.0.as_fd(), &packet, fd)).await
    }

    /// The next packet; `None` where the other process has gone.
    pub(super) async fn receive(&self) -> io::Result<Option<(Step, Option<OwnedFd>)>> {
        loop {
            let received = self.0.async_io(Interest::READABLE, || receive_now(self.0.as_fd()));
            let (packet, fd) = match received.await {
                // It ended without reading all; the kernel says so once, before what it had said itself.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                received => received?,
            };
            if packet.is_empty() {
                return Ok(None);
            }
            let message = SuccessionMessage::decode(packet.as_slice())?;
            // What this version does not know says nothing that it has to heed.
            if let Some(step) = message.step {
                return Ok(Some((step, fd)));
            }
        }
    }
}

/// Whether `fd` is an end of a channel.
pub(super) fn is_channel(fd: impl AsFd) -> bool {
    socket_type(fd).is_ok_and(|kind| kind == SocketType::SEQPACKET)
}

/// Says why the successor gives up, as well as that goes.
pub(super) fn give_up(fd: impl AsFd, reason: String) {
    let step = Step::Failed(selat_proto::v1::SuccessorFailed { reason });
    let packet = SuccessionMessage { step: Some(step) }.encode_to_vec();
    if let Err(error) = send_now(fd.as_fd(), &packet, None) {
        tracing::debug!(%error, "nobody hears why the start failed");
    }
}

fn send_now(socket: BorrowedFd<'_>, packet: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = fd.map(|fd| [fd]);
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(packet)], &mut ancillary, flags)?;
    Ok(())
}

fn receive_now(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, flags)?;
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a packet is too long"));
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let fd = descriptors.flatten().next();
    packet.truncate(received.bytes);
    Ok((packet, fd))
}
