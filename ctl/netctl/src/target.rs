//! Which daemon to talk to, and where.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use selat_proto::socket::Daemon;

/// Where a control API is: a socket path, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target(PathBuf);

/// A text that names no control API that this netctl can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Nothing.
    #[error("it is empty; give the path of a control socket, such as /run/proxyd/control.sock")]
    Empty,
    /// Another machine.
    #[error(
        "this netctl controls daemons of its own machine only, there is no control over the \
         network; give the path of a control socket, such as /run/proxyd/control.sock"
    )]
    Remote,
}

impl Target {
    /// The socket.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let path = match text.split_once(':') {
            // unix:PATH, unix:/PATH and unix:///PATH (gRPC name resolution, doc/naming.md)
            Some(("unix", path)) if path.starts_with("///") => &path[2..],
            Some(("unix", path)) => path,
            Some((_, rest)) if rest.starts_with("//") => return Err(TargetError::Remote),
            _ => text,
        };
        if path.is_empty() { Err(TargetError::Empty) } else { Ok(Self(path.into())) }
    }
}

/// Where to look for `daemon` when nobody says: its socket of this user's session, then the
/// system's, which root and the operators use also inside of a session.
pub(crate) fn usual_sockets(daemon: Daemon) -> Vec<PathBuf> {
    let session = daemon.control_socket();
    let system = Path::new("/run").join(daemon.name()).join("control.sock");
    if session == system { vec![system] } else { vec![session, system] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_paths_with_or_without_a_scheme() {
        for (text, path) in [
            ("/run/x.sock", "/run/x.sock"),
            ("x.sock", "x.sock"),
            ("unix:/run/x.sock", "/run/x.sock"),
            ("unix:x.sock", "x.sock"),
            ("unix:///run/x.sock", "/run/x.sock"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().path(), Path::new(path), "{text}");
        }
    }

    #[test]
    fn other_machines_and_nothing_are_refused() {
        for (text, error) in [
            ("", TargetError::Empty),
            ("unix:", TargetError::Empty),
            ("https://example.net:9443", TargetError::Remote),
            ("http://127.0.0.1:1", TargetError::Remote),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }
}
