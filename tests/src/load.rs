//! Clients that ask without pause in the background while a test does something to the daemons.

mod http2;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use crate::{Client, ClientError, PATIENCE, Response};

/// How long a client keeps its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Until the server says that it closes it.
    KeepAlive,
    /// For one request.
    Never,
    /// HTTP/2 with prior knowledge (RFC 9113 §3.3), several requests at a time, until the server says that it goes
    /// away.
    Http2,
}

impl Reuse {
    /// Every way there is to ask.
    pub const ALL: [Self; 3] = [Self::KeepAlive, Self::Never, Self::Http2];
}

/// What came of the requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Whole responses with the status 200 and the expected body.
    pub ok: u64,
    /// The others, each with its story.
    pub failed: Vec<String>,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that could not be made.
    pub unconnected: u64,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    path: String,
    expected: Vec<u8>,
    reuse: Reuse,
    stop: AtomicBool,
    tally: Mutex<Tally>,
    changed: Condvar,
}

impl Load {
    /// Starts `clients` that get `path` and expect `body`.
    #[must_use]
    pub fn start(
        address: SocketAddr,
        path: &str,
        body: impl Into<Vec<u8>>,
        reuse: Reuse,
        clients: usize,
    ) -> Self {
        let shared = Arc::new(Shared {
            address,
            path: path.to_owned(),
            expected: body.into(),
            reuse,
            stop: AtomicBool::new(false),
            tally: Mutex::default(),
            changed: Condvar::new(),
        });
        let run = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || match reuse {
                Reuse::KeepAlive | Reuse::Never => shared.run(),
                Reuse::Http2 => http2::run(&shared),
            })
        };
        let clients = (0..clients).map(run).collect();
        Self { shared, clients }
    }

    /// Waits until `count` more requests have ended well.
    pub fn wait_for_more(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut tally = self.shared.tally.lock().unwrap();
        let goal = tally.ok + count;
        while tally.ok < goal {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the load is stuck: {tally:?}");
            tally = self.shared.changed.wait_timeout(tally, left).unwrap().0;
        }
    }

    /// Lets every client finish its request.
    #[must_use]
    pub fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until the server is gone for every client.
    #[must_use]
    pub fn join(self) -> Tally {
        for client in self.clients {
            client.join().unwrap();
        }
        self.shared.tally.lock().unwrap().clone()
    }
}

impl Shared {
    /// Asks until told to stop, or until nobody listens any more.
    fn run(&self) {
        let mut connection: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let mut client = match connection.take() {
                Some(client) => client,
                None => match Client::try_connect(self.address) {
                    Ok(client) => {
                        self.change(|tally| tally.connections += 1);
                        client
                    }
                    Err(_) => {
                        self.change(|tally| tally.unconnected += 1);
                        return;
                    }
                },
            };
            let outcome = self.ask(&mut client);
            let keep = matches!(&outcome, Ok(response) if !response.head.closes());
            self.count(outcome);
            connection = (keep && self.reuse == Reuse::KeepAlive).then_some(client);
        }
    }

    fn ask(&self, client: &mut Client) -> Result<Response, ClientError> {
        match self.reuse {
            Reuse::Never => client.request("GET", &self.path, &[("connection", "close")]),
            Reuse::KeepAlive | Reuse::Http2 => client.get(&self.path),
        }
    }

    fn count(&self, outcome: Result<Response, ClientError>) {
        self.change(|tally| match outcome {
            Ok(response) if response.status() == 200 && response.body == self.expected => {
                tally.ok += 1;
            }
            Ok(response) => tally.failed.push(format!("{:?}", response.head)),
            Err(error) => tally.failed.push(format!("{error:?}")),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap());
        self.changed.notify_all();
    }
}
