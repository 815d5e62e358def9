//! A reflector of this process on the loopback device: the other end of a run that measures nothing
//! but this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use selat_proto::stamp::recognise::{Datagram, recognise};
use selat_proto::stamp::{OPEN_LEN, ReflectorPacket, Timestamp, tlv};

use super::kernel;
use super::spec::SIZE_MAX;

/// How late the end may be noticed.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// The TTL that is reported: the packets never leave the host.
const TTL: u8 = 255;

/// Answers the first client that sends to it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    pub(crate) fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Where the kernel cannot, the times are taken here.
        let _ = kernel::stamp_arrivals(&socket);
        let addr = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("qos-loopback".to_owned())
            .spawn(move || reflect_until(&socket, &stopped))?;
        Ok(Self { addr, stop, thread: Some(thread) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reflector that panicked answers nothing more, which the run shows as loss.
            let _ = thread.join();
        }
    }
}

fn reflect_until(socket: &UdpSocket, stop: &AtomicBool) {
    let mut datagram = vec![0; SIZE_MAX];
    let mut last = tlv::FollowUp::default();
    let mut count = 0;
    let mut is_connected = false;
    while !stop.load(Relaxed) {
        let mut waiting = [PollFd::new(socket, PollFlags::IN)];
        if !poll(&mut waiting, Some(&TICK)).is_ok_and(|ready| ready > 0) {
            continue;
        }
        if !is_connected {
            let client = socket.peek_from(&mut datagram[..1]);
            is_connected = client.is_ok_and(|(_, client)| socket.connect(client).is_ok());
        }
        while let Ok(arrival) = kernel::receive(socket, &mut datagram) {
            let received = arrival.stamped.unwrap_or_else(since_epoch);
            let Some(probe) = datagram.get_mut(..arrival.len) else { continue };
            if let Some(sent) = reflect(probe, count, received, last) {
                last = tlv::FollowUp { seq: count, sent };
                count += 1;
                // What cannot be sent is a loss, as on any path.
                let _ = socket.send(probe);
            }
        }
    }
}

/// Makes a probe its answer; returns T3, or nothing if it is no probe.
fn reflect(
    probe: &mut [u8],
    count: u32,
    received: Duration,
    last: tlv::FollowUp,
) -> Option<Timestamp> {
    let now = since_epoch();
    let Some(Datagram::Open(packet)) = recognise(probe, now) else { return None };
    let (received, sent) = (Timestamp::from_unix(received), Timestamp::from_unix(now));
    ReflectorPacket::answering(&packet, count, received, sent, TTL).encode(probe).ok()?;
    tlv::reflect(&mut probe[OPEN_LEN..], last);
    Some(sent)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
