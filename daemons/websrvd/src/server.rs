//! What the daemon serves, and where: begun, changed by a reload, drained.
//!
//! The end has an order, so that no client is cut off that could have been served: listeners take what
//! is in their queue and close, connections end when they are idle, and what is left then has a deadline.

use std::{
    convert::Infallible,
    error::Error as StdError,
    future, mem,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use selat_proto::{socket::Daemon as Program, v1};
use selat_runtime::{
    access::{AccessError, AccessLog},
    control::{Actor, InFlight, Orders},
    counters::{Counter, Named, PerThread},
    keep::LeftSession,
    life::{self, Beginning, LifeError},
    listen::{self, Bound, ChangeError, ListenError, Listeners},
    log::LogControl,
    process::Launch,
    serve::{Connections, HttpListenError, HttpListeners},
    service::{self, ServiceConfig},
    supervise::Daemon,
    workers::Workers,
};
use tokio::net::TcpStream;
use tonic::service::RoutesBuilder;
use tracing::{error, warn};

use crate::{
    config::{Config, KeyFileError},
    connection::{self, Web},
    control::services,
    echo::{self, EchoCounters, EchoRules, Reflection},
    files::{RootError, Site},
    measure::Measure,
};

/// Why websrvd cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What no daemon can do without cannot be had.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// The directory cannot be served.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The access log cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A socket for HTTP cannot be had.
    #[error(transparent)]
    Http(#[from] HttpListenError),
    /// A socket for the echo cannot be had.
    #[error(transparent)]
    Echo(#[from] ListenError),
    /// The keys of the reflector cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
}

/// Serves `config` until `launch.shutdown`, then drains.
///
/// # Errors
/// [`Error`] where it cannot begin to serve.
pub async fn run(config: Config, launch: Launch) -> Result<(), Error> {
    let identity = config.service.identity(Program::Websrvd, env!("CARGO_PKG_VERSION"));
    life::live(identity, launch, |beginning| start(config, beginning)).await
}

/// What is served, and where. `S` serves a connection.
struct Server<S> {
    config: Config,
    workers: Arc<Workers>,
    log: LogControl,
    web: Arc<Web>,
    echoed: Arc<PerThread<EchoCounters>>,
    reflection: Arc<ArcSwap<Reflection>>,
    http: HttpListeners<S>,
    echo: Listeners,
    /// Bound at the start, and not answered on before the daemon begins.
    waiting: Vec<(SocketAddr, Bound<UdpSocket>)>,
}

fn start(config: Config, beginning: Beginning<'_>) -> Result<impl Daemon + use<>, Error> {
    let Beginning { workers, sockets, log, .. } = beginning;
    let threads = workers.count();
    let web = Arc::new(Web {
        site: ArcSwap::from_pointee(Site::open(&config)?),
        measure: ArcSwapOption::from_pointee(Measure::of(&config.measure)),
        connections: Arc::new(Connections::new(config.service.connections_max, threads)),
        counters: PerThread::new(threads),
        access: AccessLog::begin(&config.service.access)?,
    });
    let echo = listen::udp("echo", &config.echo, threads, sockets)?;
    let shared = Arc::clone(&web);
    let serve = move |stream, client| connection::serve(Arc::clone(&shared), stream, client);
    let http = HttpListeners::bind(&config.http, sockets, workers, &web.connections, serve)?;
    let asked = config.echo.clone();
    let reflection = Arc::new(ArcSwap::from_pointee(config.reflection()?));
    Ok(Server {
        config,
        workers: Arc::clone(workers),
        log,
        web,
        echoed: Arc::new(PerThread::new(threads)),
        reflection,
        http,
        echo: Listeners::new("echo"),
        waiting: listen::with_configured(&asked, echo),
    })
}

impl<S> Server<S> {
    /// The sockets that `next` has for the echo and that are not open yet.
    fn new_echo(&self, next: &Config) -> Result<Vec<(SocketAddr, Bound<UdpSocket>)>, ChangeError> {
        if self.config.echo == next.echo {
            return Ok(Vec::new());
        }
        let bind = |address| listen::bind_udp("echo", address, self.workers.count());
        self.echo.bind_new(&next.echo, bind)
    }

    /// Answers datagrams on each of `bound`.
    fn serve_echo(&mut self, bound: Vec<(SocketAddr, Bound<UdpSocket>)>) {
        let opened: Vec<_> = bound
            .into_iter()
            .map(|(configured, bound)| (self.echo.add(configured, &bound), bound.sockets))
            .collect();
        let rules = EchoRules {
            echo_ports: self.echo.ports().collect(),
            reflection: Arc::clone(&self.reflection),
        };
        for (closed, sockets) in opened {
            for (index, socket) in sockets.into_iter().enumerate() {
                let counters = Arc::clone(&self.echoed);
                let echo = echo::serve(socket, rules.clone(), counters, closed.clone());
                self.workers.handle(index).spawn(async move {
                    if let Err(error) = echo.await {
                        error!(%error, "cannot answer datagrams");
                    }
                });
            }
        }
    }
}

impl<S, F> Daemon for Server<S>
where
    S: Fn(TcpStream, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    type Config = Config;
    type Command = Infallible;

    fn begin(&mut self, _sessions: Vec<LeftSession>) {
        let waiting = mem::take(&mut self.waiting);
        self.serve_echo(waiting);
        self.http.begin();
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.web.connections.visit_counters(visit);
        self.web.counters.visit(visit);
        self.echoed.visit(visit);
    }

    fn apply(&mut self, next: Config) -> Result<Vec<String>, Box<dyn StdError + Send + Sync>> {
        let changes = self.config.shown().changes(next.shown());
        service::can_reload(&changes)?;
        let site = Site::open(&next)?;
        let reflection = next.reflection()?;
        let http = if self.config.http == next.http {
            Vec::new()
        } else {
            self.http.prepare(&next.http)?
        };
        let echo = self.new_echo(&next)?;
        let access = AccessLog::prepare(&next.service.access)?;
        if self.config.service.log != next.service.log {
            self.log.set(&next.service.log)?;
        }

        // From here on nothing can fail.
        self.web.access.apply(access);
        self.http.open(http);
        self.serve_echo(echo);
        self.reflection.store(Arc::new(reflection));
        self.web.site.store(Arc::new(site));
        if self.config.measure != next.measure {
            self.web.measure.store(Measure::of(&next.measure).map(Arc::new));
        }
        if self.config.http != next.http {
            self.http.close_others(&next.http);
        }
        if self.config.echo != next.echo {
            self.echo.close_others(&next.echo);
        }
        self.config = next;
        Ok(changes.iter().map(ToString::to_string).collect())
    }

    fn execute(&mut self, command: Infallible, _actor: Actor) {
        match command {}
    }

    fn listeners(&self) -> Vec<v1::Listener> {
        self.http.listed().chain(self.echo.listed()).collect()
    }

    fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.web.connections)
    }

    fn access(&self) -> AccessLog {
        self.web.access.clone()
    }

    fn services(&self, _: &Orders<Infallible>) -> RoutesBuilder {
        services(Arc::clone(&self.web), Arc::clone(&self.echoed))
    }

    fn in_flight(&self) -> InFlight {
        let ServiceConfig { linger, drain, .. } = self.config.service;
        InFlight { connections: self.web.connections.active(), deadline: linger + drain }
    }

    async fn drain(&mut self) {
        let ServiceConfig { linger, drain, .. } = self.config.service;
        if !self.web.connections.finish(linger, drain).await {
            let cut = self.web.connections.active();
            warn!(cut, deadline = ?drain, "connections were cut off at the deadline");
        }
    }

    fn leave(&mut self) -> impl Future<Output = Vec<LeftSession>> {
        self.echo.close();
        future::ready(Vec::new())
    }
}
