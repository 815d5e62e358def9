//! The echo and the reflector on real sockets.

use std::net::Ipv4Addr;

use selat_proto::stamp::{ErrorEstimate, OPEN_LEN, SenderPacket, Timestamp, TimestampFormat, tlv};
use tokio::net;
use tokio::task::JoinHandle;

use super::*;

/// An echo on a port of its own, and what it counted.
struct Echo {
    addr: SocketAddr,
    counters: Arc<PerThread<EchoCounters>>,
    is_reflector: Arc<AtomicBool>,
    shutdown: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Echo {
    fn start(bind: Ipv4Addr, echo_ports: &[u16]) -> Self {
        let socket = UdpSocket::bind((bind, 0)).expect("a socket");
        let addr = socket.local_addr().expect("its address");
        let counters = Arc::new(PerThread::new(1));
        let shutdown = CancellationToken::new();
        let is_reflector = Arc::new(AtomicBool::new(true));
        let rules =
            EchoRules { echo_ports: echo_ports.into(), is_reflector: Arc::clone(&is_reflector) };
        let task = tokio::spawn(serve(socket, rules, Arc::clone(&counters), shutdown.clone()));
        Self { addr, counters, is_reflector, shutdown, task }
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.sum(|counters| counters.dropped.value(reason.index()))
    }
}

async fn client() -> net::UdpSocket {
    net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket")
}

async fn ask(client: &net::UdpSocket, payload: &[u8], echo: SocketAddr) -> Vec<u8> {
    client.send_to(payload, echo).await.expect("sent");
    let mut answer = vec![0; 70_000];
    let (len, from) = client.recv_from(&mut answer).await.expect("an answer");
    assert_eq!(from, echo);
    answer.truncate(len);
    answer
}

#[tokio::test]
async fn every_sender_gets_its_own_bytes_back() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let sizes = [0, 1, 172, 1_472, 9_000, 65_507];
    for size in sizes {
        let client = client().await;
        let payload: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
        assert_eq!(ask(&client, &payload, echo.addr).await, payload, "{size} bytes");
    }
    assert_eq!(echo.counters.sum(|counters| counters.received.value()), 6);
    let bytes = sizes.iter().sum::<u64>();
    assert_eq!(echo.counters.sum(|counters| counters.answered.value()), 6);
    assert_eq!(echo.counters.sum(|counters| counters.answered_bytes.value()), bytes);
}

#[tokio::test]
async fn the_answer_comes_from_the_address_that_was_asked() {
    let echo = Echo::start(Ipv4Addr::UNSPECIFIED, &[]);
    let asked = SocketAddr::from(([127, 0, 0, 2], echo.addr.port()));
    assert_eq!(ask(&client().await, b"probe", asked).await, b"probe");
}

/// A probe of `len` bytes that asks for telemetry, and its packet.
fn probe(len: usize) -> (Vec<u8>, SenderPacket) {
    let sent = Timestamp::from_unix(since_epoch());
    let error = ErrorEstimate::UNSYNCHRONISED;
    let packet = SenderPacket { seq: 7, sent, error, ssid: 9 };
    let mut probe = vec![0; len];
    packet.encode(&mut probe).expect("room");
    tlv::request(&mut probe[OPEN_LEN..]);
    (probe, packet)
}

#[tokio::test]
async fn a_probe_is_reflected_with_its_length_its_ttl_and_when_it_came() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let client = client().await;
    client.set_ttl(61).expect("an option");
    for (count, len) in [44, 47, 172, 1_472].into_iter().enumerate() {
        let before = since_epoch();
        let (probe, packet) = probe(len);
        let answer = ask(&client, &probe, echo.addr).await;
        assert_eq!(answer.len(), len);
        let Some(Packet::Reflector(reflected)) = Packet::recognise(&answer) else {
            panic!("{answer:?}");
        };
        assert_eq!((reflected.seq as usize, reflected.sender_seq), (count, 7));
        assert_eq!((reflected.sender_sent, reflected.ssid), (packet.sent, 9));
        assert_eq!(reflected.sender_ttl, 61);
        let format = TimestampFormat::Ntp;
        let (t2, t3) = (reflected.received, reflected.sent);
        let within = t2.nanos_since(before, format) >= 0 && t3.since(t2, format).is_some();
        assert!(within && t3.nanos_since(since_epoch(), format) <= 0);
    }
    assert_eq!(echo.counters.sum(|counters| counters.reflected.value()), 4);
    assert_eq!(echo.counters.sum(|counters| counters.sessions.value()), 1);
}

#[tokio::test]
async fn what_is_no_probe_to_the_last_byte_is_echoed() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let client = client().await;
    let (probe, _) = probe(60);
    let mut other = probe.clone();
    other[43] = 1;
    for payload in [&probe[..43], &[0; 60], &other] {
        assert_eq!(ask(&client, payload, echo.addr).await, payload);
    }
    assert_eq!(echo.counters.sum(|counters| counters.reflected.value()), 0);
}

#[tokio::test]
async fn probes_are_echoed_where_the_reflector_is_off() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let (client, (probe, _)) = (client().await, probe(172));
    echo.is_reflector.store(false, Relaxed);
    assert_eq!(ask(&client, &probe, echo.addr).await, probe);
    echo.is_reflector.store(true, Relaxed);
    assert_ne!(ask(&client, &probe, echo.addr).await, probe);
}

#[tokio::test]
async fn another_reflectors_answer_is_not_answered_whatever_is_configured() {
    for is_reflector in [true, false] {
        let (one, other) = (Echo::start(Ipv4Addr::LOCALHOST, &[]), client().await);
        let answer = ask(&other, &probe(172).0, one.addr).await;
        one.is_reflector.store(is_reflector, Relaxed);
        other.send_to(&answer, one.addr).await.expect("sent");
        assert_eq!(ask(&other, b"after it", one.addr).await, b"after it");
        assert_eq!(one.dropped(DropReason::ReflectorAnswer), 1);
    }
}

#[tokio::test]
async fn another_echo_is_not_answered() {
    let (other, client) = (client().await, client().await);
    let port = other.local_addr().expect("its address").port();
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[port]);
    other.send_to(b"loop", echo.addr).await.expect("sent");
    assert_eq!(ask(&client, b"after it", echo.addr).await, b"after it");
    assert_eq!(echo.dropped(DropReason::ReservedPort), 1);
    assert_eq!(
        other.try_recv(&mut [0; 8]).map_err(|error| error.kind()),
        Err(io::ErrorKind::WouldBlock)
    );
}

#[tokio::test]
async fn shutdown_ends_it() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    echo.shutdown.cancel();
    echo.task.await.expect("no panic").expect("no error");
}

#[test]
fn what_would_loop_is_refused() {
    let own: SocketAddr = "192.0.2.1:9000".parse().expect("an address");
    let cases = [
        ("198.51.100.7:40000", None, None),
        ("198.51.100.7:7", None, Some(DropReason::ReservedPort)),
        ("198.51.100.7:19", None, Some(DropReason::ReservedPort)),
        ("198.51.100.7:0", None, Some(DropReason::ReservedPort)),
        ("198.51.100.7:9000", None, Some(DropReason::ReservedPort)),
        ("198.51.100.7:9001", None, Some(DropReason::ReservedPort)),
        ("192.0.2.1:9000", None, Some(DropReason::OwnAddress)),
        ("192.0.2.1:40000", None, None),
        ("127.0.0.1:9000", Some("127.0.0.1"), Some(DropReason::OwnAddress)),
    ];
    for (peer, local, expected) in cases {
        let datagram = Datagram {
            payload: b"",
            peer: peer.parse().expect("an address"),
            local: local.map(|ip| ip.parse().expect("an address")),
        };
        assert_eq!(refusal(&datagram, own, &[9000, 9001]), expected, "{peer}");
    }
}

#[test]
fn every_reason_has_a_place_of_its_own() {
    for (place, reason) in DropReason::ALL.into_iter().enumerate() {
        assert_eq!(reason.index(), place);
        assert!(!reason.as_str().is_empty());
    }
}
