//! The life of a daemon, the same for both: threads, control socket, what it serves, orders until it is told
//! to stop, drain.

use std::{io, sync::Arc, time::Duration};

use selat_proto::{socket::Daemon as Program, v1};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    control::{
        self, ControlError, DaemonControl, Orders, Remote, RemoteCalls, RemoteConfig, RemoteError,
        State, Vitals,
    },
    counters::{count_on, counted},
    events::{EventKind, Events},
    keep::Keeper,
    last_good::LastGood,
    listen::{self, ControlSocket, ControlSockets, Inherited, ListenError, UnixAddress},
    log::LogControl,
    notify,
    process::{Begin, Launch},
    supervise::{Daemon, End, Supervision, supervise},
    watchdog,
    workers::Workers,
};

/// Time for calls on the control socket to end once everything else has.
const CONTROL_PATIENCE: Duration = Duration::from_secs(1);

/// What a daemon is, whatever it serves.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which program.
    pub program: Program,
    /// Its semantic version.
    pub version: &'static str,
    /// Data-plane threads.
    pub threads: usize,
    /// Where the socket for everything is to be.
    pub control: UnixAddress,
    /// Where the socket for looking is to be.
    pub status: UnixAddress,
    /// How it is to be controlled from elsewhere.
    pub remote: RemoteConfig,
}

/// What a daemon is given to begin with.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The data plane.
    pub workers: &'a Arc<Workers>,
    /// Sockets that the service manager passed in.
    pub sockets: &'a mut Inherited,
    /// The log of the process.
    pub log: LogControl,
    /// Whom to tell what happens.
    pub events: Events,
}

/// Why a daemon cannot begin, whatever it serves.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The machine gives no threads.
    #[error("cannot start the threads that serve data")]
    Threads(#[source] io::Error),
    /// The control socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The control socket cannot be served.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// It cannot be controlled from elsewhere as configured.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Lives: begins by `start`, serves until `launch.shutdown`, drains.
///
/// # Errors
/// Where it cannot begin to serve. What fails later is logged and counted.
pub async fn live<D, E>(
    identity: Identity,
    launch: Launch,
    start: impl FnOnce(Beginning<'_>) -> Result<D, E>,
) -> Result<(), E>
where
    D: Daemon,
    E: From<LifeError>,
{
    let Launch { sources, begin, last_good, mut sockets, log, shutdown, reloads, ready } = launch;
    let workers = Workers::start(identity.program.name(), identity.threads);
    let workers = Arc::new(workers.map_err(LifeError::Threads)?);
    let control_sockets = listen::control(&identity.control, &identity.status, &mut sockets)
        .map_err(LifeError::Listen)?;
    let ended = CancellationToken::new();
    let (remote, calls) =
        Remote::start(&identity.remote, &mut sockets, ended.clone()).map_err(LifeError::Remote)?;
    let events = Events::default();
    let (keeper, legacy) = Keeper::begin(&mut sockets);
    let beginning = Beginning {
        workers: &workers,
        sockets: &mut sockets,
        log: log.clone(),
        events: events.clone(),
    };
    let mut daemon = start(beginning)?;
    for name in sockets.left() {
        warn!(name, "a socket was passed in that nothing here serves");
    }
    let file = sources.file().map(ToOwned::to_owned);
    let access = daemon.access();
    let vitals = Vitals::new(&identity, file, daemon.connections(), access.clone(), log);
    let vitals = Arc::new(vitals);
    let (orders, queue) = Orders::queue();
    count_on(legacy.counters, |visit| daemon.visit_counters(visit));
    daemon.begin(legacy.sessions);
    let incoming = (&control_sockets, calls);
    let control = ControlPlane::start(&daemon, incoming, &vitals, &events, orders, ended)
        .map_err(LifeError::Control)?;

    vitals.update(|current| {
        current.listeners = daemon.listeners();
        current.listeners.extend(remote.listed());
        current.listeners.extend(control_sockets.all().map(listener));
    });
    begun(begin, &last_good, &vitals);
    notify::ready(&vitals.sentence());
    info!(version = identity.version, "serving");
    events.tell(EventKind::Ready, "", "serving");
    // Whoever started the daemon may not care where it listens.
    let _ = ready.send(vitals.current().listeners.clone());

    let supervision = Supervision {
        sources: &sources,
        last_good: &last_good,
        remote,
        orders: queue,
        reloads,
        shutdown,
        vitals,
        events,
        keeper,
    };
    tokio::select! {
        () = serve_and_drain(&mut daemon, supervision) => {}
        never = watchdog::feed(&workers) => match never {},
    }
    control.end().await;
    drop(daemon);
    if let Some(workers) = Arc::into_inner(workers) {
        workers.join();
    }
    access.end();
    info!("stopped");
    Ok(())
}

/// Carries out orders until the last one, finishes what is in flight, and leaves what is for the next instance.
async fn serve_and_drain<D: Daemon>(daemon: &mut D, mut supervision: Supervision<'_, D::Command>) {
    let end = supervise(daemon, &mut supervision).await;
    // Whoever gives another order is told that it comes too late.
    let Supervision { vitals, events, shutdown, keeper, .. } = supervision;
    let asked_by = match end {
        End::Stop => {
            notify::stopping();
            String::new()
        }
        // To the service manager it still runs: one that says it is stopping would be killed after a while.
        End::Drain(actor) => {
            notify::status("draining");
            actor.to_string()
        }
    };
    vitals.update(|current| current.state = State::Draining);
    info!("draining");
    events.tell(EventKind::Draining, asked_by, "finishing what is in flight");
    daemon.drain().await;
    leave(daemon, keeper).await;
    if !shutdown.is_cancelled() {
        notify::status("drained, serves again once it is restarted");
        vitals.update(|current| current.state = State::Drained);
        info!("drained");
        events.tell(EventKind::Drained, "", "nothing is in flight any more");
        shutdown.cancelled().await;
    }
}

/// Ends the sessions, and has what outlives this instance kept for the next one.
async fn leave<D: Daemon>(daemon: &mut D, keeper: Option<Keeper>) {
    let sessions = daemon.leave().await;
    if let Some(keeper) = keeper {
        let counters = counted(|visit| daemon.visit_counters(visit));
        keeper.finish(counters, sessions, daemon.kept_sessions_max()).await;
    }
}

/// Notes what it serves: the configuration on disk, which is then the last good one, or the one before.
fn begun(begin: Begin, last_good: &LastGood, vitals: &Vitals) {
    match begin {
        Begin::OnDisk(held) => {
            last_good.keep(&held);
            vitals.update(|current| current.state = State::Serving);
        }
        Begin::LastGood(errors) => {
            vitals.update(|current| {
                current.state = State::Degraded;
                current.config_error = errors.to_string();
            });
        }
    }
}

/// The calls on the control socket.
struct ControlPlane {
    ended: CancellationToken,
    calls: JoinHandle<()>,
}

impl ControlPlane {
    fn start<D: Daemon>(
        daemon: &D,
        (sockets, remote): (&ControlSockets, RemoteCalls),
        vitals: &Arc<Vitals>,
        events: &Events,
        orders: Orders<D::Command>,
        ended: CancellationToken,
    ) -> Result<Self, ControlError> {
        let services = daemon.services(&orders);
        let control = DaemonControl {
            vitals: Arc::clone(vitals),
            orders,
            events: events.clone(),
            gate: Arc::clone(&remote.gate),
            shutdown: ended.clone(),
        };
        let calls =
            tokio::spawn(control::serve(sockets, remote, control, services, ended.clone())?);
        Ok(Self { ended, calls })
    }

    async fn end(self) {
        self.ended.cancel();
        if time::timeout(CONTROL_PATIENCE, self.calls).await.is_err() {
            warn!("calls on the control socket were cut off");
        }
    }
}

fn listener(socket: &ControlSocket) -> v1::Listener {
    v1::Listener {
        role: socket.role.to_owned(),
        address: socket.path.display().to_string(),
        inherited: socket.inherited,
        upstream: String::new(),
    }
}
