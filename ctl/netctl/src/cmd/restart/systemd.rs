//! systemd by its own command, systemctl(1), which asks for a password where policy wants one.

use std::process::Stdio;
use std::time::Duration;

use selat_proto::socket::Daemon;
use tokio::process::Command;

/// Why a daemon cannot be restarted by its service manager.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnitError {
    /// The daemon is on another machine, and so is its service manager.
    #[error(
        "{daemon} is reached over the network, and restart asks the service manager of this machine"
    )]
    Elsewhere {
        /// Which daemon.
        daemon: Daemon,
    },
    /// There is no systemd, or none that can be asked.
    #[error("{daemon} (pid {pid}) cannot be restarted: no service manager can be asked ({detail})")]
    NoManager {
        /// Which daemon.
        daemon: Daemon,
        /// Its process.
        pid: u32,
        /// What came of asking.
        detail: String,
    },
    /// The unit is not what runs the daemon.
    #[error("{unit} does not run {daemon} (pid {pid}): its main process is {main}")]
    Foreign {
        /// The unit.
        unit: String,
        /// Which daemon.
        daemon: Daemon,
        /// Its process.
        pid: u32,
        /// The unit's, 0 for none.
        main: u32,
    },
    /// systemctl was not let, or failed.
    #[error("systemctl restart {unit} failed: {detail}")]
    Failed {
        /// The unit.
        unit: String,
        /// What it says.
        detail: String,
    },
    /// The instance before still answers.
    #[error("{daemon} (pid {pid}) still answers {limit:?} after its restart was asked for")]
    Unchanged {
        /// Which daemon.
        daemon: Daemon,
        /// Its process.
        pid: u32,
        /// Time that was waited.
        limit: Duration,
    },
}

impl UnitError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Elsewhere { daemon } => format!(
                "run netctl restart there, or netctl upgrade {daemon}, which needs no service manager"
            ),
            Self::NoManager { pid, .. } => {
                format!("end it with kill {pid}, which drains it, and start it as it was started")
            }
            Self::Foreign { daemon, pid, .. } => format!(
                "name the unit that does (systemctl status {pid} says which): netctl restart \
                 {daemon} --unit UNIT"
            ),
            Self::Failed { unit, .. } => format!("see why: journalctl -u {unit} -n 50"),
            Self::Unchanged { daemon, .. } => {
                format!("see what it waits for: netctl status {daemon}")
            }
        }
    }
}

/// How long a restart is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Until the new main process is ready.
    ForReady,
    /// Not at all.
    ForNothing,
}

/// A unit that runs a daemon.
#[derive(Debug)]
pub(super) struct Unit(String);

impl Unit {
    /// The unit `name`, which must be the one whose main process the daemon `pid` is: another's unit is not to be
    /// restarted.
    ///
    /// # Errors
    /// [`UnitError::NoManager`], [`UnitError::Foreign`].
    pub(super) async fn of(name: String, daemon: Daemon, pid: u32) -> Result<Self, UnitError> {
        let asked = systemctl(&["show", "--property=MainPID", "--value", "--", &name]).await;
        let main = asked.map_err(|detail| UnitError::NoManager { daemon, pid, detail })?;
        match main.trim().parse().unwrap_or(0) {
            main if main == pid => Ok(Self(name)),
            main => Err(UnitError::Foreign { unit: name, daemon, pid, main }),
        }
    }

    /// Restarts it, and returns once the new main process says that it is ready, or at once.
    ///
    /// # Errors
    /// [`UnitError::Failed`].
    pub(super) async fn restart(&self, waiting: Waiting) -> Result<(), UnitError> {
        let restarted = match waiting {
            Waiting::ForReady => systemctl(&["restart", "--", &self.0]).await,
            Waiting::ForNothing => systemctl(&["restart", "--no-block", "--", &self.0]).await,
        };
        restarted.map(drop).map_err(|detail| UnitError::Failed { unit: self.0.clone(), detail })
    }
}

/// What `systemctl arguments` writes to stdout, or why it fails.
async fn systemctl(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("systemctl");
    command.args(arguments).stdin(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("systemctl: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() { format!("systemctl ended with {}", output.status) } else { said })
}
