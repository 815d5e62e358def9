//! One daemon as a library, on a thread of its own: its control plane. It starts its data plane.

use std::error::Error;
use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use selat_proto::socket::Daemon;
use selat_proto::v1::Listener;
use selat_runtime::config::Sources;
use selat_runtime::last_good::LastGood;
use selat_runtime::listen::Inherited;
use selat_runtime::log::LogControl;
use selat_runtime::process::{Begin, Launch, Origin, ProcessConfig};
use selat_runtime::signals::SignalOrders;
use selat_runtime::workers;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// A daemon that serves.
#[derive(Debug)]
pub(crate) struct Running {
    program: Daemon,
    shutdown: CancellationToken,
    life: JoinHandle<anyhow::Result<()>>,
    listeners: Vec<Listener>,
}

impl Running {
    /// Starts `program`, which is `run`, and waits until it serves. It lives until it has drained, or
    /// until `at_once` is cancelled.
    ///
    /// # Errors
    /// What the daemon says where it cannot begin to serve.
    pub(crate) fn start<C, E, F>(
        program: Daemon,
        sources: Sources,
        log: &LogControl,
        at_once: &CancellationToken,
        run: impl FnOnce(C, Launch) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        C: ProcessConfig + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<(), E>>,
    {
        let config = C::read(&sources)?;
        let shutdown = CancellationToken::new();
        let (ready, listening) = oneshot::channel();
        let launch = Launch {
            begin: Begin::OnDisk(sources.clone()),
            last_good: LastGood::nowhere(),
            sources,
            sockets: Inherited::none(),
            log: log.clone(),
            shutdown: shutdown.clone(),
            signals: SignalOrders::default(),
            ready,
            origin: Origin::default(),
        };
        let at_once = at_once.clone();
        let life = thread::Builder::new().name(program.name().to_owned()).spawn(move || {
            let life = at_once.run_until_cancelled_owned(run(config, launch));
            lived(workers::control_plane(async { life.await.unwrap_or(Ok(())) }))
        })?;
        match listening.blocking_recv() {
            Ok(listeners) => Ok(Self { program, shutdown, life, listeners }),
            Err(_) => Err(end(program, life)
                .err()
                .unwrap_or_else(|| anyhow!("{program} ended before it served"))),
        }
    }

    /// Where it listens for `role`: the first of its addresses.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn address(&self, role: &str) -> anyhow::Result<&str> {
        self.listeners
            .iter()
            .find(|listener| listener.role == role)
            .map(|listener| listener.address.as_str())
            .with_context(|| format!("{} does not listen for {role}", self.program))
    }

    /// Lets it drain, and waits for its end.
    ///
    /// # Errors
    /// What went wrong in its life.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        end(self.program, self.life)
    }
}

fn lived<E: Error + Send + Sync + 'static>(life: io::Result<Result<(), E>>) -> anyhow::Result<()> {
    Ok(life.context("cannot start a runtime")??)
}

fn end(program: Daemon, life: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    let ended = life.join().map_err(|_| anyhow!("{program} panicked; the log says where"))?;
    ended.with_context(|| format!("{program} failed"))
}
