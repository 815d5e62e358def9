//! UDP sessions.

use std::collections::HashSet;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::{StreamExt, stream};
use selat_core::relay::{DropReason, Limits};
use tokio::net::UdpSocket;

use super::*;

/// Clients that have a datagram under way at once: no socket buffer overflows.
const IN_FLIGHT: usize = 32;

/// An upstream that answers each datagram with `NAME:` and the datagram.
async fn upstream_named(name: &'static str) -> UpstreamAddr {
    let socket = UdpSocket::bind(LOOPBACK).await.expect("a socket");
    let addr = upstream(socket.local_addr().expect("its address"));
    tokio::spawn(async move {
        let mut bytes = vec![0; 65_536];
        loop {
            let (len, from) = socket.recv_from(&mut bytes).await.expect("a datagram");
            let answer = [name.as_bytes(), b":", &bytes[..len]].concat();
            socket.send_to(&answer, from).await.expect("sent");
        }
    });
    addr
}

impl Rig {
    fn listen(&self, sockets: usize, config: UdpConfig) -> SocketAddr {
        self.listen_on(LOOPBACK, sockets, config)
    }

    fn listen_on(&self, addr: &str, sockets: usize, config: UdpConfig) -> SocketAddr {
        let addr = addr.parse().expect("an address");
        let bound = selat_runtime::listen::bind_udp("udp", addr, sockets).expect("sockets");
        let local = bound.address;
        self.relay.listen_udp(bound, config, &self.workers);
        local
    }

    fn udp(&self, counter: impl Fn(&ledger::UdpCounters) -> u64) -> u64 {
        self.relay.ledger().udp().sum(counter)
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.udp(|counters| counters.dropped.value(reason.index()))
    }
}

async fn client(listener: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).await.expect("a socket");
    socket.connect(listener).await.expect("connected");
    socket
}

async fn ask(client: &UdpSocket, question: &str) -> String {
    client.send(question.as_bytes()).await.expect("sent");
    let mut answer = [0; 256];
    let len = timeout(PATIENCE, client.recv(&mut answer)).await.expect("in time").expect("read");
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

fn config(upstream: UpstreamAddr, limits: Limits) -> UdpConfig {
    UdpConfig { upstream, limits }
}

#[tokio::test]
async fn each_of_500_clients_gets_its_own_replies_only() {
    const CLIENTS: usize = 500;
    const ROUNDS: usize = 3;
    let rig = Rig::start();
    let listener = rig.listen(THREADS, config(upstream_named("up").await, Limits::default()));
    let clients: Vec<_> =
        stream::iter(0..CLIENTS).map(|_| client(listener)).buffered(IN_FLIGHT).collect().await;
    for round in 0..ROUNDS {
        let asked = clients.iter().enumerate().map(|(number, client)| async move {
            let question = format!("client {number} round {round}");
            assert_eq!(ask(client, &question).await, format!("up:{question}"));
        });
        stream::iter(asked).for_each_concurrent(IN_FLIGHT, |asked| asked).await;
    }
    for client in &clients {
        assert!(client.try_recv(&mut [0; 8]).is_err(), "nobody has a reply too many");
    }

    let sessions = rig.relay.sessions(Some(Protocol::Udp)).await;
    let expected: HashSet<_> =
        clients.iter().map(|client| client.local_addr().expect("its address")).collect();
    let seen: HashSet<_> = sessions.iter().map(|it| it.client.socket_addr()).collect();
    assert_eq!(seen, expected);
    assert!(sessions.is_sorted_by(|a, b| a.number < b.number));
    assert!(sessions.iter().all(|it| it.up.datagrams == 3 && it.down.datagrams == 3));
    let total = (CLIENTS * ROUNDS) as u64;
    assert_eq!(rig.udp(|counters| counters.up_datagrams.value()), total);
    assert_eq!(rig.udp(|counters| counters.down_datagrams.value()), total);
    assert_eq!(rig.udp(|counters| counters.sessions.value()), CLIENTS as u64);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_its_client_can_come_back() {
    let rig = Rig::start();
    let limits = Limits { idle_timeout: Duration::from_millis(20), ..Limits::default() };
    let listener = rig.listen(1, config(upstream_named("up").await, limits));
    let client = client(listener).await;
    ask(&client, "1").await;
    rig.until_sessions(0).await;
    assert_eq!(rig.udp(|counters| counters.expired.value()), 1);
    assert_eq!(rig.udp(|counters| counters.sessions.value()), 0);
    assert_eq!(ask(&client, "2").await, "up:2");
    assert_eq!(rig.udp(|counters| counters.opened.value()), 2);
}

#[tokio::test]
async fn a_dead_upstream_is_counted_and_the_session_works_once_it_is_back() {
    let rig = Rig::start();
    let socket = net::UdpSocket::bind(LOOPBACK).expect("a socket");
    let addr = socket.local_addr().expect("its address");
    drop(socket);
    let listener = rig.listen(1, config(upstream(addr), Limits::default()));
    let client = client(listener).await;
    for _ in 0..3 {
        client.send(b"lost").await.expect("sent");
    }
    rig.until_sessions(1).await;
    let back = UdpSocket::bind(addr).await.expect("the same port");
    client.send(b"arrives").await.expect("sent");
    let mut bytes = [0; 64];
    let len = loop {
        let (len, from) = back.recv_from(&mut bytes).await.expect("a datagram");
        if &bytes[..len] == b"arrives" {
            back.send_to(b"answer", from).await.expect("sent");
            break len;
        }
    };
    assert_eq!(len, 7);
    let mut answer = [0; 64];
    assert_eq!(client.recv(&mut answer).await.expect("the answer"), 6);
    assert!(rig.dropped(DropReason::UpstreamRefused) > 0);
    assert_eq!(rig.udp(|counters| counters.opened.value()), 1);
}

#[tokio::test]
async fn at_the_cap_new_clients_are_refused_while_the_others_are_served() {
    let rig = Rig::start();
    let limits = Limits { sessions_max: 2, ..Limits::default() };
    let listener = rig.listen(1, config(upstream_named("up").await, limits));
    let (one, two, three) =
        (client(listener).await, client(listener).await, client(listener).await);
    ask(&one, "1").await;
    ask(&two, "2").await;
    three.send(b"3").await.expect("sent");
    assert_eq!(ask(&one, "4").await, "up:4");
    assert_eq!(ask(&two, "5").await, "up:5");
    assert_eq!(rig.dropped(DropReason::TableFull), 1);
    assert_eq!(rig.relay.sessions(None).await.len(), 2);
    assert_eq!(rig.relay.sessions_max(Protocol::Udp), 2);
}

#[tokio::test]
async fn at_the_cap_a_quiet_session_makes_room() {
    let rig = Rig::start();
    let limits = Limits { sessions_max: 1, shed_idle_min: Duration::ZERO, ..Limits::default() };
    let listener = rig.listen(1, config(upstream_named("up").await, limits));
    let (one, two) = (client(listener).await, client(listener).await);
    for (client, question) in [(&one, "1"), (&two, "2"), (&one, "3")] {
        assert_eq!(ask(client, question).await, format!("up:{question}"));
    }
    assert_eq!(rig.udp(|counters| counters.shed.value()), 2);
    assert_eq!(rig.udp(|counters| counters.sessions.value()), 1);
}

#[tokio::test]
async fn replies_come_from_the_address_that_the_client_asked() {
    let rig = Rig::start();
    let config = config(upstream_named("up").await, Limits::default());
    let listener = rig.listen_on("0.0.0.0:0", 1, config);
    let client = client(SocketAddr::from(([127, 0, 0, 2], listener.port()))).await;
    assert_eq!(ask(&client, "1").await, "up:1");
}

#[tokio::test]
async fn a_new_upstream_is_for_new_sessions() {
    let rig = Rig::start();
    let limits = Limits::default();
    let listener = rig.listen(1, config(upstream_named("old").await, limits));
    let (before, after) = (client(listener).await, client(listener).await);
    assert_eq!(ask(&before, "1").await, "old:1");
    assert!(rig.relay.configure_udp(listener, config(upstream_named("new").await, limits)));
    // The change comes to the relay's thread between two turns of its loop.
    let changed = async { while ask(&client(listener).await, "2").await != "new:2" {} };
    timeout(PATIENCE, changed).await.expect("the change in time");
    assert_eq!(ask(&after, "3").await, "new:3");
    assert_eq!(ask(&before, "4").await, "old:4");
}

#[tokio::test]
async fn sessions_can_be_read_and_ended_during_a_flood() {
    let rig = Rig::start();
    let listener = rig.listen(1, config(upstream_named("up").await, Limits::default()));
    let flood = net::UdpSocket::bind(LOOPBACK).expect("a socket");
    flood.connect(listener).expect("connected");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let flooding = std::thread::spawn(move || {
        while !stopped.load(Relaxed) {
            // A send that is refused for want of room is a datagram less.
            let _ = flood.send(&[0; 64]);
        }
    });
    rig.until_sessions(1).await;
    for _ in 0..20 {
        let read = timeout(PATIENCE, rig.relay.sessions(None)).await.expect("an answer in time");
        assert_eq!(read.len(), 1);
    }
    timeout(PATIENCE, rig.relay.leave()).await.expect("the relay hears that it must stop");
    stop.store(true, Relaxed);
    flooding.join().expect("no panic");
}

#[tokio::test]
async fn a_closed_listener_ends_its_sessions_and_gives_back_its_port() {
    let rig = Rig::start();
    let listener = rig.listen(THREADS, config(upstream_named("up").await, Limits::default()));
    ask(&client(listener).await, "1").await;
    rig.relay.close_udp(listener);
    assert!(rig.relay.sessions(None).await.is_empty());
    assert!(rig.relay.leave().await.is_empty(), "what we bound cannot be left");
    assert_eq!(rig.udp(|counters| counters.sessions.value()), 0);
    net::UdpSocket::bind(listener).expect("the port is free");
}
