//! Carries out every order of a daemon's life, in one place, one after another: of signals, RPCs and
//! timers alike.

use std::{
    error::Error, fmt, future, ops::ControlFlow, os::fd::OwnedFd, sync::Arc, time::Duration,
};

use selat_proto::v1::Listener;
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;
use tracing::{error, info};

use crate::{
    access::AccessLog,
    config::{ConfigErrors, Sources},
    control::{
        Actor, Command, InFlight, Order, Orders, Reloaded, Remote, Reply, State, Upgraded, Vitals,
    },
    counters::{Counter, counted},
    events::{EventKind, Events},
    exit,
    keep::{self, Keeper, LeftSession},
    last_good::LastGood,
    log::{Change, LogError, Revert},
    notify,
    process::ProcessConfig,
    serve::Connections,
    signals::{SignalOrder, SignalOrders},
    succession::{Predecessor, Program, SuccessionError},
};

/// Time between two `STATUS=` lines to the service manager.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// What the daemons do differently.
pub trait Daemon {
    /// A configuration that cannot be invalid.
    type Config: ProcessConfig;
    /// What only this daemon can be ordered to do.
    type Command: fmt::Debug + Send + 'static;

    /// Begins to serve what it has bound, and goes on with the sessions of the instance before.
    fn begin(&mut self, sessions: Vec<LeftSession>);

    /// Puts `config` in force, whole or not at all, and says what differs from the one before, one sentence
    /// each.
    ///
    /// # Errors
    /// Why it cannot be put in force; nothing has changed then.
    fn apply(&mut self, config: Self::Config) -> Result<Vec<String>, Box<dyn Error + Send + Sync>>;

    /// Carries out one of its own commands and answers it.
    fn execute(&mut self, command: Self::Command, actor: Actor);

    /// Every socket it listens on, but for those of the control plane.
    fn listeners(&self) -> Vec<Listener>;

    /// The connections of its HTTP listeners.
    fn connections(&self) -> Arc<Connections>;

    /// Where it notes requests.
    fn access(&self) -> AccessLog;

    /// What it answers on the control socket beside what every daemon does.
    fn services(&self, orders: &Orders<Self::Command>) -> RoutesBuilder;

    /// What a drain that begins now waits for.
    fn in_flight(&self) -> InFlight;

    /// Ends what is in flight, and what does not end by its deadline. Sessions go on until [`Daemon::leave`].
    fn drain(&mut self) -> impl Future<Output = ()>;

    /// Shows every counter that outlives the process.
    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter));

    /// Most sessions that the service manager is to keep for the next instance.
    fn kept_sessions_max(&self) -> usize {
        0
    }

    /// The sessions that it keeps, and as many others as there is `room` for, with their sockets.
    fn kept_sessions(&self, room: usize) -> impl Future<Output = Vec<LeftSession>> {
        let _ = room;
        future::ready(Vec::new())
    }

    /// Serves no session any more and leaves those that the next instance can go on with, all with their sockets.
    fn leave(&mut self) -> impl Future<Output = Vec<LeftSession>>;
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// It is right, but cannot be put in force.
    #[error("cannot apply the configuration: {0}")]
    Apply(String),
}

/// Where orders come from, and what they are carried out on.
#[derive(Debug)]
pub struct Supervision<'a, C> {
    /// Where the configuration is read from.
    pub sources: &'a Sources,
    /// Where what was put in force is kept.
    pub last_good: &'a LastGood,
    /// Control from elsewhere.
    pub remote: Remote,
    /// Orders of the control plane.
    pub orders: mpsc::Receiver<Order<C>>,
    /// What signals order.
    pub signals: SignalOrders,
    /// Ends the supervision.
    pub shutdown: CancellationToken,
    /// What the daemon says of itself.
    pub vitals: Arc<Vitals>,
    /// Whom it tells what happens.
    pub events: Events,
    /// How it was started, where it is a program of its own.
    pub program: Option<&'a Program>,
    /// The sockets that were passed in, for a process that takes over.
    pub passed: &'a [(String, OwnedFd)],
    /// Who keeps what outlives it, if anyone does.
    pub keeper: Option<Keeper>,
}

/// What a supervision ends with.
#[derive(Debug)]
pub enum End {
    /// The daemon is to drain and stop.
    Stop,
    /// It is to drain and wait.
    Drain(Actor),
    /// It is to hand over to a new process, which is prepared, then to drain and stop.
    HandOver(Succession),
}

/// A succession that was ordered.
#[derive(Debug)]
pub struct Succession {
    /// By whom.
    pub actor: Actor,
    /// Our side of it.
    pub predecessor: Predecessor,
    /// Where to say what came of it.
    pub reply: Reply<Result<Upgraded, String>>,
}

/// Carries out orders until the one that is the last.
pub async fn supervise<D: Daemon>(
    daemon: &mut D,
    supervision: &mut Supervision<'_, D::Command>,
) -> End {
    let mut status = time::interval(STATUS_INTERVAL);
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keeping = time::interval(keep::INTERVAL);
    keeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revert: Option<Revert> = None;
    loop {
        tokio::select! {
            () = supervision.shutdown.cancelled() => return End::Stop,
            Some(order) = supervision.orders.recv() => {
                let carried_out = supervision.carry_out(daemon, order, &mut revert);
                if let ControlFlow::Break(end) = carried_out.await {
                    return end;
                }
            }
            order = supervision.signals.next() => {
                if let ControlFlow::Break(end) = supervision.obey(daemon, order).await {
                    return end;
                }
            }
            _ = status.tick() => notify::status(&supervision.vitals.sentence()),
            _ = keeping.tick(), if supervision.keeper.is_some() => supervision.keep(daemon).await,
            filter = due(&mut revert) => {
                let _ = supervision.set_log_level(&filter, Actor::Timer);
            }
        }
    }
}

impl<C: fmt::Debug> Supervision<'_, C> {
    /// Brings what outlives the daemon up to date.
    async fn keep<D: Daemon<Command = C>>(&mut self, daemon: &D) {
        if let Some(keeper) = &mut self.keeper {
            let room = keeper.room(daemon.kept_sessions_max());
            let sessions = daemon.kept_sessions(room).await;
            let vitals = &self.vitals;
            keeper.update(counted(|visit| vitals.visit_counters_with(daemon, visit)), sessions);
        }
    }

    async fn carry_out<D: Daemon<Command = C>>(
        &mut self,
        daemon: &mut D,
        order: Order<C>,
        revert: &mut Option<Revert>,
    ) -> ControlFlow<End> {
        let actor = order.actor;
        // A caller that hung up needs no answer: what it asked for is done all the same.
        match order.command {
            Command::Reload { check_only, reply } => {
                let _ = reply.send(self.reload(daemon, check_only, actor));
            }
            Command::SetLogLevel { filter, ttl, reply } => {
                let changed = self.set_log_level(&filter, actor);
                if let Ok(change) = &changed {
                    // What a temporary filter hides is what comes back after several of them.
                    let base = revert.take().map_or(change.previous.clone(), |last| last.filter);
                    *revert = ttl.map(|ttl| Revert::after(ttl, base));
                }
                let _ = reply.send(changed);
            }
            Command::Drain { reply } => {
                info!(%actor, "order: drain");
                let _ = reply.send(daemon.in_flight());
                return ControlFlow::Break(End::Drain(actor));
            }
            Command::Upgrade { reply } => return self.upgrade(actor, reply).await,
            Command::Own(command) => {
                info!(%actor, ?command, "order");
                daemon.execute(command, actor);
            }
        }
        ControlFlow::Continue(())
    }

    /// Carries out what a signal orders; the log has what came of it.
    async fn obey<D: Daemon<Command = C>>(
        &mut self,
        daemon: &mut D,
        order: SignalOrder,
    ) -> ControlFlow<End> {
        match order {
            SignalOrder::Reload => {
                let _ = self.reload(daemon, false, Actor::Signal);
                ControlFlow::Continue(())
            }
            SignalOrder::Upgrade => self.upgrade(Actor::Signal, oneshot::channel().0).await,
        }
    }

    /// Starts a new process, and has the daemon hand over to it once that is prepared.
    async fn upgrade(
        &self,
        actor: Actor,
        reply: Reply<Result<Upgraded, String>>,
    ) -> ControlFlow<End> {
        info!(%actor, "order: upgrade");
        let prepared = tokio::select! {
            prepared = self.prepare_successor() => prepared,
            () = self.shutdown.cancelled() => Err(SuccessionError::Stopping),
        };
        match prepared {
            Ok(predecessor) => {
                ControlFlow::Break(End::HandOver(Succession { actor, predecessor, reply }))
            }
            Err(error) => {
                let reason = exit::chain(&error);
                error!(%actor, reason, "upgrade refused, this process serves on");
                self.events.tell(EventKind::UpgradeRefused, actor, reason.clone());
                let _ = reply.send(Err(reason));
                ControlFlow::Continue(())
            }
        }
    }

    async fn prepare_successor(&self) -> Result<Predecessor, SuccessionError> {
        let program = self.program.ok_or(SuccessionError::NoProgram)?;
        let current = self.vitals.current();
        let own = current.listeners.iter().find(|listener| !listener.inherited);
        if let Some(Listener { role, address, .. }) = own.cloned() {
            return Err(SuccessionError::OwnSocket { role, address });
        }
        Predecessor::prepare(program, self.passed).await
    }

    /// The one function behind SIGHUP, `systemctl reload` and `netctl reload`.
    fn reload<D: Daemon>(
        &mut self,
        daemon: &mut D,
        check_only: bool,
        actor: Actor,
    ) -> Result<Reloaded, Refused> {
        info!(%actor, check_only, "order: reload");
        notify::reloading();
        let held = self.sources.held();
        let outcome = D::Config::read(&held).map_err(Refused::from).and_then(|config| {
            if check_only {
                return Ok(Vec::new());
            }
            self.apply(daemon, config)
        });
        let reloaded = match outcome {
            Ok(changes) if check_only => Ok(self.reloaded(changes)),
            Ok(changes) => {
                self.last_good.keep(&held);
                Ok(self.put_in_force(daemon, changes, actor))
            }
            Err(refused) => Err(self.refuse(refused, actor)),
        };
        notify::ready(&self.vitals.sentence());
        reloaded
    }

    /// Puts `config` in force, whole or not at all.
    fn apply<D: Daemon>(
        &mut self,
        daemon: &mut D,
        config: D::Config,
    ) -> Result<Vec<String>, Refused> {
        let remote = self.remote.prepare(&config.service().remote);
        let remote = remote.map_err(|error| Refused::Apply(exit::chain(&error)))?;
        let changes = daemon.apply(config);
        let changes = changes.map_err(|error| Refused::Apply(exit::chain(error.as_ref())))?;
        self.remote.apply(remote);
        Ok(changes)
    }

    fn put_in_force<D: Daemon>(&self, daemon: &D, changes: Vec<String>, actor: Actor) -> Reloaded {
        let mut listeners = daemon.listeners();
        listeners.extend(self.remote.listed());
        self.vitals.update(|current| {
            current.state = State::Serving;
            current.generation += 1;
            current.config_error.clear();
            // The unix sockets of the control plane stay as they are.
            current.listeners.retain(|it| ["status", "control"].contains(&it.role.as_str()));
            current.listeners.splice(0..0, listeners.iter().cloned());
        });
        let reloaded = self.reloaded(changes);
        let changes = reloaded.changes.join("; ");
        info!(%actor, generation = reloaded.generation, changes, "configuration applied");
        let message = format!("configuration {} applied: {changes}", reloaded.generation);
        self.events.tell(EventKind::Reloaded, actor, message);
        reloaded
    }

    fn reloaded(&self, changes: Vec<String>) -> Reloaded {
        Reloaded { generation: self.vitals.current().generation, changes }
    }

    fn refuse(&self, refused: Refused, actor: Actor) -> Refused {
        let reason = refused.to_string();
        error!(%actor, reason, "DEGRADED: configuration refused, the one before serves on");
        self.vitals.update(|current| {
            current.state = State::Degraded;
            current.config_error.clone_from(&reason);
        });
        self.events.tell(EventKind::ReloadRefused, actor, reason);
        refused
    }

    fn set_log_level(&self, filter: &str, actor: Actor) -> Result<Change, LogError> {
        let changed = self.vitals.log().set(filter);
        match &changed {
            Ok(Change { previous, current }) => {
                info!(%actor, previous, current, "order: log level");
                self.events.tell(EventKind::LogLevel, actor, format!("log filter {current}"));
            }
            Err(error) => info!(%actor, %error, "order: log level, refused"),
        }
        changed
    }
}

/// Waits until the log filter is to be taken back, and takes that down; never, where there is nothing to take
/// back.
async fn due(revert: &mut Option<Revert>) -> String {
    match revert {
        Some(Revert { at, .. }) => time::sleep_until(Instant::max(*at, Instant::now())).await,
        None => future::pending().await,
    }
    revert.take().map(|revert| revert.filter).unwrap_or_default()
}
