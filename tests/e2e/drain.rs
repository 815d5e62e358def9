//! Stopping without losing a request.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use rustix::process::Signal;
use selat_tests::{
    Client, Daemon, Descriptor, Gate, Launcher, Load, Manager, Netctl, Origin, PATIENCE, Reply,
    Reuse, System,
};

#[test]
fn kept_connections_lose_no_request_when_a_daemon_stops() {
    let system = System::start();
    let System { proxyd, websrvd, .. } = system;
    for mut daemon in [proxyd, websrvd] {
        let load = Load::start(daemon.address("http"), "/", "hello", Reuse::KeepAlive, 8);
        load.wait_for_more(200);
        daemon.terminate();
        // Each client goes on until it is told that its connection ends and nobody listens any more.
        let tally = load.join();
        assert_eq!(tally.failed, [] as [String; 0], "after {} good", tally.ok);
        assert_eq!(daemon.exit_status().code(), Some(0));
    }
}

#[test]
fn a_response_in_flight_is_finished_before_the_exit() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let mut proxyd = Daemon::caching(origin.address()).managed(Manager::new()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    gate.open();
    assert_eq!(client.read_exactly(6).unwrap(), b"second");
    assert!(client.ends());
    assert_eq!(proxyd.exit_status().code(), Some(0));
}

#[test]
fn a_request_that_was_not_yet_read_is_answered_before_the_exit() {
    let system = System::start();
    let System { proxyd, websrvd, .. } = system;
    for mut daemon in [proxyd, websrvd] {
        let mut clients: Vec<_> =
            (0..20).map(|_| Client::connect(daemon.address("http"))).collect();
        for client in &mut clients {
            client.send("GET", "/", &[]).unwrap();
        }
        daemon.terminate();
        for client in &mut clients {
            let response = client.receive("GET").unwrap();
            assert_eq!(response.text(), "hello");
        }
        assert_eq!(daemon.exit_status().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let toml = format!(
        "origin = \"http://{}\"\nhttp = [\"127.0.0.1:0\"]\nudp = []\n[timeouts]\ndrain = \"1h\"\n",
        origin.address()
    );
    let mut proxyd = Daemon::proxyd().config(&toml).managed(Manager::new()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    proxyd.process().signal(Signal::INT);
    assert_eq!(proxyd.exit_status().code(), Some(0));
    assert!(client.ends());
}

#[test]
fn an_idle_daemon_stops_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        for launcher in [Daemon::proxyd().args(["--http", "127.0.0.1:0"]), idle_websrvd()] {
            let mut daemon = launcher.start();
            daemon.process().signal(signal);
            assert_eq!(daemon.exit_status().code(), Some(0));
        }
    }
}

fn idle_websrvd() -> Launcher {
    Daemon::serving("/usr/share".as_ref())
}

/// proxyd that serves one connection at a time, whose client has the first half of a response.
fn busy_with_one(origin: &Origin) -> Launcher {
    let toml =
        format!("origin = \"http://{}\"\nudp = []\n[limits]\nconnections = 1\n", origin.address());
    Daemon::proxyd().config(&toml).args(["--threads", "1", "--http", "127.0.0.1:0"])
}

fn half_served(proxyd: &Daemon) -> Client {
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/slow", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    client
}

fn with_slow_page(gate: &Gate) -> Origin {
    let origin = Origin::with("/", Reply::fresh("hello"));
    origin.on("/slow", Reply::fresh("first,").wait(gate).piece("second"));
    origin
}

fn queue_up(proxyd: &Daemon) -> Vec<Client> {
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(proxyd.address("http"))).collect();
    for client in &mut clients {
        client.send("GET", "/", &[]).unwrap();
    }
    clients
}

#[test]
fn clients_in_the_queue_of_a_full_daemon_are_answered_before_the_exit() {
    let gate = Gate::new();
    let origin = with_slow_page(&gate);
    let mut proxyd = busy_with_one(&origin).managed(Manager::new()).start();
    let mut first = half_served(&proxyd);
    let queued = queue_up(&proxyd);
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    gate.open();
    assert_eq!(first.read_exactly(6).unwrap(), b"second");
    for mut client in queued {
        let response = client.receive("GET").unwrap();
        assert_eq!((response.text().as_str(), response.head.closes()), ("hello", true));
    }
    assert_eq!(proxyd.exit_status().code(), Some(0));
}

#[test]
fn clients_in_the_queue_of_an_inherited_socket_are_left_to_the_next_instance() {
    let gate = Gate::new();
    let origin = with_slow_page(&gate);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let inherit = |launcher: Launcher| {
        launcher.inherit(Descriptor::new("http", socket.try_clone().unwrap())).start()
    };
    let mut proxyd = inherit(busy_with_one(&origin).managed(Manager::new()));
    let mut first = half_served(&proxyd);
    let queued = queue_up(&proxyd);
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    gate.open();
    assert_eq!(first.read_exactly(6).unwrap(), b"second");
    assert_eq!(proxyd.exit_status().code(), Some(0));
    assert_eq!(origin.count("/"), 0, "nobody in the queue was taken by the one that goes");
    let _next = inherit(Daemon::caching(origin.address()));
    for mut client in queued {
        assert_eq!(client.receive("GET").unwrap().text(), "hello");
    }
}

/// Type of the frame that says which requests will still be answered (RFC 9113 §6.8).
const GOAWAY: u8 = 7;

/// A connection that speaks HTTP/2 and asks nothing.
fn http2(daemon: &Daemon) -> TcpStream {
    let mut stream = TcpStream::connect(daemon.address("http")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The preface, and empty settings (RFC 9113 §3.4).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    stream
}

/// The type and the payload of the next frame.
fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload).unwrap();
    (head[3], payload)
}

#[test]
fn http2_clients_are_told_to_go_away() {
    let system = System::start();
    let System { proxyd, websrvd, netctl, .. } = &system;
    for (name, daemon) in [("proxyd", proxyd), ("websrvd", websrvd)] {
        let mut stream = http2(daemon);
        frame(&mut stream);
        let _ = netctl.text(&["drain", name]);
        let goaway =
            std::iter::repeat_with(|| frame(&mut stream)).find(|(kind, _)| *kind == GOAWAY);
        let (_, payload) = goaway.unwrap();
        assert_eq!(payload[4..8], [0; 4], "no error");
    }
}

#[test]
fn a_daemon_that_is_drained_finishes_and_waits_for_its_end() {
    let gate = Gate::new();
    let origin = with_slow_page(&gate);
    let mut proxyd = Daemon::caching(origin.address()).managed(Manager::new()).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let (mut busy, mut kept) = (half_served(&proxyd), Client::connect(proxyd.address("http")));
    assert!(!kept.get("/").unwrap().head.closes());

    let draining = netctl.json(&["drain", "proxyd"]);
    assert_eq!(draining["proxyd"]["state"], "DAEMON_STATE_DRAINING", "{draining}");
    assert_eq!(draining["proxyd"]["connections_active"], 2, "{draining}");
    assert!(kept.get("/").unwrap().head.closes(), "a kept connection ends with its next response");
    assert!(Client::try_connect(proxyd.address("http")).is_err(), "nobody new is accepted");

    gate.open();
    assert_eq!(busy.read_exactly(6).unwrap(), b"second");
    let drained = netctl.json(&["drain", "proxyd", "--wait"]);
    assert_eq!(drained["proxyd"]["state"], "DAEMON_STATE_DRAINED", "{drained}");
    assert_eq!(proxyd.manager().count("STOPPING=1"), 0, "who says so is killed after a while");
    proxyd.terminate();
    assert_eq!(proxyd.exit_status().code(), Some(0));
}
