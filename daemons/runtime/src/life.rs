//! The life of a daemon, the same for both: threads, control socket, what it serves, orders until it is told
//! to stop, drain.

use std::{io, sync::Arc, time::Duration};

use selat_proto::{socket::Daemon as Program, v1};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    access::AccessLog,
    control::{
        self, ControlError, DaemonControl, Orders, Remote, RemoteCalls, RemoteConfig, RemoteError,
        State, Upgraded, Vitals,
    },
    counters::{count_on, counted},
    events::{EventKind, Events},
    exit,
    keep::{Keeper, Legacy},
    last_good::LastGood,
    listen::{self, ControlSocket, ControlSockets, Inherited, ListenError, UnixAddress},
    log::LogControl,
    notify,
    process::{Begin, Launch, Origin},
    succession::{Finishing, Predecessor, Successor, TakeOver, TakeOverError},
    supervise::{Daemon, End, Succession, Supervision, supervise},
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
    /// No descriptors are left.
    #[error("cannot copy the sockets that were passed in")]
    Descriptors(#[source] io::Error),
    /// The process before does not hand over.
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
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
    let Launch { sources, begin, last_good, mut sockets, log, shutdown, signals, ready, origin } =
        launch;
    let Origin { program, successor } = origin;
    let workers = Workers::start(identity.program.name(), identity.threads);
    let workers = Arc::new(workers.map_err(LifeError::Threads)?);
    let left = Left::of(successor, &mut sockets);
    let passed = sockets.copies().map_err(LifeError::Descriptors)?;
    let control_sockets = listen::control(&identity.control, &identity.status, &mut sockets)
        .map_err(LifeError::Listen)?;
    let ended = CancellationToken::new();
    let (remote, calls) =
        Remote::start(&identity.remote, &mut sockets, ended.clone()).map_err(LifeError::Remote)?;
    let events = Events::default();
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
    let access = daemon.access();
    let noted = (daemon.connections(), access.clone(), Arc::clone(&calls.gate));
    let vitals = Arc::new(Vitals::new(&identity, sources.file(), noted, log));
    let (orders, queue) = Orders::queue();

    // Nothing is served before this: the process before may still do.
    let (keeper, predecessor) = left.take_up(&mut daemon, &vitals, identity.version).await?;
    let incoming = (&control_sockets, calls);
    let control = ControlPlane::start(&daemon, incoming, &vitals, &events, orders, ended)
        .map_err(LifeError::Control)?;

    vitals.update(|current| {
        current.listeners = daemon.listeners();
        current.listeners.extend(remote.listed());
        current.listeners.extend(control_sockets.all().map(listener));
        current.predecessor = predecessor.as_ref().map(Finishing::pid);
    });
    begun(begin, &last_good, &vitals);
    info!(version = identity.version, "serving");
    events.tell(EventKind::Ready, "", "serving");
    // Whoever started the daemon may not care where it listens.
    let _ = ready.send(vitals.current().listeners.clone());

    if let Some(predecessor) = predecessor {
        tokio::spawn(wait_for(predecessor, Arc::clone(&vitals)));
    }

    let supervision = Supervision {
        sources: &sources,
        last_good: &last_good,
        remote,
        orders: queue,
        signals,
        shutdown,
        vitals,
        events,
        program: program.as_ref(),
        passed: &passed,
        keeper,
    };
    tokio::select! {
        () = serve_and_drain(&mut daemon, supervision, &control.ended) => {}
        never = watchdog::feed(&workers) => match never {},
    }
    control.end().await;
    end(daemon, workers, &access);
    Ok(())
}

/// Ends the data plane, and last what it has written to.
fn end<D: Daemon>(daemon: D, workers: Arc<Workers>, access: &AccessLog) {
    drop(daemon);
    if let Some(workers) = Arc::into_inner(workers) {
        workers.join();
    }
    access.end();
    info!("stopped");
}

/// Tells the process before that this one serves, and waits until it has ended.
async fn wait_for(predecessor: Finishing, vitals: Arc<Vitals>) {
    let pid = predecessor.pid();
    info!(pid, "took over, the process before finishes what it has in flight");
    predecessor.ended().await;
    info!(pid, "the process before has finished");
    vitals.update(|current| current.predecessor = None);
}

/// Carries out orders until the last one, finishes what is in flight, and leaves what is for the next instance.
async fn serve_and_drain<D: Daemon>(
    daemon: &mut D,
    mut supervision: Supervision<'_, D::Command>,
    control_ended: &CancellationToken,
) {
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
        End::HandOver(succession) => {
            let _finishing = hand_over(daemon, succession, keeper, (&vitals, &events)).await;
            control_ended.cancel();
            info!("draining");
            daemon.drain().await;
            return;
        }
    };
    vitals.update(|current| current.state = State::Draining);
    info!("draining");
    events.tell(EventKind::Draining, asked_by, "finishing what is in flight");
    daemon.drain().await;
    leave(daemon, keeper, &vitals).await;
    if !shutdown.is_cancelled() {
        notify::status("drained, serves again once it is restarted");
        vitals.update(|current| current.state = State::Drained);
        info!("drained");
        events.tell(EventKind::Drained, "", "nothing is in flight any more");
        shutdown.cancelled().await;
    }
}

/// Hands over to a new process. What is returned is to be dropped when everything is finished.
async fn hand_over<D: Daemon>(
    daemon: &mut D,
    succession: Succession,
    keeper: Option<Keeper>,
    (vitals, events): (&Vitals, &Events),
) -> Predecessor {
    let Succession { actor, predecessor, reply } = succession;
    predecessor.promote().await;
    let sessions = daemon.leave().await;
    let counters = counted(|visit| vitals.visit_counters_with(daemon, visit));
    let (pid, version) = (predecessor.pid(), predecessor.version().to_owned());
    let handed_over = predecessor.hand_over(counters, sessions, keeper.as_ref()).await;
    let upgraded = match handed_over {
        Ok(sessions) => {
            info!(%actor, pid, version, sessions, "a new process took over");
            events.tell(
                EventKind::Upgraded,
                actor,
                format!("{version} took over as process {pid}"),
            );
            Ok(Upgraded { pid, version, sessions })
        }
        Err(error) => {
            let reason = exit::chain(&error);
            error!(%actor, pid, reason, "the new process failed as it took over; a restart helps");
            Err(reason)
        }
    };
    let _ = reply.send(upgraded);
    predecessor
}

/// Ends the sessions, and has what outlives this instance kept for the next one.
async fn leave<D: Daemon>(daemon: &mut D, keeper: Option<Keeper>, vitals: &Vitals) {
    let sessions = daemon.leave().await;
    if let Some(keeper) = keeper {
        let counters = counted(|visit| vitals.visit_counters_with(daemon, visit));
        keeper.finish(counters, sessions, daemon.kept_sessions_max()).await;
    }
}

/// Where what the instance before left is to be had.
enum Left {
    /// The service manager passed it in.
    PassedIn(Option<Keeper>, Legacy),
    /// The process before still has it.
    ToBeHandedOver(Successor),
}

impl Left {
    fn of(successor: Option<Successor>, sockets: &mut Inherited) -> Self {
        match successor {
            Some(successor) => Self::ToBeHandedOver(successor),
            None => {
                let (keeper, legacy) = Keeper::begin(sockets);
                Self::PassedIn(keeper, legacy)
            }
        }
    }

    /// Has `daemon`, which has prepared everything, begin with it. Returns who keeps what this instance leaves, and
    /// the process before, if that still runs.
    async fn take_up<D: Daemon>(
        self,
        daemon: &mut D,
        vitals: &Vitals,
        version: &str,
    ) -> Result<(Option<Keeper>, Option<Finishing>), LifeError> {
        let (keeper, legacy, predecessor) = match self {
            Self::PassedIn(keeper, legacy) => (keeper, legacy, None),
            Self::ToBeHandedOver(successor) => {
                let TakeOver { legacy, memory, predecessor } = successor.take_over(version).await?;
                let keeper = memory.and_then(|it| Keeper::handed_over(it, &legacy.sessions));
                (keeper, legacy, Some(predecessor))
            }
        };
        count_on(legacy.counters, |visit| vitals.visit_counters_with(daemon, visit));
        daemon.begin(legacy.sessions);
        Ok((keeper, predecessor))
    }
}

/// Notes, and tells the service manager, what it serves: the configuration on disk, which is then the last good one, or the one before.
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
    notify::ready(&vitals.sentence());
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
