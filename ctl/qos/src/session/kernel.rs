//! What the kernel knows of a datagram and of a socket: when it came in, how many were dropped.

use std::io::{IoSlice, IoSliceMut};
use std::mem::size_of;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use rustix::io::Errno;

/// Values of `SO_MEMINFO`; the last is the count of datagrams that the socket dropped
/// (`SK_MEMINFO_DROPS`, include/uapi/linux/sock_diag.h).
const MEMINFO_VALUES: usize = 9;

/// A datagram that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Bytes in the buffer.
    pub(crate) len: usize,
    /// Wall time at which the kernel took it in, since the Unix epoch; `None` where it does not say.
    pub(crate) stamped: Option<Duration>,
}

/// Asks the kernel to stamp what `socket` receives (`SO_TIMESTAMPNS`, socket(7)). What comes in the
/// first moments, before the network stack has switched stamping on, is stamped when it is read.
pub(crate) fn stamp_arrivals(socket: &UdpSocket) -> nix::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)
}

/// Reads one datagram without waiting; what does not fit into `buffer` is cut off.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<Arrival, Errno> {
    let mut vectors = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(TimeSpec);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut vectors, Some(&mut control), flags)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
    let stamped = message.cmsgs().ok().and_then(|mut found| found.find_map(stamp));
    Ok(Arrival { len: message.bytes, stamped })
}

/// Sends `datagrams`, each of `size` bytes, with one call (`UDP_SEGMENT`, udp(7)): what the network
/// stack does for each datagram it does for all of them at once.
pub(crate) fn send_bundle(socket: &UdpSocket, datagrams: &[u8], size: u16) -> Result<(), Errno> {
    let control = [ControlMessage::UdpGsoSegments(&size)];
    let vectors = [IoSlice::new(datagrams)];
    sendmsg::<()>(socket.as_raw_fd(), &vectors, &control, MsgFlags::empty(), None)
        .map(drop)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

fn stamp(message: ControlMessageOwned) -> Option<Duration> {
    match message {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    }
}

/// Datagrams that `socket` dropped since it was opened because its buffer was full: the counter
/// behind `SO_RXQ_OVFL`, which itself tells only of drops before a datagram that is read.
/// `None` where the kernel does not say (Linux before 4.12).
#[expect(unsafe_code, reason = "no safe wrapper of SO_MEMINFO exists")]
pub(crate) fn overruns(socket: &UdpSocket) -> Option<u64> {
    let mut values = [0_u32; MEMINFO_VALUES];
    let mut len = size_of::<[u32; MEMINFO_VALUES]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `values`, which has that many, and then the
    // number written to `len`; both live to the end of this function.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    let is_whole = done == 0 && len as usize == size_of::<[u32; MEMINFO_VALUES]>();
    values.last().copied().map(u64::from).filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use socket2::SockRef;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let bound = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (sender, receiver) = (bound(), bound());
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    #[test]
    fn an_arrival_carries_the_wall_time_at_which_it_came_in() {
        let (sender, receiver) = pair();
        stamp_arrivals(&receiver).unwrap();
        let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let before = wall();
        sender.send(b"probe").unwrap();
        let arrival = receive(&receiver, &mut [0; 16]).unwrap();
        assert_eq!(arrival.len, 5);
        assert!((before..=wall()).contains(&arrival.stamped.unwrap()), "{arrival:?}");
    }

    #[test]
    fn an_arrival_is_not_stamped_where_nobody_asked() {
        let (sender, receiver) = pair();
        sender.send(b"probe").unwrap();
        assert_eq!(receive(&receiver, &mut [0; 16]), Ok(Arrival { len: 5, stamped: None }));
        assert_eq!(receive(&receiver, &mut [0; 16]), Err(Errno::AGAIN));
    }

    #[test]
    fn a_bundle_arrives_as_the_datagrams_that_it_is_of() {
        let (sender, receiver) = pair();
        send_bundle(&sender, b"onetwosix", 3).unwrap();
        let mut buffer = [0; 16];
        for expected in [b"one", b"two", b"six"] {
            let arrival = receive(&receiver, &mut buffer).unwrap();
            assert_eq!(&buffer[..arrival.len], expected);
        }
        assert!(send_bundle(&sender, &[0; 60_000], 2).is_err(), "more datagrams than a call takes");
    }

    #[test]
    fn every_datagram_is_read_or_counted_as_an_overrun() {
        const SENT: u64 = 2_000;
        let (sender, receiver) = pair();
        SockRef::from(&receiver).set_recv_buffer_size(16 << 10).unwrap();
        assert_eq!(overruns(&receiver), Some(0));
        for _ in 0..SENT {
            sender.send(&[0; 512]).unwrap();
        }
        let mut read = 0;
        while receive(&receiver, &mut [0; 512]).is_ok() {
            read += 1;
        }
        assert!(read < SENT);
        assert_eq!(overruns(&receiver), Some(SENT - read));
    }
}
