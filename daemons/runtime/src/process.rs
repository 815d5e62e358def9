//! The life of a daemon's process around its `run`: configuration, log, sockets, signals, exit code.

use std::{
    error::Error,
    future::Future,
    io::{self, Write},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use selat_proto::{socket::Daemon, v1::Listener};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::{ConfigErrors, PassedSockets, Sources},
    exit,
    last_good::LastGood,
    listen::{self, Inherited},
    log::{self, LogControl},
    service::ServiceConfig,
    signals::{self, SignalOrders},
    succession::{Program, Successor},
    workers,
};

/// What a daemon's `run` is given besides its configuration.
#[derive(Debug)]
pub struct Launch {
    /// Where the configuration is, for reloads.
    pub sources: Sources,
    /// Where the configuration that the daemon begins with came from.
    pub begin: Begin,
    /// Where the last good one is kept.
    pub last_good: LastGood,
    /// Sockets that the service manager passed in.
    pub sockets: Inherited,
    /// The log of the process.
    pub log: LogControl,
    /// Cancelled when the daemon is to stop.
    pub shutdown: CancellationToken,
    /// What signals order.
    pub signals: SignalOrders,
    /// Told every bound socket once the daemon serves.
    pub ready: oneshot::Sender<Vec<Listener>>,
    /// What it was started as.
    pub origin: Origin,
}

/// What a daemon was started as; by default, as part of another program.
#[derive(Debug, Default)]
pub struct Origin {
    /// How the program was started, where it is one of its own.
    pub program: Option<Program>,
    /// Its side of a succession, where it is to take over from another process.
    pub successor: Option<Successor>,
}

/// Which configuration a daemon begins with.
#[derive(Clone, Debug)]
pub enum Begin {
    /// The one on disk, which these sources hold.
    OnDisk(Sources),
    /// The last good one, since the one on disk has these errors.
    LastGood(ConfigErrors),
}

/// What every daemon's configuration says of the process.
pub trait ProcessConfig: Sized {
    /// Reads and checks it.
    ///
    /// # Errors
    /// Every error of it.
    fn read(sources: &Sources) -> Result<Self, ConfigErrors>;

    /// The keys that every daemon has.
    fn service(&self) -> &ServiceConfig;
}

/// Runs a daemon's process: checks its configuration and ends there if `check_only`, else runs `run` until a signal
/// ends it.
#[must_use]
pub fn run<C, E, F>(
    daemon: Daemon,
    sources: Sources,
    check_only: bool,
    run: impl FnOnce(C, Launch) -> F,
) -> ExitCode
where
    C: ProcessConfig,
    E: Error + 'static,
    F: Future<Output = Result<(), E>>,
{
    // Before there is a second thread.
    let successor = match Successor::begin() {
        Ok(successor) => successor,
        Err(error) => return exit::failed(&error),
    };
    let refuse = |reason: String| {
        if let Some(successor) = &successor {
            successor.give_up(reason);
        }
    };
    let sources = sources.with_passed(match &successor {
        Some(_) => PassedSockets::AllOfPredecessor,
        None => PassedSockets::Of(listen::passed_roles()),
    });
    let last_good = if check_only { LastGood::nowhere() } else { LastGood::in_state_directory() };
    // Who is to take over does so with what is on disk, or not at all.
    let fallback = if successor.is_some() { &LastGood::nowhere() } else { &last_good };
    let (config, begin) = match begin::<C>(&sources, fallback) {
        Ok(beginning) => beginning,
        Err(errors) => {
            refuse(errors.to_string());
            return exit::bad_config(&errors);
        }
    };
    if check_only {
        print_lines(["the configuration is good".to_owned()]);
        return ExitCode::SUCCESS;
    }
    let configured = Configured { sources, begin, last_good };
    let ended = match start(daemon, config, configured, successor.as_ref(), run) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => Box::from(error),
        Err(error) => error,
    };
    refuse(exit::chain(ended.as_ref()));
    exit::failed(ended.as_ref())
}

/// The configuration on disk, or the last good one where that is wrong.
///
/// # Errors
/// Every error of the one on disk, where there is no other.
fn begin<C: ProcessConfig>(
    sources: &Sources,
    last_good: &LastGood,
) -> Result<(C, Begin), ConfigErrors> {
    let held = sources.held();
    let errors = match C::read(&held) {
        Ok(config) => return Ok((config, Begin::OnDisk(held))),
        Err(errors) => errors,
    };
    let kept = last_good.files().map(|files| sources.with_files(files));
    match kept.map(|kept| C::read(&kept)) {
        Some(Ok(config)) => Ok((config, Begin::LastGood(errors))),
        Some(Err(_)) | None => Err(errors),
    }
}

/// Where a configuration came from, and where the next one will.
struct Configured {
    sources: Sources,
    begin: Begin,
    last_good: LastGood,
}

fn start<C, E, F>(
    daemon: Daemon,
    config: C,
    configured: Configured,
    successor: Option<&Successor>,
    run: impl FnOnce(C, Launch) -> F,
) -> Result<Result<(), E>, Box<dyn Error>>
where
    C: ProcessConfig,
    F: Future<Output = Result<(), E>>,
{
    let log = LogControl::begin(&config.service().log)?;
    if let Begin::LastGood(errors) = &configured.begin {
        // Before anything else can fail, too: the sockets of the last good one may be taken.
        let reason = errors.to_string();
        error!(reason, "DEGRADED: configuration refused, beginning with the last good one");
    }
    raise_descriptor_limit();
    let program = Program::of_this_process().inspect_err(|error| {
        warn!(%error, "this process cannot be succeeded in place");
    });
    let ended = workers::control_plane(async {
        let sockets = match successor {
            Some(successor) => successor.sockets().await?,
            None => Inherited::from_service_manager()?,
        };
        let successor = successor.map(Successor::try_clone).transpose()?;
        let origin = Origin { program: program.ok(), successor };
        let shutdown = CancellationToken::new();
        let (signals, mut stopped_twice) = signals::listen(shutdown.clone())?;
        let (ready, listening) = oneshot::channel::<Vec<Listener>>();
        tokio::spawn(async move {
            if let Ok(listeners) = listening.await {
                announce(daemon, &listeners);
            }
        });
        let Configured { sources, begin, last_good } = configured;
        let launch =
            Launch { sources, begin, last_good, sockets, log, shutdown, signals, ready, origin };
        let ended = tokio::select! {
            ended = run(config, launch) => ended,
            _ = &mut stopped_twice => {
                warn!("asked twice to stop: what is in flight is cut off");
                Ok(())
            }
        };
        stopped_twice.abort();
        Ok::<_, Box<dyn Error>>(ended)
    })??;
    Ok(ended)
}

/// Lets the process hold as many descriptors as it ever may. The limit that it starts with, mostly 1024, is
/// low for the sake of programs that use select(2); each connection takes one here, and its file another.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, current = limit.current, "cannot raise the limit of descriptors");
    }
}

/// Says where the daemon listens: in the log, and to whoever started it by hand.
fn announce(daemon: Daemon, listeners: &[Listener]) {
    for Listener { role, address, inherited, .. } in listeners {
        info!(role, address, inherited, "listening");
    }
    if !log::is_journal() {
        print_lines(
            listeners
                .iter()
                .map(|listener| format!("{daemon}: {} on {}", listener.role, listener.address)),
        );
    }
}

fn print_lines(lines: impl IntoIterator<Item = String>) {
    let mut stdout = io::stdout().lock();
    for line in lines {
        if let Err(error) = writeln!(stdout, "{line}") {
            warn!(%error, "cannot write to stdout");
            return;
        }
    }
}
