//! Where the daemons' control sockets are, and the status sockets beside them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
};

/// A daemon of Selat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Daemon {
    /// The static web server and UDP reflector.
    Websrvd,
    /// The caching proxy and relay.
    Proxyd,
}

impl Daemon {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Websrvd, Self::Proxyd];

    /// The program's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Websrvd => "websrvd",
            Self::Proxyd => "proxyd",
        }
    }

    /// Where the daemon itself puts its control socket: in `$RUNTIME_DIRECTORY` where the service
    /// manager made one, else where [`Daemon::control_socket`] says.
    #[must_use]
    pub fn own_control_socket(self) -> PathBuf {
        match first_directory("RUNTIME_DIRECTORY") {
            Some(own) => own.join("control.sock"),
            None => self.control_socket(),
        }
    }

    /// Where everyone else finds it: `$XDG_RUNTIME_DIR/NAME/control.sock`, or
    /// `/run/NAME/control.sock` where that is not set.
    #[must_use]
    pub fn control_socket(self) -> PathBuf {
        let run = first_directory("XDG_RUNTIME_DIR").unwrap_or_else(|| PathBuf::from("/run"));
        run.join(self.name()).join("control.sock")
    }
}

/// Where the status socket that goes with a control socket is: `status.sock` beside a `control.sock`,
/// else the same name with `.status` after it.
#[must_use]
pub fn status_socket(control: &Path) -> PathBuf {
    match control.file_name() {
        Some(name) if name != "control.sock" => {
            let suffixed = [name, OsStr::new(".status")].into_iter().collect::<OsString>();
            control.with_file_name(suffixed)
        }
        _ => control.with_file_name("status.sock"),
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first entry of a variable that holds absolute directories separated by colons.
fn first_directory(variable: &str) -> Option<PathBuf> {
    let value = env::var(variable).ok()?;
    let first = Path::new(value.split(':').next()?);
    first.is_absolute().then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_socket_is_beside_its_control_socket_and_shared_with_no_other() {
        for (control, status) in [
            ("/run/proxyd/control.sock", "/run/proxyd/status.sock"),
            ("/tmp/websrvd.sock", "/tmp/websrvd.sock.status"),
            ("/tmp/proxyd.sock", "/tmp/proxyd.sock.status"),
            ("control.sock", "status.sock"),
        ] {
            assert_eq!(status_socket(Path::new(control)), Path::new(status));
        }
    }
}
