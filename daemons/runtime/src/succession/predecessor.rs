//! The side of the process that goes.

use std::{
    collections::HashMap,
    io, iter,
    os::fd::{AsFd, OwnedFd},
    process::{self, ExitStatus, Stdio},
    time::Duration,
};

use selat_proto::v1::{
    HandedAllSockets, HandedCounters, HandedSession, HandedSocket, SuccessorBegin,
    succession_message::Step,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use tracing::{debug, info};

use super::{Program, VARIABLE, VERSION, channel::Channel};
use crate::{
    keep::{Keeper, LeftSession},
    notify,
};

/// Time for a new process to prepare everything.
const PREPARE_PATIENCE: Duration = Duration::from_secs(30);

/// Counters in one packet, far from its limit: a name has a hundred bytes or so.
const COUNTERS_MAX: usize = 500;

/// Time for it to serve, once it may; and for the service manager to take in who is its main process.
const SERVE_PATIENCE: Duration = Duration::from_secs(10);

/// What the service manager tells of one process only.
const OF_THIS_PROCESS: [&str; 5] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"];

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
pub enum SuccessionError {
    /// A socket cannot be handed over.
    #[error(
        "{role} {address} was bound by the daemon itself: only sockets that the service manager \
         passed in can be handed over (packaging/README.md, sockets); a restart is what is left"
    )]
    OwnSocket {
        /// What it serves.
        role: String,
        /// Where it is.
        address: String,
    },
    /// The program cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// Its file.
        program: std::path::PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// This process is no daemon that was started as a program.
    #[error("this daemon is part of another program, and cannot be started anew by itself")]
    NoProgram,
    /// It cannot be talked to.
    #[error("cannot talk to the new process: {0}")]
    Channel(#[from] io::Error),
    /// It gave a reason.
    #[error("the new process gave up: {0}")]
    Failed(String),
    /// It ended without a reason.
    #[error("the new process ended before it was ready ({0}); the log may say why")]
    Ended(String),
    /// It takes too long.
    #[error("the new process was not ready within {0:?}")]
    Slow(Duration),
    /// The daemon is to stop.
    #[error("the daemon was told to stop meanwhile")]
    Stopping,
}

/// The one that goes: a new process is prepared and waits for its word to begin, and ends where this is dropped
/// instead. Afterwards this is dropped last, which tells the new one that everything is finished.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    pid: u32,
    version: String,
}

impl Predecessor {
    /// Starts `program` as a successor on `sockets`, each with its name, and waits until it is prepared.
    ///
    /// # Errors
    /// [`SuccessionError`]: nothing has changed then.
    pub async fn prepare(
        program: &Program,
        sockets: &[(String, OwnedFd)],
    ) -> Result<Self, SuccessionError> {
        let (channel, theirs) = Channel::pair()?;
        let mut child = start(program, theirs)?;
        match timeout(PREPARE_PATIENCE, prepared(&channel, &mut child, sockets)).await {
            Ok(prepared) => {
                let (pid, version) = prepared?;
                info!(pid, version, "a new process is prepared");
                Ok(Self { channel, pid, version })
            }
            Err(_) => Err(SuccessionError::Slow(PREPARE_PATIENCE)),
        }
    }

    /// Makes it the service's main process. From here on there is no way back.
    pub async fn promote(&self) {
        notify::main_process(self.pid);
        if notify::is_heard() && notify::barrier(SERVE_PATIENCE).await.is_err() {
            debug!("the service manager does not say that it knows its new main process");
        }
        notify::fall_silent();
    }

    /// Hands over what was counted and the sessions, has it begin, and waits until it serves. Returns how many
    /// sessions it goes on with.
    ///
    /// # Errors
    /// [`SuccessionError`]: it is no more, and a restart is what helps.
    pub async fn hand_over(
        &self,
        counters: HashMap<String, u64>,
        sessions: Vec<LeftSession>,
        keeper: Option<&Keeper>,
    ) -> Result<u64, SuccessionError> {
        let mut count = 0;
        for LeftSession { record, socket, is_kept } in sessions {
            let Some(socket) = socket else { continue };
            let step = Step::Session(HandedSession { session: Some(record), is_kept });
            self.channel.send(step, Some(socket.as_fd())).await?;
            count += 1;
        }
        for counters in parts(counters) {
            self.channel.send(Step::Counters(HandedCounters { counters }), None).await?;
        }
        let begin = Step::Begin(SuccessorBegin { pid: process::id() });
        self.channel.send(begin, keeper.map(Keeper::memory)).await?;
        let serves = timeout(SERVE_PATIENCE, self.channel.receive()).await;
        match serves.map_err(|_| SuccessionError::Slow(SERVE_PATIENCE))?? {
            Some((Step::Serves(_), _)) => Ok(count),
            Some((Step::Failed(failed), _)) => Err(SuccessionError::Failed(failed.reason)),
            _ => Err(SuccessionError::Ended(format!("process {}", self.pid))),
        }
    }

    /// The new process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its semantic version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn start(program: &Program, stdin: OwnedFd) -> Result<Child, SuccessionError> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::from(stdin)).env(VARIABLE, VERSION);
    for name in OF_THIS_PROCESS {
        command.env_remove(name);
    }
    let failed = |source| SuccessionError::Start { program: program.path.clone(), source };
    command.kill_on_drop(true).spawn().map_err(failed)
}

/// Sends the sockets and waits for what becomes of it: its process id and version.
async fn prepared(
    channel: &Channel,
    child: &mut Child,
    sockets: &[(String, OwnedFd)],
) -> Result<(u32, String), SuccessionError> {
    // What could not be sent is told by how it ended.
    let _ = send_sockets(channel, sockets).await;
    loop {
        let received = channel.receive().await;
        match received {
            Ok(Some((Step::Prepared(prepared), _))) => {
                // It has ended long since: the new process is a child of its.
                let _ = child.wait().await;
                return Ok((prepared.pid, prepared.version));
            }
            Ok(Some((Step::Failed(failed), _))) => {
                return Err(SuccessionError::Failed(failed.reason));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let ended = child.wait().await.ok().filter(|status| !status.success());
                let ended = ended.as_ref().map(ExitStatus::to_string);
                let ended = ended.unwrap_or_else(|| "its exit code is not known".to_owned());
                return Err(SuccessionError::Ended(ended));
            }
        }
    }
}

async fn send_sockets(channel: &Channel, sockets: &[(String, OwnedFd)]) -> io::Result<()> {
    for (name, socket) in sockets {
        let step = Step::Socket(HandedSocket { name: name.clone() });
        channel.send(step, Some(socket.as_fd())).await?;
    }
    channel.send(Step::AllSockets(HandedAllSockets {}), None).await
}

/// All counters, as many at a time as go into a packet.
fn parts(counters: HashMap<String, u64>) -> impl Iterator<Item = HashMap<String, u64>> {
    let mut counters = counters.into_iter();
    iter::from_fn(move || {
        let part: HashMap<_, _> = counters.by_ref().take(COUNTERS_MAX).collect();
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use selat_proto::v1::SuccessionMessage;

    use super::*;
    use crate::succession::channel::PACKET_BYTES_MAX;

    #[test]
    fn however_much_was_counted_fits_into_packets() {
        let all: HashMap<_, _> = (0..60_000).map(|n| (format!("{n:0120}"), u64::MAX)).collect();
        let mut handed = HashMap::new();
        for counters in parts(all.clone()) {
            handed.extend(counters.clone());
            let step = Some(Step::Counters(HandedCounters { counters }));
            let bytes = SuccessionMessage { step }.encoded_len();
            assert!(bytes <= PACKET_BYTES_MAX, "{bytes}");
        }
        assert_eq!(handed, all);
    }
}
