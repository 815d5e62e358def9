//! proxyd as a service: its sockets, its configuration and its service manager live on while it is restarted.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::net::UnixListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Daemon, Descriptor, Launcher, Manager, Netctl, Origin, PATIENCE};

/// A UDP upstream that sends back what it gets, and notes who sends.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    sources: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

impl Upstream {
    /// Starts it; its thread ends with the test's process.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let sources = Arc::<Mutex<BTreeSet<_>>>::default();
        let seen = Arc::clone(&sources);
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            // An error of a client that is gone must not end it.
            loop {
                if let Ok((len, from)) = socket.recv_from(&mut datagram) {
                    seen.lock().unwrap().insert(from);
                    let _ = socket.send_to(&datagram[..len], from);
                }
            }
        });
        Self { address, sources }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everybody who has sent something.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<SocketAddr> {
        self.sources.lock().unwrap().clone()
    }
}

/// proxyd on sockets that live as long as this.
#[derive(Debug)]
pub struct Service {
    directory: Arc<TempDir>,
    manager: Arc<Manager>,
    control: UnixListener,
    udp: UdpSocket,
    http: TcpListener,
    toml: String,
}

impl Service {
    /// A service that relays to `upstream` and caches `origin`.
    #[must_use]
    pub fn new(upstream: &Upstream, origin: &Origin) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        fs::create_dir(directory.path().join("proxyd")).unwrap();
        let control = UnixListener::bind(directory.path().join("proxyd/control.sock")).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let forwarding = format!("{}={}", udp.local_addr().unwrap(), upstream.address);
        let toml = format!("origin = \"http://{}\"\nudp = [\"{forwarding}\"]\n", origin.address());
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { directory, manager: Arc::default(), control, udp, http, toml }
    }

    /// Adds lines to its configuration.
    #[must_use]
    pub fn with_config(mut self, lines: &str) -> Self {
        self.toml += lines;
        self
    }

    /// An instance of it, to be started.
    #[must_use]
    pub fn launcher(&self) -> Launcher {
        Daemon::proxyd()
            .in_directory(&self.directory)
            .config(&self.toml)
            .inherit(Descriptor::new("control", self.control.try_clone().unwrap()))
            .inherit(Descriptor::new("udp", self.udp.try_clone().unwrap()))
            .inherit(Descriptor::new("http", self.http.try_clone().unwrap()))
            .managed(Arc::clone(&self.manager))
    }

    /// Starts an instance of it.
    #[must_use]
    pub fn start(&self) -> Daemon {
        self.launcher().start()
    }

    /// Its service manager.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Its configuration.
    #[must_use]
    pub fn toml(&self) -> &str {
        &self.toml
    }

    /// Where it listens for HTTP.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http.local_addr().unwrap()
    }

    /// Where it relays from.
    #[must_use]
    pub fn udp(&self) -> SocketAddr {
        self.udp.local_addr().unwrap()
    }

    /// A client that sends to the relay.
    #[must_use]
    pub fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(self.udp()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Waits until the service manager keeps the sockets of so many sessions.
    pub fn wait_for_kept_sessions(&self, count: usize) {
        let is_session = |name: &&String| name.starts_with("session-");
        self.manager.wait_for_store(|names| names.iter().filter(is_session).count() == count);
    }

    /// The UDP sessions of `proxyd`.
    #[must_use]
    pub fn sessions(proxyd: &Daemon) -> Vec<Value> {
        let listed = Netctl::new().proxyd(proxyd).json(&["sessions", "udp"]);
        listed["entries"].as_array().unwrap().clone()
    }
}
