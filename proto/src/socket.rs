//! Where the daemons' control sockets are.

use std::{
    env, fmt,
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
