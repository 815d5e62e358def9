//! A peer on a real socket, which does what a test says.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use selat_proto::stamp::{Packet, SenderPacket};

/// A peer that answers each datagram with those that `answer` makes of it.
pub(crate) struct Answering {
    pub(crate) addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Answering {
    /// One that answers so.
    pub(crate) fn new(
        mut answer: impl FnMut(SenderPacket, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a read timeout");
        let addr = socket.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut datagram = vec![0; 65_536];
            while !stopped.load(Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut datagram) else { continue };
                let Ok(Packet::Sender(probe)) = Packet::decode(&datagram[..len]) else { continue };
                for reply in answer(probe, &datagram[..len]) {
                    socket.send_to(&reply, from).expect("a reply sent");
                }
            }
        });
        Self { addr, stop, thread: Some(thread) }
    }

    /// One that sends each datagram back.
    pub(crate) fn echo() -> Self {
        Self::new(|_, datagram| vec![datagram.to_vec()])
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking(), "the peer failed");
        }
    }
}
