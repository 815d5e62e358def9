//! TCP and UDP relay.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use selat_tests::{Daemon, Netctl, PATIENCE, System};
use serde_json::Value;

const CLIENTS: usize = 500;
const ROUNDS: usize = 10;

fn socket(peer: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(peer).unwrap();
    socket
}

#[test]
fn each_of_five_hundred_udp_clients_gets_only_its_own_replies() {
    let system = System::start();
    let relay = system.proxyd.address("udp");
    let clients: Vec<_> = (0..CLIENTS).map(|_| socket(relay)).collect();
    let mut received = 0;
    for round in 0..ROUNDS {
        for (number, client) in clients.iter().enumerate() {
            client.send(format!("{number}/{round}").as_bytes()).unwrap();
        }
        for (number, client) in clients.iter().enumerate() {
            let mut reply = [0; 64];
            let len = client.recv(&mut reply).expect("every datagram is answered");
            let expected = format!("{number}/{round}");
            assert_eq!(std::str::from_utf8(&reply[..len]).unwrap(), expected);
            received += 1;
        }
    }
    assert_eq!(received, CLIENTS * ROUNDS);
    for client in &clients {
        client.set_nonblocking(true).unwrap();
        assert!(client.recv(&mut [0; 64]).is_err(), "somebody got more than its own");
    }
    let sessions = system.netctl.json(&["sessions", "udp"]);
    let sessions = sessions["entries"].as_array().unwrap();
    assert_eq!(sessions.len(), CLIENTS);
    let addresses = clients.iter().map(|client| client.local_addr().unwrap().to_string());
    let listed: std::collections::BTreeSet<_> =
        sessions.iter().map(|session| session["client"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, addresses.collect());
}

#[test]
fn datagrams_of_any_size_come_back_as_they_were() {
    let system = System::start();
    let client = socket(system.proxyd.address("udp"));
    let mut random = Pcg64::seed_from_u64(7);
    for len in [0, 1, 44, 1472, 9_000, 65_507] {
        let mut datagram = vec![0; len];
        random.fill_bytes(&mut datagram);
        client.send(&datagram).unwrap();
        let mut reply = vec![0; 65_536];
        let received = client.recv(&mut reply).unwrap_or_else(|error| panic!("{len}: {error}"));
        assert_eq!(reply[..received], datagram, "{len} bytes");
    }
}

/// proxyd that relays TCP to `upstream`.
fn relaying(upstream: SocketAddr) -> Daemon {
    Daemon::proxyd().args(["--tcp", &format!("127.0.0.1:0={upstream}")]).start()
}

#[test]
fn a_tcp_stream_is_relayed_byte_for_byte_both_ways_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxyd = relaying(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(proxyd.address("tcp")).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut random = Pcg64::seed_from_u64(11);
    let (mut up, mut down) = (vec![0; 16 << 20], vec![0; 16 << 20]);
    random.fill_bytes(&mut up);
    random.fill_bytes(&mut down);
    thread::scope(|scope| {
        for (stream, sent) in [(&client, &up), (&server, &down)] {
            let mut stream = stream.try_clone().unwrap();
            scope.spawn(move || {
                stream.write_all(sent).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
        }
        for (stream, expected) in [(&mut server, &up), (&mut client, &down)] {
            let mut received = Vec::new();
            scope.spawn(move || {
                stream.read_to_end(&mut received).unwrap();
                assert!(received == *expected, "{} bytes differ", received.len());
            });
        }
    });
}

#[test]
fn one_direction_of_a_relayed_stream_outlives_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxyd = relaying(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(proxyd.address("tcp")).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
}

#[test]
fn sessions_are_listed_with_what_they_carried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let proxyd = relaying(upstream);
    let mut client = TcpStream::connect(proxyd.address("tcp")).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"12345").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    let netctl = Netctl::new().proxyd(&proxyd);
    let sessions = netctl.json(&["sessions", "tcp"]);
    let sessions = sessions["entries"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["client"], client.local_addr().unwrap().to_string());
    assert_eq!(sessions[0]["upstream"], upstream.to_string());
    assert_eq!(sessions[0]["up_bytes"], Value::from(5));
    assert!(netctl.text(&["sessions"]).contains(&upstream.to_string()));
}

#[test]
fn a_client_of_an_upstream_that_is_gone_is_told_at_once() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxyd = relaying(gone);
    let mut client = TcpStream::connect(proxyd.address("tcp")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // The end of the stream or a reset; both end the wait.
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
}
