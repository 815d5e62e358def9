//! Batches of datagrams over real sockets.
#![allow(clippy::expect_used, reason = "a test may fail loudly")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use selat_runtime::udp::{
    BATCH_DATAGRAMS, Batch, Datagram, DatagramSocket, Received, SocketSet, Stamp, receive_now,
    send_connected,
};
use socket2::SockRef;

fn bound(addr: &str) -> UdpSocket {
    UdpSocket::bind(addr).expect("a socket")
}

fn addr(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("its address")
}

fn connected(to: SocketAddr) -> UdpSocket {
    let socket = bound(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" });
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("an option");
    socket.connect(to).expect("connected");
    socket
}

fn read(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = vec![0; 70_000];
    let len = socket.recv(&mut bytes).expect("a datagram");
    bytes.truncate(len);
    bytes
}

#[tokio::test]
async fn one_receive_takes_a_full_batch_in_order() {
    let socket = bound("127.0.0.1:0");
    let client = connected(addr(&socket));
    let socket = DatagramSocket::new(socket).expect("watched");
    for number in 0..BATCH_DATAGRAMS + 1 {
        client.send(&[number as u8; 9]).expect("sent");
    }
    let mut batch = Batch::new();
    let received = socket.receive(&mut batch).await.expect("received");
    assert_eq!(received.datagrams, BATCH_DATAGRAMS as u64);
    assert_eq!(received.bytes, 9 * BATCH_DATAGRAMS as u64);
    assert!(batch.is_full());
    for (number, datagram) in batch.iter().enumerate() {
        assert_eq!(datagram.payload, [number as u8; 9]);
        assert_eq!(datagram.peer, addr(&client));
        assert_eq!(datagram.local, None, "bound to one address: nothing to tell");
    }
    let full = socket.receive(&mut batch).await.map_err(|error| error.kind());
    assert_eq!(full, Err(io::ErrorKind::InvalidInput));
    batch.clear();
    assert_eq!(socket.receive(&mut batch).await.expect("the last").datagrams, 1);
}

#[tokio::test]
async fn replies_leave_from_the_address_that_was_asked() {
    for (wildcard, asked) in [
        ("0.0.0.0:0", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.2"),
        ("[::]:0", "::1"),
        ("[::]:0", "127.0.0.2"),
    ] {
        let socket = bound(wildcard);
        let to = SocketAddr::new(asked.parse().expect("an address"), addr(&socket).port());
        let client = connected(to);
        let socket = DatagramSocket::new(socket).expect("watched");
        client.send(b"probe").expect("sent");
        let mut batch = Batch::new();
        socket.receive(&mut batch).await.expect("received");
        let local = batch.datagram(0).and_then(|datagram| datagram.local).expect("told");
        assert_eq!(local.to_canonical(), to.ip(), "{wildcard} asked as {asked}");
        assert_eq!(socket.send(&batch).await.datagrams, 1);
        assert_eq!(read(&client), b"probe", "a connected client takes it from {to} only");
    }
}

#[tokio::test]
async fn what_came_before_the_socket_was_taken_over_is_answered_from_there_too() {
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let socket = bound(wildcard);
        let to = SocketAddr::from(([127, 0, 0, 2], addr(&socket).port()));
        let client = connected(to);
        client.send(b"early").expect("sent");
        let socket = DatagramSocket::new(socket).expect("watched");
        let mut batch = Batch::new();
        socket.receive(&mut batch).await.expect("received");
        socket.send(&batch).await;
        assert_eq!(read(&client), b"early", "{wildcard}");
    }
}

#[tokio::test]
async fn a_batch_goes_to_many_peers_without_what_was_discarded() {
    let socket = bound("127.0.0.1:0");
    let clients: Vec<_> = (0..BATCH_DATAGRAMS).map(|_| connected(addr(&socket))).collect();
    let socket = DatagramSocket::new(socket).expect("watched");
    for (number, client) in clients.iter().enumerate() {
        client.send(&[number as u8]).expect("sent");
    }
    let mut batch = Batch::new();
    socket.receive(&mut batch).await.expect("received");
    batch.discard(3);
    batch.redirect(4, addr(&clients[3]), None);
    let sent = socket.send(&batch).await;
    assert_eq!((sent.datagrams, sent.bytes, sent.failed), (31, 31, 0));
    assert_eq!(read(&clients[0]), [0]);
    assert_eq!(read(&clients[3]), [4]);
    assert_eq!(read(&clients[31]), [31]);
}

#[tokio::test]
async fn a_datagram_longer_than_its_room_is_left_out_and_counted() {
    let socket = bound("127.0.0.1:0");
    let client = connected(addr(&socket));
    let socket = DatagramSocket::new(socket).expect("watched");
    for payload in [&b"short"[..], b"longer than eight", b"8 bytes!"] {
        client.send(payload).expect("sent");
    }
    let mut batch = Batch::with_datagram_bytes(8);
    let received = socket.receive(&mut batch).await.expect("received");
    assert_eq!(received, Received { datagrams: 2, bytes: 13, truncated: 1, refused: 0 });
    let payloads: Vec<_> = batch.iter().map(|datagram| datagram.payload).collect();
    assert_eq!(payloads, [&b"short"[..], b"8 bytes!"]);
}

#[tokio::test]
async fn a_datagram_that_cannot_be_sent_does_not_stop_the_others() {
    let socket = bound("127.0.0.1:0");
    let client = connected(addr(&socket));
    let socket = DatagramSocket::new(socket).expect("watched");
    for payload in [b"1", b"2", b"3"] {
        client.send(payload).expect("sent");
    }
    let mut batch = Batch::new();
    socket.receive(&mut batch).await.expect("received");
    batch.redirect(1, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None);
    let sent = socket.send(&batch).await;
    assert_eq!((sent.datagrams, sent.failed), (2, 1));
    assert_eq!((read(&client), read(&client)), (b"1".to_vec(), b"3".to_vec()));
}

#[tokio::test]
async fn an_arrival_is_told_with_its_time_and_ttl_where_that_was_asked() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let socket = bound(bind);
        let client = connected(addr(&socket));
        let options = SockRef::from(&client);
        let set = if client.peer_addr().expect("connected").is_ipv4() {
            options.set_ttl_v4(33)
        } else {
            options.set_unicast_hops_v6(33)
        };
        set.expect("an option");
        let socket = DatagramSocket::new(socket).expect("watched");
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let mut batch = Batch::new();
        client.send(b"unasked").expect("sent");
        socket.receive(&mut batch).await.expect("received");
        assert_eq!(batch.stamp(0), Stamp::default());

        socket.report_arrival().expect("options");
        let before = wall();
        client.send(b"asked").expect("sent");
        socket.receive(&mut batch).await.expect("received");
        let stamp = batch.stamp(1);
        assert_eq!(stamp.hops_left, Some(33), "{bind}");
        assert!((before..=wall()).contains(&stamp.since_epoch.expect("a time")), "{bind}");
        assert_eq!(batch.stamp(2), Stamp::default());
    }
}

#[tokio::test]
async fn a_reply_may_be_written_in_place() {
    let socket = bound("127.0.0.1:0");
    let client = connected(addr(&socket));
    let socket = DatagramSocket::new(socket).expect("watched");
    client.send(b"ping").expect("sent");
    let mut batch = Batch::new();
    socket.receive(&mut batch).await.expect("received");
    batch.payload_mut(0).expect("the datagram")[1] = b'o';
    assert_eq!(batch.payload_mut(1), None);
    socket.send(&batch).await;
    assert_eq!(read(&client), b"pong");
}

#[test]
fn a_datagram_from_its_own_receiver_is_recognised() {
    let parse = |addr: &str| addr.parse::<SocketAddr>().expect("an address");
    for (own, peer, local, expected) in [
        ("192.0.2.1:9000", "192.0.2.1:9000", None, true),
        ("192.0.2.1:9000", "192.0.2.1:9001", None, false),
        ("192.0.2.1:9000", "192.0.2.2:9000", None, false),
        ("0.0.0.0:9000", "192.0.2.1:9000", Some("192.0.2.1"), true),
        ("0.0.0.0:9000", "192.0.2.2:9000", Some("192.0.2.1"), false),
        ("[::]:9000", "[::ffff:192.0.2.1]:9000", Some("::ffff:192.0.2.1"), true),
    ] {
        let local = local.map(|ip| ip.parse().expect("an address"));
        let datagram = Datagram { payload: b"", peer: parse(peer), local };
        assert_eq!(datagram.came_from(parse(own)), expected, "{peer} at {own}");
    }
}

#[test]
fn a_dead_peer_is_counted_and_the_socket_lives_on() {
    let listener = bound("127.0.0.1:0");
    let source = connected(addr(&listener));
    let mut batch = Batch::new();
    source.send(b"lost").expect("sent");
    receive_now(&listener, &mut batch).expect("received");
    let peer = addr(&listener);
    drop(listener);

    let socket = connected(peer);
    socket.set_nonblocking(true).expect("an option");
    assert_eq!(send_connected(&socket, &batch, 0..1).datagrams, 1);
    let mut replies = Batch::new();
    assert_eq!(receive_now(&socket, &mut replies).map(|got| got.refused).ok(), Some(1));

    assert_eq!(send_connected(&socket, &batch, 0..1).refused, 0);
    let listener = bound(&peer.to_string());
    let sent = send_connected(&socket, &batch, 0..1);
    assert_eq!((sent.datagrams, sent.refused, sent.failed), (1, 1, 0));
    assert_eq!(read(&listener), b"lost");
}

#[tokio::test]
async fn a_set_names_the_sockets_that_have_something_to_read() {
    let upstream = bound("127.0.0.1:0");
    let sockets: Vec<_> = (0..200).map(|_| connected(addr(&upstream))).collect();
    let set = SocketSet::new().expect("a set");
    for (key, socket) in sockets.iter().enumerate() {
        set.add(socket, key as u64).expect("watched");
    }
    set.remove(&sockets[5]);
    let expected = [0, 7, 100, 199];
    for socket in [0, 5, 7, 100, 199] {
        upstream.send_to(b"reply", addr(&sockets[socket])).expect("sent");
    }
    let mut keys = Vec::new();
    set.ready(&mut keys).await.expect("ready");
    keys.sort_unstable();
    assert_eq!(keys, expected);
    set.ready(&mut keys).await.expect("still ready: nothing was read");
    assert_eq!(keys.len(), expected.len());
    for key in expected {
        read(&sockets[key as usize]);
    }
    let nothing = tokio::time::timeout(Duration::from_millis(1), set.ready(&mut keys));
    assert!(nothing.await.is_err());
}
