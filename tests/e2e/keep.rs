//! What outlives a daemon with its service manager: UDP sessions and counters.

use std::{
    collections::BTreeSet,
    fs::File,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
};

use selat_tests::{
    Client, Daemon, Descriptor, Flow, Launcher, Load, Manager, Netctl, Origin, PATIENCE, Reply,
    Reuse,
};
use serde_json::Value;

const RESTARTS: usize = 20;

/// An upstream that sends back what it gets, and notes who sends.
struct Upstream {
    socket: UdpSocket,
    sources: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

impl Upstream {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let echo = socket.try_clone().unwrap();
        let sources = Arc::<Mutex<BTreeSet<_>>>::default();
        let seen = Arc::clone(&sources);
        std::thread::spawn(move || {
            let mut datagram = [0; 2048];
            // An error of a client that is gone must not end it.
            loop {
                if let Ok((len, from)) = echo.recv_from(&mut datagram) {
                    seen.lock().unwrap().insert(from);
                    let _ = echo.send_to(&datagram[..len], from);
                }
            }
        });
        Self { socket, sources }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }
}

/// proxyd on sockets that live as long as this.
struct Service {
    manager: Arc<Manager>,
    udp: UdpSocket,
    http: TcpListener,
    toml: String,
}

impl Service {
    fn new(upstream: &Upstream, origin: &Origin) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let forwarding = format!("{}=127.0.0.1:{}", udp.local_addr().unwrap(), upstream.port());
        let toml = format!("origin = \"http://{}\"\nudp = [\"{forwarding}\"]\n", origin.address());
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { manager: Arc::default(), udp, http, toml }
    }

    fn launcher(&self) -> Launcher {
        Daemon::proxyd()
            .config(&self.toml)
            .inherit(Descriptor::new("udp", self.udp.try_clone().unwrap()))
            .inherit(Descriptor::new("http", self.http.try_clone().unwrap()))
            .managed(Arc::clone(&self.manager))
    }

    fn start(&self) -> Daemon {
        self.launcher().start()
    }

    /// A client that sends to the relay.
    fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(self.udp.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn wait_for_sessions(&self, count: usize) {
        let is_session = |name: &&String| name.starts_with("session-");
        self.manager.wait_for_store(|names| names.iter().filter(is_session).count() == count);
    }
}

fn ask(client: &UdpSocket, question: &[u8]) {
    client.send(question).unwrap();
    let mut answer = [0; 64];
    let len = client.recv(&mut answer).unwrap();
    assert_eq!(&answer[..len], question);
}

fn sessions(proxyd: &Daemon) -> Value {
    Netctl::new().proxyd(proxyd).json(&["sessions", "udp"])["entries"].clone()
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
    let flow = Flow::start(service.udp.local_addr().unwrap());
    let http = service.http.local_addr().unwrap();
    let loads =
        [Reuse::KeepAlive, Reuse::Never].map(|reuse| Load::start(http, "/", "hello", reuse, 1));
    flow.wait_for_more(10);
    let before = sessions(&proxyd);
    for _ in 0..RESTARTS {
        flow.wait_for_more(10);
        loads.iter().for_each(|load| load.wait_for_more(10));
        proxyd.terminate();
        assert_eq!(proxyd.exit_status().code(), Some(0));
        proxyd = service.start();
    }
    flow.wait_for_more(10);
    let after = sessions(&proxyd);
    assert_eq!(after.as_array().unwrap().len(), 1, "one session all along: {after}");
    for same in ["id", "client"] {
        assert_eq!(after[0][same], before[0][same]);
    }
    for load in loads {
        let tally = load.stop();
        assert_eq!((tally.failed, tally.unconnected), (Vec::new(), 0), "after {} good", tally.ok);
    }
    let sources = upstream.sources.lock().unwrap().clone();
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
    service.wait_for_sessions(2);
    let (before, asked) = (sessions(&proxyd), requests(&proxyd));
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
    let after = sessions(&proxyd);
    let ids = |sessions: &Value| -> Vec<Value> {
        sessions.as_array().unwrap().iter().map(|session| session["id"].clone()).collect()
    };
    assert_eq!(ids(&after), ids(&before));
    assert_eq!((asked, requests(&proxyd)), (1, 1), "what was counted is counted on");
    ask(&service.client(), b"3");
    assert!(sessions(&proxyd)[2]["id"].as_u64() > after[1]["id"].as_u64(), "no number comes twice");
}

#[test]
fn sockets_of_sessions_that_ended_are_let_go() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let launcher =
        service.launcher().config(&format!("{}[relay]\nudp_idle = \"1s\"\n", service.toml));
    let _proxyd = launcher.start();
    ask(&service.client(), b"1");
    service.wait_for_sessions(1);
    service.wait_for_sessions(0);
}

#[test]
fn no_more_sessions_are_kept_than_there_is_room_for() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let toml = format!("{}[relay]\nudp_kept = 2\n", service.toml);
    let start = || service.launcher().config(&toml).start();
    let mut proxyd = start();
    let clients: Vec<_> = (0..5).map(|_| service.client()).collect();
    clients.iter().for_each(|client| ask(client, b"1"));
    service.wait_for_sessions(2);
    proxyd.terminate();
    assert_eq!(proxyd.exit_status().code(), Some(0));
    service.wait_for_sessions(2);
    proxyd.process().wait_for_logs("more sessions than are kept", 1);
    let proxyd = start();
    assert_eq!(sessions(&proxyd).as_array().unwrap().len(), 2);
}

#[test]
fn what_is_broken_or_foreign_in_the_store_is_not_used() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    ask(&service.client(), b"1");
    service.wait_for_sessions(1);
    proxyd.terminate();
    assert_eq!(proxyd.exit_status().code(), Some(0));
    let state = File::from(service.manager.stored_fd("state"));
    for half in [0, 1 << 20] {
        state.write_all_at(b"garbage", half + 20).unwrap();
    }
    // Sockets by the right name that are no session's.
    service.manager.store("session-77", TcpListener::bind("127.0.0.1:0").unwrap());
    service.manager.store("session-x", UdpSocket::bind("127.0.0.1:0").unwrap());
    let proxyd = service.start();
    let told = proxyd.process().wait_for_log("what the instance before left is not used");
    assert!(told.contains("WARN"), "{told}");
    assert_eq!(sessions(&proxyd), Value::Array(Vec::new()));
    ask(&service.client(), b"2");
    service.wait_for_sessions(1);
    let names = service.manager.stored_names();
    assert!(!names.contains(&"session-77".to_owned()), "{names:?}");
}
