//! The whole system: websrvd behind proxyd, and netctl that knows both.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{Daemon, Netctl};

/// websrvd and proxyd in front of it, over HTTP and UDP.
#[derive(Debug)]
pub struct System {
    /// The caching proxy and relay.
    pub proxyd: Daemon,
    /// The web server and echo.
    pub websrvd: Daemon,
    /// netctl, in a directory of its own.
    pub netctl: Netctl,
    site: TempDir,
}

impl System {
    /// A system with a site of one page, `/` with the text `hello`.
    #[must_use]
    pub fn start() -> Self {
        let site = tempfile::tempdir().unwrap();
        fs::write(site.path().join("index.html"), "hello").unwrap();
        let websrvd = Daemon::serving(site.path()).start();
        let relay = format!("127.0.0.1:0={}", websrvd.address("echo"));
        let proxyd = Daemon::caching(websrvd.address("http")).args(["--udp", &relay]).start();
        let netctl = Netctl::new().websrvd(&websrvd).proxyd(&proxyd).in_directory(site.path());
        Self { proxyd, websrvd, netctl, site }
    }

    /// The directory that is served, in which netctl also runs.
    #[must_use]
    pub fn site(&self) -> &Path {
        self.site.path()
    }
}
