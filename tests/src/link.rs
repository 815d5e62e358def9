//! A UDP link between clients and a server that loses, repeats, reorders and delays datagrams by a
//! known pattern: what happens to a datagram depends on its number in its direction alone.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::stamped;

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
    /// Several in a row are lost.
    pub burst: Burst,
    /// Every so manieth comes twice; 0 for none.
    pub duplicate_every: u64,
    /// Every so manieth comes after its successor, and never where it has none; 0 for none.
    pub swap_every: u64,
    /// Each comes so much later.
    pub delay: Duration,
    /// Each comes up to so much later still, drawn by its number alone.
    pub spread: Duration,
}

/// Datagrams that are lost one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Burst {
    /// Every so manieth is the first of them; 0 for none.
    pub every: u64,
    /// How many are lost each time; fewer than `every`.
    pub length: u64,
}

impl Pattern {
    /// What comes of `datagrams`, in the order in which it does.
    pub fn carry<T: Clone>(self, datagrams: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut order = Order::new(self);
        datagrams.into_iter().flat_map(|datagram| order.take(datagram)).collect()
    }

    /// How much later each of `count` datagrams comes, of a direction that neither loses nor repeats nor swaps any.
    pub fn delays(self, count: u64) -> impl Iterator<Item = Duration> {
        (0..count).map(move |number| self.delay_of(number))
    }

    fn loses(&self, number: u64) -> bool {
        let Burst { every, length } = self.burst;
        let is_in_burst = every > 0 && number >= every && number % every < length;
        is_in_burst || Self::is_due(self.drop_every, number)
    }

    /// Whether the datagram `number` is one of every `period`.
    fn is_due(period: u64, number: u64) -> bool {
        period > 0 && number.is_multiple_of(period)
    }

    /// How much later the datagram that leaves as `number` comes.
    fn delay_of(&self, number: u64) -> Duration {
        // Steele, Lea and Flood's mixing of a counter: alike for every run, without a pattern.
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let share = (mixed >> 40) as f64 / f64::from(1_u32 << 24);
        self.delay + self.spread.mul_f64(share)
    }
}

/// A running link. Its threads end with the test's process.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    held: [Held; 2],
}

/// How long each datagram of a direction was held, in the order in which they left.
type Held = Arc<Mutex<Vec<Duration>>>;

impl Link {
    /// A link to `server` with a pattern for what clients send (`up`) and for what they get (`down`).
    #[must_use]
    pub fn start(server: SocketAddr, up: Pattern, down: Pattern) -> Self {
        let front = socket();
        let address = front.local_addr().unwrap();
        let held: [Held; 2] = Default::default();
        let [held_up, held_down] = held.clone();
        thread::spawn(move || {
            let mut clients: HashMap<SocketAddr, Direction> = HashMap::new();
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            while let Ok((len, client, arrived)) = stamped::receive(&front, &mut datagram) {
                let direction = clients.entry(client).or_insert_with(|| {
                    let back = socket();
                    back.connect(server).unwrap();
                    let answer = front.try_clone().unwrap();
                    let send = move |datagram: &[u8]| answer.send_to(datagram, client);
                    let direction = Direction::new(down, Arc::clone(&held_down), send);
                    receive(back.try_clone().unwrap(), direction);
                    let send = move |datagram: &[u8]| back.send(datagram);
                    Direction::new(up, Arc::clone(&held_up), send)
                });
                direction.take(&datagram[..len], arrived);
            }
        });
        Self { address, held }
    }

    /// Where clients send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long each datagram was held in all, there and back: of links that lose, repeat and swap
    /// none, in the order of the clients' sending.
    #[must_use]
    pub fn held(&self) -> Vec<Duration> {
        let [up, down] = &self.held;
        let (up, down) = (up.lock().unwrap(), down.lock().unwrap());
        up.iter().zip(down.iter()).map(|(up, down)| *up + *down).collect()
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES).unwrap();
    stamped::stamp(&socket);
    socket
}

/// Carries what the server answers back along `direction`.
fn receive(back: UdpSocket, mut direction: Direction) {
    thread::spawn(move || {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        // An ICMP message from a server that is gone must not end the link.
        loop {
            if let Ok((len, _, arrived)) = stamped::receive(&back, &mut datagram) {
                direction.take(&datagram[..len], arrived);
            }
        }
    });
}

/// One way of one client.
struct Direction {
    order: Order<Vec<u8>>,
    line: Sender<(Duration, Vec<u8>)>,
}

impl Direction {
    fn new<T>(
        pattern: Pattern,
        held: Held,
        send: impl Fn(&[u8]) -> std::io::Result<T> + Send + 'static,
    ) -> Self {
        let (line, arrivals) = mpsc::channel();
        thread::spawn(move || deliver(&arrivals, pattern, &held, send));
        Self { order: Order::new(pattern), line }
    }

    fn take(&mut self, datagram: &[u8], arrived: Duration) {
        for datagram in self.order.take(datagram.to_vec()) {
            // The thread at the other end lives as long as this one.
            let _ = self.line.send((arrived, datagram));
        }
    }
}

/// Which datagrams leave, how often, and after which others.
struct Order<T> {
    pattern: Pattern,
    number: u64,
    held: Option<T>,
}

impl<T: Clone> Order<T> {
    fn new(pattern: Pattern) -> Self {
        Self { pattern, number: 0, held: None }
    }

    /// What leaves when `datagram` comes.
    fn take(&mut self, datagram: T) -> Vec<T> {
        self.number += 1;
        let Pattern { duplicate_every, swap_every, .. } = self.pattern;
        if self.pattern.loses(self.number) {
            return Vec::new();
        }
        let mut leaving = Vec::new();
        if Pattern::is_due(duplicate_every, self.number) {
            leaving.push(datagram.clone());
        } else if Pattern::is_due(swap_every, self.number) && self.held.is_none() {
            self.held = Some(datagram);
            return leaving;
        }
        leaving.push(datagram);
        leaving.extend(self.held.take());
        leaving
    }
}

/// Sends each datagram when it is due, one after the other, and notes how long it was held.
fn deliver<T>(
    arrivals: &Receiver<(Duration, Vec<u8>)>,
    pattern: Pattern,
    held: &Mutex<Vec<Duration>>,
    send: impl Fn(&[u8]) -> std::io::Result<T>,
) {
    for (number, (arrived, datagram)) in (0..).zip(arrivals) {
        thread::sleep((arrived + pattern.delay_of(number)).saturating_sub(stamped::now()));
        // Noted before it leaves: whoever has all answers finds all of them noted.
        held.lock().unwrap().push(stamped::now().saturating_sub(arrived));
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
        let burst = Pattern { burst: Burst { every: 10, length: 3 }, ..Pattern::default() };
        let kept = [&good[..9], &good[12..19], &good[22..]].concat();
        assert_eq!(carried(burst, 18), kept);
        let all = Pattern { drop_every: 8, duplicate_every: 10, swap_every: 5, ..drop };
        let expected =
            [1, 2, 3, 4, 6, 5, 7, 9, 10, 10, 11, 12, 13, 14, 17, 15, 18, 19, 20, 20, 21, 22, 23];
        assert_eq!(carried(all, expected.len()), expected);
        assert_eq!(all.carry(good), expected);
    }
}
