//! TCP sessions.

use std::io;
use std::net::{self, SocketAddr};
use std::pin::pin;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;

impl Rig {
    fn relay_tcp(&self, config: TcpConfig) -> SocketAddr {
        let addr = LOOPBACK.parse().expect("an address");
        let bound = selat_runtime::listen::bind_tcp("tcp", addr, THREADS).expect("sockets");
        let local = bound.address;
        self.relay.listen_tcp(bound, config, &self.workers);
        local
    }

    fn tcp(&self, counter: impl Fn(&ledger::TcpCounters) -> u64) -> u64 {
        self.relay.ledger().tcp().sum(counter)
    }

    fn refused(&self, reason: RefuseReason) -> u64 {
        self.tcp(|counters| counters.refused.value(reason.index()))
    }

    /// A client that is relayed, and the upstream's end of its connection.
    async fn pair(&self, listener: SocketAddr, upstream: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(listener).await.expect("connected");
        let (served, _) = upstream.accept().await.expect("accepted");
        (client, served)
    }
}

async fn upstream_socket() -> (TcpListener, TcpConfig) {
    let socket = TcpListener::bind(LOOPBACK).await.expect("a socket");
    let addr = upstream(socket.local_addr().expect("its address"));
    (socket, TcpConfig::new(addr))
}

async fn read_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end in time")?;
    Ok(bytes)
}

/// Bytes of which no two stretches are alike.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

#[tokio::test]
async fn a_client_that_has_said_all_still_gets_the_answer() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let (mut client, mut served) = rig.pair(rig.relay_tcp(config), &socket).await;
    client.write_all(b"question").await.expect("written");
    client.shutdown().await.expect("half closed");
    assert_eq!(read_all(&mut served).await.expect("a clean end"), b"question");
    served.write_all(b"answer").await.expect("written");
    drop(served);
    assert_eq!(read_all(&mut client).await.expect("a clean end"), b"answer");
    rig.until_sessions(0).await;
    assert_eq!(rig.tcp(|counters| counters.opened.value()), 1);
    assert_eq!(rig.tcp(|counters| counters.up_bytes.value()), 8);
    assert_eq!(rig.tcp(|counters| counters.down_bytes.value()), 6);
}

#[tokio::test]
async fn an_upstream_that_has_said_all_still_hears_the_client() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let (mut client, mut served) = rig.pair(rig.relay_tcp(config), &socket).await;
    served.write_all(b"greeting").await.expect("written");
    served.shutdown().await.expect("half closed");
    assert_eq!(read_all(&mut client).await.expect("a clean end"), b"greeting");
    client.write_all(b"reply").await.expect("written");
    drop(client);
    assert_eq!(read_all(&mut served).await.expect("a clean end"), b"reply");
}

#[tokio::test]
async fn large_streams_arrive_whole_both_ways_at_once() {
    const BYTES: usize = 16 << 20;
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let (client, served) = rig.pair(rig.relay_tcp(config), &socket).await;
    let sent = pattern(BYTES);
    let (mut client_reads, mut client_writes) = client.into_split();
    let (mut upstream_reads, mut upstream_writes) = served.into_split();
    let (mut down, mut up) = (Vec::new(), Vec::new());
    let all = async {
        tokio::try_join!(
            async {
                client_writes.write_all(&sent).await?;
                client_writes.shutdown().await
            },
            async {
                upstream_writes.write_all(&sent).await?;
                upstream_writes.shutdown().await
            },
            client_reads.read_to_end(&mut down),
            upstream_reads.read_to_end(&mut up),
        )
    };
    timeout(PATIENCE, all).await.expect("in time").expect("no error");
    assert!(down == sent && up == sent, "{} and {} bytes came", down.len(), up.len());
}

#[tokio::test]
async fn a_client_whose_upstream_refuses_is_closed_and_counted() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    drop(socket);
    let listener = rig.relay_tcp(config);
    // The reset may come as early as the end of the client's own handshake.
    let talk = async { read_all(&mut TcpStream::connect(listener).await?).await };
    let ended = talk.await.map_err(|error| error.kind());
    assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
    rig.until_sessions(0).await;
    assert_eq!(rig.refused(RefuseReason::UpstreamRefused), 1);
    assert_eq!(rig.tcp(|counters| counters.opened.value()), 0);
}

#[tokio::test]
async fn an_upstream_that_never_accepts_is_given_up() {
    let rig = Rig::start();
    // A full backlog: the kernel answers no further SYN.
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let addr: SocketAddr = LOOPBACK.parse().expect("an address");
    socket.bind(&addr.into()).expect("bound");
    socket.listen(0).expect("listening");
    let full = net::TcpListener::from(socket);
    let addr = full.local_addr().expect("its address");
    let _waiting = net::TcpStream::connect(addr).expect("the one place");
    let config =
        TcpConfig { connect_timeout: Duration::from_millis(50), ..TcpConfig::new(upstream(addr)) };
    let mut client = TcpStream::connect(rig.relay_tcp(config)).await.expect("connected");
    assert!(read_all(&mut client).await.is_err());
    rig.until_sessions(0).await;
    assert_eq!(rig.refused(RefuseReason::UpstreamTimeout), 1);
}

#[tokio::test]
async fn at_the_caps_connections_are_closed_and_counted() {
    let capped: [(fn(&mut TcpConfig), _); 2] = [
        (|config| config.connections_max = 1, RefuseReason::ConnectionCap),
        (|config| config.connections_per_client_max = 1, RefuseReason::ClientCap),
    ];
    for (cap, reason) in capped {
        let rig = Rig::start();
        let (socket, mut config) = upstream_socket().await;
        cap(&mut config);
        let listener = rig.relay_tcp(config);
        let (mut first, mut served) = rig.pair(listener, &socket).await;
        let mut second = TcpStream::connect(listener).await.expect("connected");
        assert_eq!(read_all(&mut second).await.expect("a clean end"), b"");
        assert_eq!(rig.refused(reason), 1, "{reason:?}");
        first.write_all(b"x").await.expect("written");
        drop(first);
        assert_eq!(read_all(&mut served).await.expect("a clean end"), b"x");
        drop(served);
        rig.until_sessions(0).await;
        rig.pair(listener, &socket).await;
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_cut() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let config = TcpConfig { idle_timeout: Duration::from_millis(30), ..config };
    let (mut client, mut served) = rig.pair(rig.relay_tcp(config), &socket).await;
    assert!(read_all(&mut client).await.is_err(), "a cut stream does not look complete");
    assert!(read_all(&mut served).await.is_err());
    rig.until_sessions(0).await;
    assert_eq!(rig.tcp(|counters| counters.expired.value()), 1);
    assert_eq!(rig.tcp(|counters| counters.sessions.value()), 0);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_breaks_off_the_client() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let (mut client, mut served) = rig.pair(rig.relay_tcp(config), &socket).await;
    served.write_all(b"half an ans").await.expect("written");
    let mut start = [0; 4];
    client.read_exact(&mut start).await.expect("the start");
    SockRef::from(&served).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(served);
    assert!(read_all(&mut client).await.is_err(), "a cut stream does not look complete");
    rig.until_sessions(0).await;
    assert_eq!(rig.refused(RefuseReason::UpstreamFailed), 1);
}

#[tokio::test]
async fn open_connections_are_listed_with_what_they_carried() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let listener = rig.relay_tcp(config);
    let (mut client, mut served) = rig.pair(listener, &socket).await;
    client.write_all(b"12345").await.expect("written");
    served.read_exact(&mut [0; 5]).await.expect("carried");
    // The bytes arrive a moment before they are counted.
    let sessions = rig.until(|sessions| sessions.iter().any(|it| it.up.bytes == 5)).await;
    let [session] = sessions[..] else { panic!("one session, not {sessions:?}") };
    assert_eq!(session.protocol, Protocol::Tcp);
    assert_eq!(session.client.socket_addr(), client.local_addr().expect("its address"));
    assert_eq!((session.listener, session.upstream), (listener, config.upstream));
    assert_eq!((session.up.bytes, session.down.bytes), (5, 0));
    assert!(rig.relay.sessions(Some(Protocol::Udp)).await.is_empty());
    assert_eq!(rig.relay.sessions_max(Protocol::Tcp), u64::from(TcpConfig::CONNECTIONS_MAX));
}

#[tokio::test]
async fn connections_of_a_closed_listener_go_on() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let listener = rig.relay_tcp(config);
    let (mut client, mut served) = rig.pair(listener, &socket).await;
    rig.relay.close_tcp(listener);
    assert_eq!(rig.relay.sessions_max(Protocol::Tcp), 0);
    client.write_all(b"still there").await.expect("written");
    client.shutdown().await.expect("half closed");
    assert_eq!(rig.relay.sessions(None).await.len(), 1);
    assert_eq!(read_all(&mut served).await.expect("a clean end"), b"still there");
    drop(served);
    rig.until_sessions(0).await;
    assert!(rig.relay.drain(Instant::now() + PATIENCE).await);
    net::TcpListener::bind(listener).expect("the port is free");
}

#[tokio::test]
async fn draining_lets_connections_end_by_themselves() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let listener = rig.relay_tcp(config);
    let (mut client, mut served) = rig.pair(listener, &socket).await;
    let drained = rig.relay.drain(Instant::now() + PATIENCE);
    let talk = async {
        client.write_all(b"last words").await.expect("written");
        client.shutdown().await.expect("half closed");
        assert_eq!(read_all(&mut served).await.expect("a clean end"), b"last words");
        drop(served);
    };
    let (all_ended, ()) = tokio::join!(drained, talk);
    assert!(all_ended);
    assert!(TcpStream::connect(listener).await.is_err(), "nothing new is accepted");
}

#[tokio::test]
async fn what_is_open_when_draining_ends_is_reset() {
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let (mut client, mut served) = rig.pair(rig.relay_tcp(config), &socket).await;
    assert!(!rig.relay.drain(Instant::now()).await);
    assert!(read_all(&mut client).await.is_err());
    assert!(read_all(&mut served).await.is_err());
    assert_eq!(rig.refused(RefuseReason::Drained), 1);
}

#[tokio::test]
async fn whoever_the_kernel_has_queued_when_draining_begins_is_relayed() {
    // More than a task may do before others have their turn.
    const CLIENTS: usize = 200;
    let rig = Rig::start();
    let (socket, config) = upstream_socket().await;
    let any = LOOPBACK.parse().expect("an address");
    let bound = selat_runtime::listen::bind_tcp("tcp", any, 1).expect("a socket");
    let listener = bound.address;
    rig.relay.listen_tcp(bound, config, &rig.workers);
    let held = rig.hold_threads();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(TcpStream::connect(listener).await.expect("connected"));
    }
    let mut drained = pin!(rig.relay.drain(Instant::now() + PATIENCE));
    assert!(futures_util::poll!(drained.as_mut()).is_pending());
    drop(held);
    let talk = async {
        for client in &mut clients {
            client.write_all(b"x").await.expect("written");
            client.shutdown().await.expect("half closed");
        }
        for _ in 0..CLIENTS {
            let (mut served, _) = socket.accept().await.expect("accepted");
            assert_eq!(read_all(&mut served).await.expect("a clean end"), b"x");
        }
        for client in &mut clients {
            assert_eq!(read_all(client).await.expect("a clean end"), b"");
        }
    };
    let both = async { tokio::join!(drained, talk) };
    let (all_ended, ()) = timeout(PATIENCE, both).await.expect("an end in time");
    assert!(all_ended);
}

#[tokio::test]
async fn a_thread_that_hangs_does_not_hold_up_the_end() {
    let rig = Rig::start();
    let (_socket, config) = upstream_socket().await;
    rig.relay_tcp(config);
    let _held = rig.hold_threads();
    let drained = timeout(PATIENCE, rig.relay.drain(Instant::now())).await;
    assert_eq!(drained, Ok(false), "it is told that not all has ended");
}
