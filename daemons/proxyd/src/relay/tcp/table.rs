//! The open connections of one TCP listener, over all threads. Its lock is taken once when a
//! connection opens and once when it ends, never for what is carried, and held for a bounded time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use selat_core::relay::{ClientAddr, ClientNetwork, Traffic};
use tokio::time::Instant;

use super::reason::RefuseReason;
use crate::relay::config::TcpConfig;
use crate::relay::session::{Protocol, SessionInfo};

/// Connections that are looked at while the lock is held.
const PAGE: usize = 256;

#[derive(Debug)]
pub(super) struct Table {
    local: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: TcpConfig,
    open: BTreeMap<u64, Arc<Meter>>,
    by_network: HashMap<ClientNetwork, u32>,
}

/// What one connection carried so far: written by its task, read by the control plane.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) client: ClientAddr,
    pub(super) config: TcpConfig,
    opened: Instant,
    /// Milliseconds from `opened` to the last bytes.
    last_used_ms: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
}

/// A connection's place in its table, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Table>,
    pub(super) number: u64,
    pub(super) meter: Arc<Meter>,
}

impl Table {
    pub(super) fn new(local: SocketAddr, config: TcpConfig) -> Self {
        let (open, by_network) = (BTreeMap::new(), HashMap::new());
        Self { local, state: Mutex::new(State { config, open, by_network }) }
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn config(&self) -> TcpConfig {
        self.state().config
    }

    pub(super) fn configure(&self, config: TcpConfig) {
        self.state().config = config;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().open.is_empty()
    }

    /// Admits a connection, or says which cap it meets.
    pub(super) fn open(
        self: &Arc<Self>,
        number: u64,
        client: ClientAddr,
    ) -> Result<Place, RefuseReason> {
        let mut state = self.state();
        let config = state.config;
        if state.open.len() >= config.connections_max as usize {
            return Err(RefuseReason::ConnectionCap);
        }
        let of_client = state.by_network.get(&client.network()).copied().unwrap_or(0);
        if of_client >= config.connections_per_client_max {
            return Err(RefuseReason::ClientCap);
        }
        state.by_network.insert(client.network(), of_client + 1);
        let meter = Arc::new(Meter::new(client, config));
        state.open.insert(number, Arc::clone(&meter));
        Ok(Place { table: Arc::clone(self), number, meter })
    }

    /// Appends the open connections, oldest first.
    pub(super) fn read(&self, sessions: &mut Vec<SessionInfo>) {
        let now = Instant::now();
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(after);
            sessions.extend(page.iter().map(|(number, meter)| self.info(*number, meter, now)));
            match page.last() {
                Some((last, _)) => after = Bound::Excluded(*last),
                None => return,
            }
        }
    }

    fn page(&self, after: Bound<u64>) -> Vec<(u64, Arc<Meter>)> {
        let state = self.state();
        let rest = state.open.range((after, Bound::Unbounded));
        rest.take(PAGE).map(|(number, meter)| (*number, Arc::clone(meter))).collect()
    }

    fn info(&self, number: u64, meter: &Meter, now: Instant) -> SessionInfo {
        let bytes = |counter: &AtomicU64| Traffic { datagrams: 0, bytes: counter.load(Relaxed) };
        SessionInfo {
            protocol: Protocol::Tcp,
            number,
            client: meter.client,
            listener: self.local,
            upstream: meter.config.upstream,
            age: now.saturating_duration_since(meter.opened),
            idle: now.saturating_duration_since(meter.last_used()),
            up: bytes(&meter.up_bytes),
            down: bytes(&meter.down_bytes),
        }
    }

    fn close(&self, number: u64, network: ClientNetwork) {
        let mut state = self.state();
        state.open.remove(&number);
        if let Some(count) = state.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                state.by_network.remove(&network);
            }
        }
    }

    /// Nothing that holds the lock can leave the table half changed, so a panic elsewhere is no
    /// reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    fn new(client: ClientAddr, config: TcpConfig) -> Self {
        Self {
            client,
            config,
            opened: Instant::now(),
            last_used_ms: AtomicU64::new(0),
            up_bytes: AtomicU64::new(0),
            down_bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn carried_up(&self, bytes: u64) {
        self.up_bytes.fetch_add(bytes, Relaxed);
        self.used();
    }

    pub(super) fn carried_down(&self, bytes: u64) {
        self.down_bytes.fetch_add(bytes, Relaxed);
        self.used();
    }

    /// When bytes last moved, to the millisecond.
    pub(super) fn last_used(&self) -> Instant {
        self.opened + Duration::from_millis(self.last_used_ms.load(Relaxed))
    }

    fn used(&self) {
        self.last_used_ms.store(self.opened.elapsed().as_millis() as u64, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.close(self.number, self.meter.client.network());
    }
}
