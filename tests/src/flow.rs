//! A UDP client that sends without pause in the background while a test does something to the daemons.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::PATIENCE;

/// Time between two datagrams.
const INTERVAL: Duration = Duration::from_millis(2);

/// A client at work: each datagram is a number of its own and is to come back.
#[derive(Debug)]
pub struct Flow {
    socket: UdpSocket,
    stop: Arc<AtomicBool>,
    received: Arc<Count>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<BTreeSet<u64>>,
}

/// How many have come back.
type Count = (Mutex<u64>, Condvar);

impl Flow {
    /// Starts to send to `target`, which answers each datagram with itself.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(target).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (stop, received) = (Arc::<AtomicBool>::default(), Arc::<Count>::default());
        let (sending, stopped) = (socket.try_clone().unwrap(), Arc::clone(&stop));
        let sender = thread::spawn(move || send(&sending, &stopped));
        let (receiving, count) = (socket.try_clone().unwrap(), Arc::clone(&received));
        let receiver = thread::spawn(move || receive(&receiving, &count));
        Self { socket, stop, received, sender, receiver }
    }

    /// Waits until `count` more datagrams have come back.
    pub fn wait_for_more(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.received.0.lock().unwrap();
        let goal = *received + count;
        while *received < goal {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing comes back any more");
            received = self.received.1.wait_timeout(received, left).unwrap().0;
        }
    }

    /// Stops, and returns how many datagrams were sent, and which of them never came back.
    #[must_use]
    pub fn stop(self) -> (u64, Vec<u64>) {
        self.stop.store(true, Relaxed);
        let sent = self.sender.join().unwrap();
        // The last one is the end of what comes back in order.
        self.socket.send(&u64::MAX.to_be_bytes()).unwrap();
        let received = self.receiver.join().unwrap();
        (sent, (0..sent).filter(|number| !received.contains(number)).collect())
    }
}

fn send(socket: &UdpSocket, stopped: &AtomicBool) -> u64 {
    let mut sent: u64 = 0;
    while !stopped.load(Relaxed) {
        socket.send(&sent.to_be_bytes()).unwrap();
        sent += 1;
        thread::sleep(INTERVAL);
    }
    sent
}

fn receive(socket: &UdpSocket, count: &Count) -> BTreeSet<u64> {
    let mut received = BTreeSet::new();
    let mut datagram = [0; 8];
    loop {
        socket.recv(&mut datagram).expect("what was sent comes back");
        match u64::from_be_bytes(datagram) {
            u64::MAX => return received,
            number => received.insert(number),
        };
        *count.0.lock().unwrap() += 1;
        count.1.notify_all();
    }
}
