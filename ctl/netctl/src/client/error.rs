//! What goes wrong with a daemon, in the words of who has to put it right.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Gid, Group};
use selat_proto::socket::{Daemon, status_socket};
use tonic::{Code, Status};

use super::TlsFault;
use crate::exit::Exit;
use crate::target::{self, Target};

/// Which daemon was tried, where, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct ControlError {
    daemon: Daemon,
    place: Target,
    /// Nobody said where; these were looked for.
    tried: Vec<PathBuf>,
    reason: Reason,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No file there.
    Missing,
    /// A socket, but nobody listens.
    Deserted,
    /// A file that is no socket.
    NoSocket,
    /// This user may not connect.
    Denied {
        /// Group that may, where it can be seen.
        group: Option<String>,
    },
    /// This user may look, and asked for a change.
    LookingOnly {
        /// Group that may change things, where it can be seen.
        group: Option<String>,
    },
    /// The holder of our certificate may not.
    Barred {
        /// What it says.
        detail: String,
    },
    /// TLS has something against the connection.
    Tls(TlsFault),
    /// Its queue of connections is full.
    Busy,
    /// Another failure to connect.
    Connect {
        /// What the kernel says.
        detail: String,
    },
    /// What listens there does not speak our protocol.
    Foreign {
        /// What tonic says.
        detail: String,
    },
    /// No answer in time.
    Slow {
        /// How long we waited.
        deadline: Duration,
    },
    /// It stopped, or is about to.
    Gone {
        /// What it says.
        detail: String,
    },
    /// It does not have this call.
    Unknown,
    /// It does not find what was asked for.
    NotFound {
        /// What it says.
        detail: String,
    },
    /// It cannot make sense of an argument.
    Invalid {
        /// What it says.
        detail: String,
    },
    /// It will not, and says why.
    Refused {
        /// What it says, one error a line.
        detail: String,
    },
    /// It tried and failed.
    Failed {
        /// What it says.
        detail: String,
    },
}

impl Reason {
    /// Why a socket could not be connected to.
    pub(crate) fn of_connect(error: io::Error, path: &Path) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            ErrorKind::ConnectionRefused if is_socket(path) => Self::Deserted,
            ErrorKind::ConnectionRefused => Self::NoSocket,
            ErrorKind::PermissionDenied => Self::Denied { group: group_of(path) },
            ErrorKind::WouldBlock => Self::Busy,
            _ => Self::Connect { detail: error.to_string() },
        }
    }

    /// What a call was answered with.
    pub(crate) fn of_status(status: &Status) -> Self {
        let detail = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::NotFound { detail },
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid { detail },
            Code::FailedPrecondition | Code::ResourceExhausted | Code::Aborted => {
                Self::Refused { detail }
            }
            Code::PermissionDenied | Code::Unauthenticated => Self::Barred { detail },
            Code::Unimplemented => Self::Unknown,
            Code::Unavailable => Self::Gone { detail },
            // What tonic makes of a peer that does not answer in HTTP/2.
            Code::Unknown | Code::Internal if status.source().is_some() => Self::Foreign { detail },
            code => Self::Failed { detail: format!("{code}: {detail}") },
        }
    }
}

impl ControlError {
    pub(crate) fn new(daemon: Daemon, place: Target, reason: Reason) -> Self {
        let tried = match &place {
            Target::Socket(path) => vec![path.clone()],
            Target::Remote(_) => Vec::new(),
        };
        Self { daemon, place, tried, reason }
    }

    /// The same, where nobody said which socket to try.
    pub(crate) fn of_usual(daemon: Daemon, place: Target, reason: Reason) -> Self {
        let is_missing = reason == Reason::Missing;
        let error = Self::new(daemon, place, reason);
        if is_missing { Self { tried: target::usual_sockets(daemon), ..error } } else { error }
    }

    /// Where it was tried.
    pub(crate) fn place(&self) -> &Target {
        &self.place
    }

    pub(crate) fn exit(&self) -> Exit {
        match &self.reason {
            Reason::Tls(fault) => fault.exit(),
            Reason::Missing
            | Reason::Deserted
            | Reason::NoSocket
            | Reason::Busy
            | Reason::Connect { .. }
            | Reason::Foreign { .. }
            | Reason::Slow { .. }
            | Reason::Gone { .. } => Exit::Unreachable,
            Reason::Denied { .. } | Reason::LookingOnly { .. } | Reason::Barred { .. } => {
                Exit::Denied
            }
            Reason::Unknown
            | Reason::NotFound { .. }
            | Reason::Invalid { .. }
            | Reason::Refused { .. }
            | Reason::Failed { .. } => Exit::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        let name = self.daemon.name();
        Some(match &self.reason {
            Reason::Missing | Reason::Deserted => format!(
                "start it (systemctl start {name}), or say where its socket is: --{name} PATH \
                 or NETCTL_{}",
                name.to_uppercase()
            ),
            Reason::NoSocket | Reason::Foreign { .. } => {
                format!("name {name}'s control socket with --{name} PATH")
            }
            Reason::Tls(fault) => fault.hint(name),
            Reason::Barred { .. } => {
                format!(
                    "roles are given to names in [remote] of {name}.toml, and put in force by a reload"
                )
            }
            Reason::Connect { .. } if matches!(self.place, Target::Remote(_)) => {
                format!("netctl status on that machine says whether {name} listens for \"remote\"")
            }
            Reason::Denied { group: Some(group) } | Reason::LookingOnly { group: Some(group) } => {
                format!(
                    "join the group that may (sudo usermod -aG {group} \"$USER\", then log in \
                     again){}, or run netctl with sudo",
                    self.group_that_looks(group)
                )
            }
            Reason::Denied { group: None } => "run netctl with sudo".to_owned(),
            Reason::LookingOnly { group: None } => {
                format!("name the control socket with --{name} PATH: this one is for looking only")
            }
            Reason::Busy | Reason::Slow { .. } => format!(
                "wait longer with --timeout, or see what it does: journalctl -u {name} -n 50"
            ),
            Reason::Gone { .. } => format!("see why: journalctl -u {name} -n 50"),
            Reason::Unknown => {
                format!("check with: netctl --{name} {} status", self.place)
            }
            _ => return None,
        })
    }

    /// Words on the group that is enough for whoever was kept from looking, if there is another one.
    fn group_that_looks(&self, group: &str) -> String {
        let is_kept_from_looking = matches!(self.reason, Reason::Denied { .. });
        let Target::Socket(path) = &self.place else { return String::new() };
        let status = status_socket(path);
        match group_of(&status) {
            Some(looking) if is_kept_from_looking && status.exists() && looking != group => {
                format!(", or {looking} to look only")
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (daemon, path) = (self.daemon, &self.place);
        match &self.reason {
            Reason::Missing => {
                write!(f, "{daemon} is not running: there is no socket at {}", or(&self.tried))
            }
            Reason::Deserted => write!(
                f,
                "{daemon} is not running: nobody listens on its socket {path}, which an earlier \
                 process left behind"
            ),
            Reason::NoSocket => write!(f, "{path} is no socket, so {daemon} is not there"),
            Reason::Denied { group: Some(group) } => write!(
                f,
                "you may not control {daemon}: {path} is open to its owner and group {group}"
            ),
            Reason::Denied { group: None } => {
                write!(f, "you may not control {daemon} on {path}")
            }
            Reason::LookingOnly { group: Some(group) } => write!(
                f,
                "you may look at {daemon} but not change it: {path} is open to its owner and group \
                 {group}"
            ),
            Reason::LookingOnly { group: None } => {
                write!(f, "you may look at {daemon} but not change it on {path}")
            }
            Reason::Barred { detail } => write!(f, "{daemon} on {path} will not: {detail}"),
            Reason::Tls(fault) => write!(f, "cannot talk to {daemon} on {path}: {fault}"),
            Reason::Busy => {
                write!(f, "{daemon} takes no more connections on {path}: its queue is full")
            }
            Reason::Connect { detail } => write!(f, "cannot reach {daemon} on {path}: {detail}"),
            Reason::Foreign { detail } => write!(
                f,
                "what listens on {path} does not speak the control protocol of {daemon} ({detail})"
            ),
            Reason::Slow { deadline } => {
                write!(f, "{daemon} on {path} did not answer within {deadline:?}")
            }
            Reason::Gone { detail } => write!(f, "{daemon} on {path} went away: {detail}"),
            Reason::Unknown => write!(
                f,
                "the daemon on {path} does not know this call: it is not {daemon}, or one of \
                 another version"
            ),
            Reason::NotFound { detail } | Reason::Invalid { detail } => f.write_str(detail),
            Reason::Refused { detail } => {
                write!(f, "{daemon} refused:\n{}", indented(detail))
            }
            Reason::Failed { detail } => write!(f, "{daemon} failed: {detail}"),
        }
    }
}

impl Error for ControlError {}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn or(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The group of the socket, or of the directory that bars the way to it.
pub(super) fn group_of(path: &Path) -> Option<String> {
    let metadata = path.ancestors().find_map(|path| path.metadata().ok())?;
    let gid = Gid::from_raw(metadata.gid());
    let name = Group::from_gid(gid).ok().flatten().map(|group| group.name);
    // The group root is no answer to give to a user.
    (!gid.as_raw().eq(&0)).then(|| name.unwrap_or_else(|| gid.to_string()))
}
