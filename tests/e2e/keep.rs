//! What outlives a daemon with its service manager: UDP sessions and counters.

use std::{
    fs::File,
    net::{TcpListener, UdpSocket},
    os::unix::fs::FileExt,
};

use selat_tests::{Client, Daemon, Flow, Load, Netctl, Origin, Reply, Reuse, Service, Upstream};
use serde_json::Value;

const RESTARTS: usize = 20;

fn ask(client: &UdpSocket, question: &[u8]) {
    client.send(question).unwrap();
    let mut answer = [0; 64];
    let len = client.recv(&mut answer).unwrap();
    assert_eq!(&answer[..len], question);
}

fn requests(proxyd: &Daemon) -> u64 {
    let status = Netctl::new().proxyd(proxyd).json(&["status", "proxyd"]);
    status["proxyd"]["requests"].as_u64().unwrap()
}

#[test]
fn no_request_and_no_datagram_of_a_session_is_lost_over_restarts() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    let flow = Flow::start(service.udp());
    let http = service.http();
    let loads = Reuse::ALL.map(|reuse| Load::start(http, "/", "hello", reuse, 1));
    flow.wait_for_more(10);
    let before = Service::sessions(&proxyd);
    for _ in 0..RESTARTS {
        flow.wait_for_more(10);
        loads.iter().for_each(|load| load.wait_for_more(10));
        proxyd.terminate();
        assert_eq!(proxyd.exit_status().code(), Some(0));
        proxyd = service.start();
    }
    flow.wait_for_more(10);
    let after = Service::sessions(&proxyd);
    assert_eq!(after.len(), 1, "one session all along: {after:?}");
    for same in ["id", "client"] {
        assert_eq!(after[0][same], before[0][same]);
    }
    for load in loads {
        let tally = load.stop();
        assert_eq!((tally.failed, tally.unconnected), (Vec::new(), 0), "after {} good", tally.ok);
        assert!(tally.connections > RESTARTS as u64, "each instance has its own connections");
    }
    let sources = upstream.sources();
    assert_eq!(sources.len(), 1, "the upstream sees one client: {sources:?}");
    let (sent, lost) = flow.stop();
    assert_eq!(lost, [] as [u64; 0], "of {sent}");
}

#[test]
fn sessions_and_counters_outlive_a_kill() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    let clients = [service.client(), service.client()];
    clients.iter().for_each(|client| ask(client, b"1"));
    assert_eq!(Client::connect(proxyd.address("http")).get("/").unwrap().text(), "hello");
    service.wait_for_kept_sessions(2);
    let (before, asked) = (Service::sessions(&proxyd), requests(&proxyd));
    proxyd.kill();
    // These wait in the socket, and the answer to one that was under way in the session's.
    for client in &clients {
        client.send(b"2").unwrap();
    }
    let proxyd = service.start();
    let mut answer = [0; 8];
    for client in &clients {
        assert_eq!(client.recv(&mut answer).unwrap(), 1);
    }
    let after = Service::sessions(&proxyd);
    let ids = |sessions: &[Value]| -> Vec<Value> {
        sessions.iter().map(|session| session["id"].clone()).collect()
    };
    assert_eq!(ids(&after), ids(&before));
    assert_eq!((asked, requests(&proxyd)), (1, 1), "what was counted is counted on");
    ask(&service.client(), b"3");
    assert!(
        Service::sessions(&proxyd)[2]["id"].as_u64() > after[1]["id"].as_u64(),
        "no number comes twice"
    );
}

#[test]
fn sockets_of_sessions_that_ended_are_let_go() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin).with_config("[relay]\nudp_idle = \"1s\"\n");
    let _proxyd = service.start();
    ask(&service.client(), b"1");
    service.wait_for_kept_sessions(1);
    service.wait_for_kept_sessions(0);
}

#[test]
fn no_more_sessions_are_kept_than_there_is_room_for() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin).with_config("[relay]\nudp_kept = 2\n");
    let mut proxyd = service.start();
    let clients: Vec<_> = (0..5).map(|_| service.client()).collect();
    clients.iter().for_each(|client| ask(client, b"1"));
    service.wait_for_kept_sessions(2);
    proxyd.terminate();
    assert_eq!(proxyd.exit_status().code(), Some(0));
    service.wait_for_kept_sessions(2);
    proxyd.process().wait_for_logs("more sessions than are kept", 1);
    let proxyd = service.start();
    assert_eq!(Service::sessions(&proxyd).len(), 2);
}

#[test]
fn what_is_broken_or_foreign_in_the_store_is_not_used() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    ask(&service.client(), b"1");
    service.wait_for_kept_sessions(1);
    proxyd.terminate();
    assert_eq!(proxyd.exit_status().code(), Some(0));
    let state = File::from(service.manager().stored_fd("state"));
    for half in [0, 16 << 20] {
        state.write_all_at(b"garbage", half + 20).unwrap();
    }
    // Sockets by the right name that are no session's.
    service.manager().store("session-77", TcpListener::bind("127.0.0.1:0").unwrap());
    service.manager().store("session-x", UdpSocket::bind("127.0.0.1:0").unwrap());
    let proxyd = service.start();
    let told = proxyd.process().wait_for_log("what the instance before left is not used");
    assert!(told.contains("WARN"), "{told}");
    assert_eq!(Service::sessions(&proxyd), [] as [Value; 0]);
    ask(&service.client(), b"2");
    service.wait_for_kept_sessions(1);
    let names = service.manager().stored_names();
    assert!(!names.contains(&"session-77".to_owned()), "{names:?}");
}
