//! What the daemon serves, and where: begun, changed by a reload, drained.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc};

use selat_proto::{socket::Daemon as Program, v1};
use selat_runtime::{
    access::{AccessError, AccessLog},
    control::{Actor, InFlight, Orders},
    counters::{Counter, Named},
    keep::LeftSession,
    life::{self, Beginning, LifeError},
    listen::ListenError,
    log::LogControl,
    process::Launch,
    serve::{Connections, HttpListenError, HttpListeners},
    service::{self, ServiceConfig},
    supervise::Daemon,
};
use tokio::{net::TcpStream, time::Instant};
use tonic::service::RoutesBuilder;
use tracing::warn;

use crate::{
    cache::{
        selection::Selection,
        store::{PurgeMode, Store},
    },
    config::Config,
    connection::{self, Front},
    control::{self, Command},
    counters::Ledger,
    proxy::Proxy,
    purge::{self, Purge},
    relay::Relay,
    relaying::{NoUpstream, Relaying, Tcp, Udp},
    route::Routes,
};

/// Why proxyd cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What no daemon can do without cannot be had.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// The access log cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A socket for HTTP cannot be had.
    #[error(transparent)]
    Http(#[from] HttpListenError),
    /// A socket for the relay cannot be had.
    #[error(transparent)]
    Relay(#[from] ListenError),
    /// A socket was passed in that the configuration has no upstream for.
    #[error(transparent)]
    NoUpstream(#[from] NoUpstream),
}

/// Serves `config` until `launch.shutdown`, then drains.
///
/// # Errors
/// [`Error`] where it cannot begin to serve.
pub async fn run(config: Config, launch: Launch) -> Result<(), Error> {
    let identity = config.service.identity(Program::Proxyd, env!("CARGO_PKG_VERSION"));
    life::live(identity, launch, |beginning| start(config, beginning)).await
}

/// What is served, and where. `S` serves a connection.
struct Server<S> {
    config: Config,
    log: LogControl,
    front: Arc<Front>,
    http: HttpListeners<S>,
    relay: Arc<Relay>,
    udp: Relaying<Udp>,
    tcp: Relaying<Tcp>,
}

fn start(config: Config, beginning: Beginning<'_>) -> Result<impl Daemon + use<>, Error> {
    let Beginning { workers, sockets, log, events } = beginning;
    let threads = workers.count();
    let ledger = Arc::new(Ledger::new(threads));
    let routes = Routes::new(&config, &ledger, None);
    let (memory_bytes, object_bytes) = (config.store.memory_bytes, config.object_bytes_max());
    let store = Store::new(memory_bytes, object_bytes, Arc::clone(&ledger));
    let front = Arc::new(Front::new(
        Proxy::new(
            routes,
            store,
            ledger,
            events.clone(),
            AccessLog::begin(&config.service.access)?,
        ),
        Connections::new(config.service.connections_max, threads),
        config.service.http.clone(),
    ));
    let shared = Arc::clone(&front);
    let serve = move |stream, client| connection::run(stream, client, Arc::clone(&shared));
    let http = HttpListeners::bind(&config.http, sockets, workers, &front.connections, serve)?;
    let relay = Arc::new(Relay::new(threads));
    let mut server = Server {
        http,
        log,
        front,
        udp: Relaying::new(&relay, workers),
        tcp: Relaying::new(&relay, workers),
        relay,
        config,
    };
    server.udp.bind::<Error>(&server.config, sockets)?;
    server.tcp.bind::<Error>(&server.config, sockets)?;
    Ok(server)
}

impl<S> Server<S> {
    /// Puts other routes in force. What is stored for a URL that has another key by them goes; the rest stays.
    fn reroute(&self, next: &Config) {
        let proxy = &self.front.proxy;
        let routes = Routes::new(next, &proxy.ledger, Some(&proxy.routes.load()));
        let routes = Arc::new(routes);
        proxy.routes.store(Arc::clone(&routes));
        if !self.config.keys_as(next) {
            let selection = Selection::unreachable(routes);
            let purge = Purge { selection, mode: PurgeMode::Remove };
            purge::spawn(proxy, purge, "reload", |_| ());
        }
    }
}

impl<S, F> Daemon for Server<S>
where
    S: Fn(TcpStream, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    type Config = Config;
    type Command = Command;

    fn begin(&mut self, sessions: Vec<LeftSession>) {
        self.relay.resume(sessions);
        self.udp.begin(&self.config);
        self.relay.drop_unclaimed();
        self.tcp.begin(&self.config);
        self.http.begin();
    }

    fn apply(&mut self, next: Config) -> Result<Vec<String>, Box<dyn StdError + Send + Sync>> {
        let changes = self.config.shown().changes(next.shown());
        service::can_reload(&changes)?;
        let http = if self.config.http == next.http {
            Vec::new()
        } else {
            self.http.prepare(&next.http)?
        };
        let access = AccessLog::prepare(&next.service.access)?;
        let (udp, tcp) = (self.udp.prepare(&next)?, self.tcp.prepare(&next)?);
        if self.config.service.log != next.service.log {
            self.log.set(&next.service.log)?;
        }

        // From here on nothing can fail.
        self.front.limits.store(Arc::new(next.service.http.clone()));
        let proxy = &self.front.proxy;
        proxy.access.apply(access);
        proxy.store.set_capacity(next.store.memory_bytes);
        self.reroute(&next);
        self.http.open(http);
        if self.config.http != next.http {
            self.http.close_others(&next.http);
        }
        self.udp.apply(&next, udp);
        self.tcp.apply(&next, tcp);
        self.config = next;
        Ok(changes.iter().map(ToString::to_string).collect())
    }

    fn execute(&mut self, command: Command, actor: Actor) {
        control::execute(&self.front.proxy, command, actor);
    }

    fn listeners(&self) -> Vec<v1::Listener> {
        self.http.listed().chain(self.udp.listed()).chain(self.tcp.listed()).collect()
    }

    fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.front.connections)
    }

    fn access(&self) -> AccessLog {
        self.front.proxy.access.clone()
    }

    fn services(&self, orders: &Orders<Command>) -> RoutesBuilder {
        control::services(&self.front.proxy, &self.relay, orders)
    }

    fn in_flight(&self) -> InFlight {
        let ServiceConfig { linger, drain, .. } = self.config.service;
        let relayed = self.relay.ledger().tcp().sum(|thread| thread.sessions.value());
        let connections = self.front.connections.active() + relayed;
        InFlight { connections, deadline: linger + drain }
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.front.connections.visit_counters(visit);
        self.front.proxy.ledger.visit(visit);
        self.relay.ledger().udp().visit(visit);
        self.relay.ledger().tcp().visit(visit);
    }

    fn kept_sessions_max(&self) -> usize {
        self.config.kept_sessions_max()
    }

    async fn kept_sessions(&self, room: usize) -> Vec<LeftSession> {
        self.relay.kept_sessions(room).await
    }

    async fn leave(&mut self) -> Vec<LeftSession> {
        self.relay.leave().await
    }

    async fn drain(&mut self) {
        let ServiceConfig { linger, drain, .. } = self.config.service;
        let deadline = Instant::now() + linger + drain;
        let connections = &self.front.connections;
        let (finished, relayed) =
            tokio::join!(connections.finish(linger, drain), self.relay.drain(deadline));
        if !finished || !relayed {
            let cut = connections.active();
            warn!(http = cut, ?drain, "what was in flight at the deadline was cut off");
        }
    }
}
