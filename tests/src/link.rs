//! A UDP link between clients and a server that loses, repeats, reorders and delays datagrams by a
//! known pattern: what happens to a datagram depends on its number in its direction alone.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

/// Bytes asked of the kernel for each socket, so that the link itself loses nothing.
const BUFFER_BYTES: usize = 4 << 20;
/// Longest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What happens to the datagrams of one direction of one client, numbered from 1. Where several apply
/// to one, the first named here does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pattern {
    /// Every so manieth is lost; 0 for none.
    pub drop_every: u64,
    /// Every so manieth comes twice; 0 for none.
    pub duplicate_every: u64,
    /// Every so manieth comes after its successor, and never where it has none; 0 for none.
    pub swap_every: u64,
    /// Each comes so much later.
    pub delay: Duration,
}

impl Pattern {
    /// Whether the datagram `number` is one of every `period`.
    fn is_due(period: u64, number: u64) -> bool {
        period > 0 && number.is_multiple_of(period)
    }
}

/// A running link. Its threads end with the test's process.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
}

impl Link {
    /// A link to `server` with a pattern for what clients send (`up`) and for what they get (`down`).
    #[must_use]
    pub fn start(server: SocketAddr, up: Pattern, down: Pattern) -> Self {
        let front = socket();
        let address = front.local_addr().unwrap();
        thread::spawn(move || {
            let mut clients: HashMap<SocketAddr, Direction> = HashMap::new();
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            while let Ok((len, client)) = front.recv_from(&mut datagram) {
                let direction = clients.entry(client).or_insert_with(|| {
                    let back = socket();
                    back.connect(server).unwrap();
                    receive(back.try_clone().unwrap(), front.try_clone().unwrap(), client, down);
                    Direction::new(up, move |datagram| back.send(datagram))
                });
                direction.take(&datagram[..len]);
            }
        });
        Self { address }
    }

    /// Where clients send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES).unwrap();
    socket
}

/// Carries what the server answers back to `client`.
fn receive(back: UdpSocket, front: UdpSocket, client: SocketAddr, pattern: Pattern) {
    thread::spawn(move || {
        let mut direction =
            Direction::new(pattern, move |datagram| front.send_to(datagram, client));
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        // An ICMP message from a server that is gone must not end the link.
        loop {
            if let Ok(len) = back.recv(&mut datagram) {
                direction.take(&datagram[..len]);
            }
        }
    });
}

/// One way of one client.
struct Direction {
    pattern: Pattern,
    number: u64,
    held: Option<Vec<u8>>,
    line: Sender<(Instant, Vec<u8>)>,
}

impl Direction {
    fn new<T>(
        pattern: Pattern,
        send: impl Fn(&[u8]) -> std::io::Result<T> + Send + 'static,
    ) -> Self {
        let (line, arrivals) = mpsc::channel();
        thread::spawn(move || deliver(&arrivals, pattern.delay, send));
        Self { pattern, number: 0, held: None, line }
    }

    fn take(&mut self, datagram: &[u8]) {
        self.number += 1;
        let Pattern { drop_every, duplicate_every, swap_every, .. } = self.pattern;
        if Pattern::is_due(drop_every, self.number) {
            return;
        }
        if Pattern::is_due(duplicate_every, self.number) {
            self.pass(datagram);
        } else if Pattern::is_due(swap_every, self.number) && self.held.is_none() {
            self.held = Some(datagram.to_vec());
            return;
        }
        self.pass(datagram);
        if let Some(held) = self.held.take() {
            self.pass(&held);
        }
    }

    fn pass(&self, datagram: &[u8]) {
        // The thread at the other end lives as long as this one.
        let _ = self.line.send((Instant::now(), datagram.to_vec()));
    }
}

/// Sends each datagram when it is due; the delay is the same for all, so the order stays.
fn deliver<T>(
    arrivals: &Receiver<(Instant, Vec<u8>)>,
    delay: Duration,
    send: impl Fn(&[u8]) -> std::io::Result<T>,
) {
    for (arrived, datagram) in arrivals {
        thread::sleep((arrived + delay).saturating_duration_since(Instant::now()));
        // What the server refuses is lost, as on any link.
        let _ = send(&datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PATIENCE;

    /// Sends 1 to 24 through a link and returns what a server behind it receives.
    fn carried(pattern: Pattern, expected: usize) -> Vec<u8> {
        let server = socket();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let link = Link::start(server.local_addr().unwrap(), pattern, Pattern::default());
        let client = socket();
        for number in 1..=24 {
            client.send_to(&[number], link.address()).unwrap();
        }
        let receive = |_| {
            let mut datagram = [0];
            server.recv(&mut datagram).unwrap();
            datagram[0]
        };
        (0..expected).map(receive).collect()
    }

    #[test]
    fn a_pattern_is_kept_to_the_datagram() {
        let good: Vec<u8> = (1..=24).collect();
        assert_eq!(carried(Pattern::default(), 24), good);
        let drop = Pattern { drop_every: 8, ..Pattern::default() };
        let kept: Vec<u8> = good.iter().copied().filter(|number| number % 8 != 0).collect();
        assert_eq!(carried(drop, 21), kept);
        let all = Pattern { drop_every: 8, duplicate_every: 10, swap_every: 5, ..drop };
        let expected =
            [1, 2, 3, 4, 6, 5, 7, 9, 10, 10, 11, 12, 13, 14, 17, 15, 18, 19, 20, 20, 21, 22, 23];
        assert_eq!(carried(all, expected.len()), expected);
    }
}
