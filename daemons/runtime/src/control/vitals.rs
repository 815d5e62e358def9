//! What a daemon says of itself: a snapshot that reading never makes anyone wait for.

use std::{
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;
use selat_proto::{socket::Daemon, v1};

use super::Gate;
use crate::{
    access::AccessLog, counters::Counter, life::Identity, log::LogControl, serve::Connections,
    supervise,
};

/// Where the daemon is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is served yet.
    Starting,
    /// Serving.
    Serving,
    /// Serving, but the configuration on disk was refused.
    Degraded,
    /// Finishing what is in flight.
    Draining,
    /// Nothing is in flight any more.
    Drained,
}

/// What changes in the life of a daemon.
#[derive(Clone, Debug)]
pub struct Current {
    /// Where it is in it.
    pub state: State,
    /// Number of the configuration in force.
    pub generation: u64,
    /// Why the one on disk was refused, empty while it is in force.
    pub config_error: String,
    /// Every bound socket.
    pub listeners: Vec<v1::Listener>,
    /// The process that handed over to this one, until it has ended.
    pub predecessor: Option<u32>,
}

/// What a daemon says of itself.
#[derive(Debug)]
pub struct Vitals {
    daemon: Daemon,
    version: &'static str,
    config_file: Option<PathBuf>,
    threads: usize,
    started: (SystemTime, Instant),
    connections: Arc<Connections>,
    access: AccessLog,
    gate: Arc<Gate>,
    log: LogControl,
    current: ArcSwap<Current>,
}

impl Vitals {
    /// Of a daemon that starts now.
    #[must_use]
    pub fn new(
        identity: &Identity,
        config_file: Option<&Path>,
        (connections, access, gate): (Arc<Connections>, AccessLog, Arc<Gate>),
        log: LogControl,
    ) -> Self {
        let current = Current {
            state: State::Starting,
            generation: 1,
            config_error: String::new(),
            listeners: Vec::new(),
            predecessor: None,
        };
        Self {
            daemon: identity.program,
            version: identity.version,
            config_file: config_file.map(ToOwned::to_owned),
            threads: identity.threads,
            started: (SystemTime::now(), Instant::now()),
            connections,
            access,
            gate,
            log,
            current: ArcSwap::from_pointee(current),
        }
    }

    /// Which daemon this is.
    #[must_use]
    pub fn daemon(&self) -> Daemon {
        self.daemon
    }

    /// The log of its process.
    #[must_use]
    pub fn log(&self) -> &LogControl {
        &self.log
    }

    /// Where it is in its life.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Changes where it is in its life.
    pub fn update(&self, change: impl Fn(&mut Current)) {
        self.current.rcu(|current| {
            let mut next = Current::clone(current);
            change(&mut next);
            next
        });
    }

    /// Shows every counter that outlives the process: those of `daemon`, and what every process counts.
    pub fn visit_counters_with(
        &self,
        daemon: &impl supervise::Daemon,
        visit: &mut dyn FnMut(&str, &Counter),
    ) {
        daemon.visit_counters(visit);
        self.access.visit_counters(visit);
        self.gate.refusals.visit_counters(visit);
    }

    /// Everything, as the control socket says it.
    #[must_use]
    pub fn status(&self) -> v1::GetStatusResponse {
        let current = self.current.load();
        let access = self.access.written();
        let file = self.config_file.as_ref().filter(|path| path.exists());
        v1::GetStatusResponse {
            daemon: self.daemon.name().to_owned(),
            version: self.version.to_owned(),
            pid: process::id(),
            state: v1::DaemonState::from(current.state).into(),
            start_time: Some(self.started.0.into()),
            config_generation: current.generation,
            config_file: file.map(|path| path.display().to_string()).unwrap_or_default(),
            config_error: current.config_error.clone(),
            threads: u32::try_from(self.threads).unwrap_or(u32::MAX),
            listeners: current.listeners.clone(),
            connections_active: self.connections.active(),
            connections_accepted: self.connections.accepted(),
            connections_max: self.connections.max() as u64,
            requests: self.connections.requests(),
            log_filter: self.log.current(),
            predecessor_pid: current.predecessor.unwrap_or_default(),
            uptime: prost_types::Duration::try_from(self.started.1.elapsed()).ok(),
            remote_refused: self.gate.refused(),
            access_lines: access.lines,
            access_lines_dropped: access.dropped,
        }
    }

    /// How it fares, in a sentence for the service manager.
    #[must_use]
    pub fn sentence(&self) -> String {
        let current = self.current.load();
        let (open, requests) = (self.connections.active(), self.connections.requests());
        let generation = current.generation;
        match current.config_error.lines().next() {
            Some(error) => format!("DEGRADED, serves the last good configuration: {error}"),
            None => format!("configuration {generation}, {open} connections, {requests} requests"),
        }
    }
}

impl From<State> for v1::DaemonState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Serving => Self::Serving,
            State::Degraded => Self::Degraded,
            State::Draining => Self::Draining,
            State::Drained => Self::Drained,
        }
    }
}
