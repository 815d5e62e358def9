//! Both daemons, one in front of the other, and where everything of theirs is.

use std::path::{Path, PathBuf};

use anyhow::Context;
use selat_proto::socket::Daemon;
use selat_runtime::config::Sources;
use selat_runtime::log::LogControl;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::daemon::Running;

/// Ports on loopback; 0 lets the system choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    web: u16,
    echo: u16,
    proxy: u16,
    relay: u16,
}

impl Ports {
    /// Those of the daemons' built-in defaults.
    pub(crate) const USUAL: Self = Self { web: 8000, echo: 9000, proxy: 8080, relay: 9090 };
    /// Whatever is free.
    pub(crate) const FREE: Self = Self { web: 0, echo: 0, proxy: 0, relay: 0 };
}

/// websrvd, and proxyd in front of it.
#[derive(Debug)]
pub(crate) struct System {
    websrvd: Running,
    proxyd: Running,
    root: PathBuf,
    sockets: TempDir,
}

impl System {
    /// Starts both: websrvd serves `root`, proxyd is in front of it with HTTP and UDP. Once `at_once`
    /// is cancelled, neither waits for what it has in flight.
    ///
    /// # Errors
    /// `root` is no directory, or a daemon cannot begin to serve: a port is taken, for one.
    pub(crate) fn start(
        root: &Path,
        ports: &Ports,
        log: &LogControl,
        at_once: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let root =
            root.canonicalize().with_context(|| format!("cannot serve {}", root.display()))?;
        let sockets = tempfile::Builder::new()
            .prefix("selat-lab.")
            .tempdir()
            .context("cannot make a directory for the control sockets")?;
        let control = |daemon| socket(&sockets, daemon).display().to_string();
        let sources = Sources::of("websrvd")
            .without_file()
            .with_flag("root", [root.display().to_string()])
            .with_flag("http", [loopback(ports.web)])
            .with_flag("echo", [loopback(ports.echo)])
            .with_flag("control", [control(Daemon::Websrvd)]);
        let websrvd = Running::start(Daemon::Websrvd, sources, log, at_once, websrvd::run)?;
        let relay = format!("{}={}", loopback(ports.relay), websrvd.address("echo")?);
        let sources = Sources::of("proxyd")
            .without_file()
            .with_flag("origin", [format!("http://{}", websrvd.address("http")?)])
            .with_flag("http", [loopback(ports.proxy)])
            .with_flag("udp", [relay])
            .with_flag("control", [control(Daemon::Proxyd)]);
        match Running::start(Daemon::Proxyd, sources, log, at_once, proxyd::run) {
            Ok(proxyd) => Ok(Self { websrvd, proxyd, root, sockets }),
            Err(error) => {
                websrvd.stop()?;
                Err(error)
            }
        }
    }

    /// The site through the proxy.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}/", self.proxyd.address("http")?))
    }

    /// The site without the proxy.
    pub(crate) fn origin_url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}/", self.websrvd.address("http")?))
    }

    /// The UDP relay.
    pub(crate) fn relay(&self) -> anyhow::Result<&str> {
        self.proxyd.address("udp")
    }

    /// The echo behind it.
    pub(crate) fn echo(&self) -> anyhow::Result<&str> {
        self.websrvd.address("echo")
    }

    /// The control socket of `daemon`.
    pub(crate) fn socket(&self, daemon: Daemon) -> PathBuf {
        socket(&self.sockets, daemon)
    }

    /// The directory that is served.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Stops both, the one in front first, so that what it has in flight still finds its origin.
    ///
    /// # Errors
    /// What went wrong in the life of one of them.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let proxyd = self.proxyd.stop();
        self.websrvd.stop().and(proxyd)
    }
}

fn socket(directory: &TempDir, daemon: Daemon) -> PathBuf {
    directory.path().join(format!("{daemon}.sock"))
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
