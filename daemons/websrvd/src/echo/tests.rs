//! The echo and the reflector on real sockets.

use std::net::Ipv4Addr;

use selat_proto::stamp::{
    ErrorEstimate, Key, LIGHT_LEN, OPEN_LEN, Packet, ReflectorPacket, SEALED_LEN, Timestamp,
    TimestampFormat, tlv,
};
use tokio::net;
use tokio::task::JoinHandle;

use super::*;

/// An echo on a port of its own, and what it counted.
struct Echo {
    addr: SocketAddr,
    counters: Arc<PerThread<EchoCounters>>,
    reflection: Arc<ArcSwap<Reflection>>,
    shutdown: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Echo {
    fn start(bind: Ipv4Addr, echo_ports: &[u16]) -> Self {
        let socket = UdpSocket::bind((bind, 0)).expect("a socket");
        let addr = socket.local_addr().expect("its address");
        let counters = Arc::new(PerThread::new(1));
        let shutdown = CancellationToken::new();
        let reflection =
            Arc::new(ArcSwap::from_pointee(Reflection { is_on: true, keys: Keys::default() }));
        let rules =
            EchoRules { echo_ports: echo_ports.into(), reflection: Arc::clone(&reflection) };
        let task = tokio::spawn(serve(socket, rules, Arc::clone(&counters), shutdown.clone()));
        Self { addr, counters, reflection, shutdown, task }
    }

    /// As a reload does.
    fn configure(&self, is_on: bool, keys: Keys) {
        self.reflection.store(Arc::new(Reflection { is_on, keys }));
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
        let Ok(Packet::Reflector(reflected)) = Packet::decode(&answer) else {
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
    let without_error_estimate = [&probe[..12], &[0, 0], &probe[14..]].concat();
    for payload in [&probe[..LIGHT_LEN - 1], &[0; 60], &without_error_estimate] {
        assert_eq!(ask(&client, payload, echo.addr).await, payload);
    }
    assert_eq!(echo.counters.sum(|counters| counters.reflected.value()), 0);
}

#[tokio::test]
async fn probes_are_echoed_where_the_reflector_is_off() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let (client, (probe, _)) = (client().await, probe(172));
    echo.configure(false, Keys::default());
    assert_eq!(ask(&client, &probe, echo.addr).await, probe);
    echo.configure(true, Keys::default());
    assert_ne!(ask(&client, &probe, echo.addr).await, probe);
}

#[tokio::test]
async fn a_twamp_light_probe_is_answered_with_the_base_packet_and_its_own_padding() {
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let client = client().await;
    let (mut light, packet) = probe(172);
    light[LIGHT_LEN..].iter_mut().zip(0_u8..).for_each(|(byte, pad)| *byte = pad ^ 0x5a);
    for (count, (len, answered)) in
        [(14, 44), (41, 44), (44, 44), (172, 172)].into_iter().enumerate()
    {
        let answer = ask(&client, &light[..len], echo.addr).await;
        assert_eq!(answer.len(), answered);
        assert_eq!(answer[OPEN_LEN..], light[OPEN_LEN..len.max(OPEN_LEN)]);
        let Ok(Packet::Reflector(reflected)) = Packet::decode(&answer) else {
            panic!("{answer:?}")
        };
        assert_eq!((reflected.seq as usize, reflected.sender_seq, reflected.ssid), (count, 7, 0));
        assert_eq!(reflected.sender_sent, packet.sent);
    }
}

/// An authenticated probe of `len` bytes that asks for telemetry under an HMAC, of session 9.
fn sealed_probe(len: usize, key: &Key) -> Vec<u8> {
    let (_, packet) = probe(OPEN_LEN);
    let mut probe = vec![0; len];
    sealed::encode_probe(&packet, &mut probe, key).expect("room");
    tlv::request_sealed(&mut probe[SEALED_LEN..]);
    tlv::seal(packet.seq, &mut probe[SEALED_LEN..], key);
    probe
}

#[tokio::test]
async fn an_authenticated_probe_is_answered_with_authentication() {
    let key = Key::new(&[3; 32]).expect("a key");
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    echo.configure(true, Keys::single(key.clone()));
    let client = client().await;
    for (count, len) in [112, 120, 172].into_iter().enumerate() {
        let answer = ask(&client, &sealed_probe(len, &key), echo.addr).await;
        assert_eq!(answer.len(), len);
        let reflected: ReflectorPacket = sealed::decode_answer(&answer, &key).expect("genuine");
        assert_eq!((reflected.seq as usize, reflected.sender_seq, reflected.ssid), (count, 7, 9));
        assert!(reflected.residence().is_some());
        assert!(tlv::is_intact(reflected.seq, &answer[SEALED_LEN..], &key));
        let told = tlv::follow_up(&answer[SEALED_LEN..]).map(|told| told.seq);
        assert_eq!(told, (len == 172).then_some(1));
    }
}

#[tokio::test]
async fn a_session_with_a_key_is_answered_to_nobody_else_and_others_as_before() {
    let (ours, other) = ("11".repeat(32), "22".repeat(32));
    let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
    let [right, wrong] = [0x11, 0x22].map(|byte| Key::new(&[byte; 32]).expect("a key"));
    let client = client().await;
    let nothing = async |keys: &str, probe: &[u8], reason: DropReason| {
        echo.configure(true, Keys::parse(keys).expect("keys"));
        let before = echo.dropped(reason);
        client.send_to(probe, echo.addr).await.expect("sent");
        // What comes next is answered, so that the probe was not.
        assert_eq!(ask(&client, b"after it", echo.addr).await, b"after it");
        assert_eq!(echo.dropped(reason), before + 1, "{reason:?}");
    };
    let mut forged = sealed_probe(172, &right);
    forged[111] ^= 1;
    nothing(&ours, &forged, DropReason::WrongHmac).await;
    nothing(&ours, &sealed_probe(172, &wrong), DropReason::WrongHmac).await;
    nothing(&format!("8 = {other}"), &sealed_probe(172, &right), DropReason::NoKey).await;
    nothing(&ours, &probe(172).0, DropReason::Unauthenticated).await;
    nothing(&ours, &probe(172).0[..LIGHT_LEN], DropReason::Unauthenticated).await;
    echo.configure(true, Keys::parse(&format!("9 = {ours}\n8 = {other}")).expect("keys"));
    let answer = ask(&client, &sealed_probe(112, &right), echo.addr).await;
    assert!(sealed::is_genuine(&answer, &right));
    // The session of this probe has no key.
    let (mut open, packet) = probe(172);
    SenderPacket { ssid: 10, ..packet }.encode(&mut open).expect("room");
    let answer = ask(&client, &open, echo.addr).await;
    assert!(matches!(Packet::decode(&answer), Ok(Packet::Reflector(_))), "{answer:?}");
}

#[tokio::test]
async fn answers_of_every_form_end_at_another_reflector() {
    let key = Key::new(&[3; 32]).expect("a key");
    let (one, other) = (Echo::start(Ipv4Addr::LOCALHOST, &[]), client().await);
    let light = ask(&other, &probe(60).0[..LIGHT_LEN], one.addr).await;
    one.configure(true, Keys::single(key.clone()));
    let sealed = ask(&other, &sealed_probe(172, &key), one.addr).await;
    one.configure(true, Keys::default());
    for answer in [&light[..], &light[..41], &sealed] {
        other.send_to(answer, one.addr).await.expect("sent");
    }
    assert_eq!(ask(&other, b"after it", one.addr).await, b"after it");
    assert_eq!(one.dropped(DropReason::ReflectorAnswer), 3);
}

#[tokio::test]
async fn another_reflectors_answer_is_not_answered_whatever_is_configured() {
    for is_reflector in [true, false] {
        let (one, other) = (Echo::start(Ipv4Addr::LOCALHOST, &[]), client().await);
        let answer = ask(&other, &probe(172).0, one.addr).await;
        one.configure(is_reflector, Keys::default());
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
