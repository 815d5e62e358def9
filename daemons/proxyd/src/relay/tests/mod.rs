//! The relay over real sockets and threads.

mod tcp;
mod udp;

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use selat_core::relay::UpstreamAddr;
use selat_runtime::workers::Workers;
use tokio::time::{interval, timeout};

use super::*;

const LOOPBACK: &str = "127.0.0.1:0";

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

const THREADS: usize = 2;

/// A relay on threads of its own.
struct Rig {
    relay: Relay,
    workers: Workers,
}

impl Rig {
    fn start() -> Self {
        let workers = Workers::start("relay", THREADS).expect("threads");
        Self { relay: Relay::new(THREADS), workers }
    }

    /// Keeps every thread from doing anything until what is returned is dropped.
    fn hold_threads(&self) -> Held {
        let holding = Arc::new(Barrier::new(THREADS + 1));
        let released = (0..THREADS).map(|index| {
            let (release, released) = mpsc::channel::<()>();
            let holding = Arc::clone(&holding);
            self.workers.handle(index).spawn(async move {
                holding.wait();
                let _ = released.recv();
            });
            release
        });
        let held = Held { _release: released.collect() };
        holding.wait();
        held
    }

    /// Waits until so many sessions are open.
    async fn until_sessions(&self, count: usize) -> Vec<SessionInfo> {
        self.until(|sessions| sessions.len() == count).await
    }

    /// Waits until the open sessions are as they should be.
    async fn until(&self, wanted: impl Fn(&[SessionInfo]) -> bool) -> Vec<SessionInfo> {
        let mut ticks = interval(Duration::from_millis(1));
        let waiting = async {
            loop {
                let sessions = self.relay.sessions(None).await;
                if wanted(&sessions) {
                    return sessions;
                }
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the sessions in time")
    }
}

/// Threads that do nothing.
struct Held {
    _release: Vec<mpsc::Sender<()>>,
}

fn upstream(addr: std::net::SocketAddr) -> UpstreamAddr {
    UpstreamAddr::new(addr)
}
