//! `recvmmsg(2)` and `sendmmsg(2)`, and nothing else: the one file of this crate's UDP that talks to
//! the kernel through raw pointers. Headers are built on the stack for each call and never outlive
//! it.
#![expect(unsafe_code, reason = "no safe wrapper of recvmmsg(2) with ancillary data exists")]

use std::io;
use std::mem::{self, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use socket2::{SockAddr, SockAddrStorage};

use super::batch::BATCH_DATAGRAMS;

/// Room for packet information of either family, a time and a hop count.
const CONTROL_BYTES: usize = 128;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// A datagram that came.
pub(super) struct Arrival {
    /// Bytes written to its piece of memory.
    pub(super) len: usize,
    pub(super) peer: SocketAddr,
    pub(super) told: Told,
    /// Whether it was longer than its piece of memory.
    pub(super) truncated: bool,
}

/// What the kernel tells of a datagram where it was asked to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Address it was sent to.
    pub(super) local: Option<IpAddr>,
    /// Wall time at which it came in, since the Unix epoch.
    pub(super) stamped: Option<Duration>,
    /// TTL or hop limit that it came with.
    pub(super) hops_left: Option<u8>,
}

/// A datagram to send: `to` is the peer and the address to send from, `None` on a connected socket.
pub(super) struct Departure<'a> {
    pub(super) payload: &'a [u8],
    pub(super) to: Option<(SocketAddr, Option<IpAddr>)>,
}

/// Asks the kernel to tell each datagram's destination: `IP_PKTINFO`, `IPV6_RECVPKTINFO`.
pub(super) fn report_destination(fd: BorrowedFd<'_>, family: &SocketAddr) -> io::Result<()> {
    let (level, option) = match family {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    switch_on(fd, level, option)
}

/// Asks the kernel to tell when each datagram came in: `SO_TIMESTAMPNS`.
pub(super) fn report_time(fd: BorrowedFd<'_>) -> io::Result<()> {
    switch_on(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)
}

/// Asks the kernel to tell each datagram's TTL or hop limit: `IP_RECVTTL`, `IPV6_RECVHOPLIMIT`. A
/// socket for IPv6 may take IPv4 too.
pub(super) fn report_hops(fd: BorrowedFd<'_>, family: &SocketAddr) -> io::Result<()> {
    if family.is_ipv6() {
        switch_on(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)?;
    }
    switch_on(fd, libc::IPPROTO_IP, libc::IP_RECVTTL)
}

fn switch_on(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` is a live c_int and the length passed is its size.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives what is there, without waiting, one datagram into each `piece` bytes of `memory`, and
/// hands them over in order. Datagrams from peers that are not IP are left out.
pub(super) fn receive(
    fd: BorrowedFd<'_>,
    memory: &mut [u8],
    piece: usize,
    mut take: impl FnMut(usize, Arrival),
) -> io::Result<usize> {
    let mut names: [SockAddrStorage; BATCH_DATAGRAMS] =
        std::array::from_fn(|_| SockAddrStorage::zeroed());
    let mut controls = [Control([0; CONTROL_BYTES]); BATCH_DATAGRAMS];
    // SAFETY: iovec and mmsghdr are plain C structures for which all zeroes is a valid value.
    let (mut vectors, mut headers): (
        [libc::iovec; BATCH_DATAGRAMS],
        [libc::mmsghdr; BATCH_DATAGRAMS],
    ) = unsafe { (mem::zeroed(), mem::zeroed()) };

    let mut count = 0;
    for (index, bytes) in memory.chunks_exact_mut(piece).take(BATCH_DATAGRAMS).enumerate() {
        vectors[index] = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let header = &mut headers[index].msg_hdr;
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_namelen = names[index].size_of();
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut controls[index]).cast();
        header.msg_controllen = CONTROL_BYTES;
        count += 1;
    }
    // SAFETY: the first `count` headers point to names, vectors and controls that live to the end of
    // this function, with their true sizes, and each vector to its own piece of `memory`.
    let received = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (index, (header, name)) in headers.iter().zip(names).take(received).enumerate() {
        if let Some(arrival) = arrival(header, name) {
            take(index, arrival);
        }
    }
    Ok(received)
}

/// Sends without waiting and returns how many the kernel took: at least one, or the first's error.
pub(super) fn send<'a>(
    fd: BorrowedFd<'_>,
    departures: impl Iterator<Item = Departure<'a>>,
) -> io::Result<usize> {
    let mut names: [Option<SockAddr>; BATCH_DATAGRAMS] = [const { None }; BATCH_DATAGRAMS];
    let mut controls = [Control([0; CONTROL_BYTES]); BATCH_DATAGRAMS];
    // SAFETY: iovec and mmsghdr are plain C structures for which all zeroes is a valid value.
    let (mut vectors, mut headers): (
        [libc::iovec; BATCH_DATAGRAMS],
        [libc::mmsghdr; BATCH_DATAGRAMS],
    ) = unsafe { (mem::zeroed(), mem::zeroed()) };

    let mut count = 0;
    for (index, departure) in departures.take(BATCH_DATAGRAMS).enumerate() {
        let payload = departure.payload;
        vectors[index] =
            libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        let header = &mut headers[index].msg_hdr;
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
        if let Some((peer, local)) = departure.to {
            let name = names[index].insert(SockAddr::from(peer));
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
            if let Some(local) = local {
                leave_from(header, &mut controls[index], local);
            }
        }
        count += 1;
    }
    // SAFETY: the first `count` headers point to names, vectors and controls that live to the end of
    // this function and to payloads borrowed for it; the kernel only reads through them.
    let sent = unsafe {
        libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn arrival(header: &libc::mmsghdr, name: SockAddrStorage) -> Option<Arrival> {
    // SAFETY: the kernel wrote `msg_namelen` bytes of an address to this storage.
    let peer = unsafe { SockAddr::new(name, header.msg_hdr.msg_namelen) }.as_socket()?;
    Some(Arrival {
        len: header.msg_len as usize,
        peer,
        told: told(&header.msg_hdr),
        truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
    })
}

/// What the control messages of a received header say.
fn told(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: `recvmmsg` filled the header's control buffer and set its length, so the walk stays
    // inside; a message's data are read unaligned and only as the type that its kind names.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (found.cmsg_level, found.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    // The local address is not noted of what came before the option was set: its
                    // header's destination stands for it.
                    told.local = one_host(info.ipi_spec_dst).or_else(|| one_host(info.ipi_addr));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    told.local = Some(ip.into()).filter(|_| !ip.is_multicast());
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    told.stamped = duration(data.cast::<libc::timespec>().read_unaligned());
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let hops = data.cast::<libc::c_int>().read_unaligned();
                    told.hops_left = u8::try_from(hops).ok();
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    told
}

fn duration(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// An address that can be sent from.
fn one_host(addr: libc::in_addr) -> Option<IpAddr> {
    let ip = Ipv4Addr::from(u32::from_be(addr.s_addr));
    (!ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast()).then_some(ip.into())
}

/// Writes packet information that makes a datagram leave from `local`; the route picks the device.
fn leave_from(header: &mut libc::msghdr, control: &mut Control, local: IpAddr) {
    header.msg_control = (&raw mut *control).cast();
    match local {
        IpAddr::V4(ip) => {
            let from = libc::in_addr { s_addr: u32::from(ip).to_be() };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: from,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_message(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(ip) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: 0,
            };
            put_message(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

/// Writes the only control message of a header whose control buffer is a whole [`Control`].
fn put_message<T>(header: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, data: T) {
    const { assert!(size_of::<libc::cmsghdr>() + size_of::<T>() <= CONTROL_BYTES) };
    let size = size_of::<T>() as libc::c_uint;
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute; the buffer is aligned for a cmsghdr and, by the
    // assertion above, has room for one with a `T` behind it.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size) as usize;
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(data);
    }
}
