//! What outlives an instance of a daemon, in the service manager's descriptor store (`FDSTORE=1`, sd_notify(3)): the
//! sockets of sessions, each under a name of its own, and memory with the counters and what the sessions are. The
//! manager passes it to the next instance, whether this one was restarted, killed or crashed.
//!
//! 1. [`Keeper::begin`] takes what was passed in; what is broken or foreign is dropped with a line in the log.
//! 2. [`Keeper::update`], every [`INTERVAL`], writes the memory, then stores new sockets, so that there is no socket
//!    without its record, and lets go of those whose session has ended.
//! 3. The last update, at the end of a drain, has everything.

mod memory;

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use prost::Message;
use selat_proto::v1::{KeptSession, KeptState};
use tracing::{debug, warn};

use self::memory::Memory;
pub use self::memory::STATE_BYTES_MAX;
use crate::{listen::Inherited, notify};

/// Time between two updates: what a crash loses of counters and new sessions.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// New sockets in one update. The manager compares each with all that it has.
const NEW_MAX: usize = 200;

/// Name that the memory is kept under.
const STATE: &str = "state";

/// What the names of sessions' sockets begin with.
const SESSION: &str = "session-";

/// Time for the service manager to take in what it was told last.
const BARRIER_PATIENCE: Duration = Duration::from_secs(5);

/// A session that the next instance is to go on with.
#[derive(Debug)]
pub struct LeftSession {
    /// What it is.
    pub record: KeptSession,
    /// Its socket; `None` where the keeper has had it before.
    pub socket: Option<OwnedFd>,
    /// Whether the service manager has the socket, too.
    pub is_kept: bool,
}

/// What the instance before left.
#[derive(Debug, Default)]
pub struct Legacy {
    /// What it counted, by name.
    pub counters: HashMap<String, u64>,
    /// Its sessions, each with its socket.
    pub sessions: Vec<LeftSession>,
}

/// Has the service manager keep what is to outlive this instance.
#[derive(Debug)]
pub struct Keeper {
    memory: Memory,
    /// The sessions whose sockets are kept.
    sessions: HashSet<u64>,
}

impl Keeper {
    /// What the instance before left among what was passed in, and who keeps what this one leaves: nobody, where no
    /// service manager listens.
    #[must_use]
    pub fn begin(passed: &mut Inherited) -> (Option<Self>, Legacy) {
        let sockets = sessions_in(passed);
        let memory = passed.take(STATE).into_iter().next();
        if !notify::is_heard() {
            return (None, Legacy::default());
        }
        let sessions = sockets.keys().copied().collect();
        let (memory, state) = match memory.map(taken_over) {
            Some(Ok((memory, state))) => (Ok(memory), state),
            Some(Err(reason)) => {
                warn!(reason, "what the instance before left is not used");
                notify::forget(STATE);
                (stored_anew(), KeptState::default())
            }
            None => (stored_anew(), KeptState::default()),
        };
        let legacy = joined(state, sockets);
        match memory {
            Ok(memory) => (Some(Self { memory, sessions }), legacy),
            Err(error) => {
                warn!(%error, "a restart will lose counters and sessions: there is no memory to keep them in");
                (None, legacy)
            }
        }
    }

    /// Goes on with the memory of the instance before, which has handed over these sessions.
    #[must_use]
    pub fn handed_over(memory: OwnedFd, sessions: &[LeftSession]) -> Option<Self> {
        let kept = sessions.iter().filter(|session| session.is_kept);
        let sessions = kept.map(|session| session.record.id).collect();
        match Memory::taken_over(memory) {
            Ok((memory, _)) => Some(Self { memory, sessions }),
            Err(error) => {
                warn!(%error, "a restart will lose counters and sessions");
                None
            }
        }
    }

    /// The memory, for the instance after this one.
    #[must_use]
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.file().as_fd()
    }

    /// How many new sessions the next update takes, where `max` are to be kept at most.
    #[must_use]
    pub fn room(&self, max: usize) -> usize {
        max.saturating_sub(self.sessions.len()).min(NEW_MAX)
    }

    /// Keeps these counters and sessions, and nothing else.
    pub fn update(&mut self, counters: HashMap<String, u64>, sessions: Vec<LeftSession>) {
        let (records, sockets): (Vec<_>, Vec<_>) =
            sessions.into_iter().map(|session| (session.record, session.socket)).unzip();
        let numbers: Vec<_> = records.iter().map(|record| record.id).collect();
        let state = KeptState { counters, sessions: records };
        if let Err(error) = self.memory.write(&state.encode_to_vec()) {
            warn!(%error, "a restart would lose what happened since the last update");
        }
        for (number, socket) in numbers.iter().zip(sockets) {
            if let Some(socket) = socket
                && self.sessions.insert(*number)
            {
                notify::store(&format!("{SESSION}{number}"), socket.as_fd());
            }
        }
        let open: HashSet<_> = numbers.into_iter().collect();
        for ended in self.sessions.extract_if(|number| !open.contains(number)) {
            notify::forget(&format!("{SESSION}{ended}"));
        }
    }

    /// As [`Keeper::update`], for the last time: of the sessions, `max` at most, those that are kept already and those
    /// that were used last. Returns once the service manager has taken it in.
    pub async fn finish(
        mut self,
        counters: HashMap<String, u64>,
        mut sessions: Vec<LeftSession>,
        max: usize,
    ) {
        sessions.sort_by_key(|LeftSession { record, .. }| {
            let used = record.last_used.as_ref().map(|used| (used.seconds, used.nanos));
            (!self.sessions.contains(&record.id), std::cmp::Reverse(used))
        });
        if sessions.len() > max {
            warn!(ended = sessions.len() - max, kept = max, "more sessions than are kept");
            sessions.truncate(max);
        }
        self.update(counters, sessions);
        if notify::barrier(BARRIER_PATIENCE).await.is_err() {
            debug!("the service manager does not say that it has taken in what was left");
        }
    }
}

/// The sockets of sessions that were passed in, by number.
fn sessions_in(passed: &mut Inherited) -> HashMap<u64, OwnedFd> {
    let mut sockets = HashMap::new();
    for (number, socket) in passed.take_prefixed(SESSION) {
        match number.parse() {
            Ok(number) => drop(sockets.insert(number, socket)),
            Err(_) => notify::forget(&format!("{SESSION}{number}")),
        }
    }
    sockets
}

fn taken_over(fd: OwnedFd) -> Result<(Memory, KeptState), String> {
    let (memory, bytes) = Memory::taken_over(fd).map_err(|error| error.to_string())?;
    let state = KeptState::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
    Ok((memory, state))
}

fn stored_anew() -> io::Result<Memory> {
    let memory = Memory::new()?;
    notify::store(STATE, memory.file().as_fd());
    Ok(memory)
}

/// The sessions of `state` that have a socket.
fn joined(state: KeptState, mut sockets: HashMap<u64, OwnedFd>) -> Legacy {
    let with_socket = state.sessions.into_iter().filter_map(|record| {
        let socket = sockets.remove(&record.id)?;
        Some(LeftSession { record, socket: Some(socket), is_kept: true })
    });
    let sessions = with_socket.collect();
    if !sockets.is_empty() {
        debug!(
            sockets = sockets.len(),
            "sockets of sessions that nothing is known of were passed in"
        );
    }
    Legacy { counters: state.counters, sessions }
}
