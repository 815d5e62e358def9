//! The server: threads, listeners, what is served, and how all of it changes and ends.
//!
//! The end has an order, so that no client is cut off that could have been served: listeners take what
//! is in their queue and close, connections end when they are idle, and what is left then has a deadline.

use std::{
    convert::Infallible,
    error::Error as StdError,
    io,
    net::{self, SocketAddr, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use selat_proto::{socket::Daemon as Program, v1};
use selat_runtime::{
    control::{self, Actor, ControlError, DaemonControl, Order, Orders, State, Vitals},
    counters::PerThread,
    events::{EventKind, Events},
    listen::{self, Bound, ControlSocket, Inherited, ListenError},
    log::LogControl,
    notify,
    process::Launch,
    serve::{self, Connections},
    supervise::{Daemon, Supervision, supervise},
    workers::Workers,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    config::Config,
    connection::{self, Web},
    control::services,
    echo::{self, EchoCounters},
    files::{RootError, Site},
    listeners::{ChangeError, Listeners},
};

/// Time for calls on the control socket to end once everything else has.
const CONTROL_PATIENCE: Duration = Duration::from_secs(1);

/// Why websrvd cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine gives no threads.
    #[error("cannot start the threads that serve data")]
    Threads(#[source] io::Error),
    /// The directory cannot be served.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A socket cannot be waited on.
    #[error("cannot wait for connections")]
    Watch(#[source] io::Error),
    /// The control socket cannot be served.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Serves `config` until `launch.shutdown`, then drains.
///
/// # Errors
/// [`Error`] where it cannot begin to serve.
pub async fn run(config: Config, launch: Launch) -> Result<(), Error> {
    let Launch { sources, mut sockets, log, shutdown, reloads, ready } = launch;
    let workers =
        Workers::start(Program::Websrvd.name(), config.threads()).map_err(Error::Threads)?;
    let group = config.control_group.as_deref();
    let socket = listen::control(&config.control, group, &mut sockets)?;
    let mut server = Server::start(config, &workers, log, &mut sockets)?;
    for name in sockets.left() {
        warn!(name, "a socket was passed in that nothing here serves");
    }
    let file = sources.file().map(ToOwned::to_owned);
    let ControlPlane { vitals, events, orders, ended, calls } =
        ControlPlane::start(&server, &socket, file)?;

    let listeners = vitals.current().listeners.clone();
    vitals.update(|current| current.state = State::Serving);
    notify::ready(&vitals.sentence());
    events.tell(EventKind::Ready, "", "serving");
    // Whoever started the daemon may not care where it listens.
    let _ = ready.send(listeners);

    let supervision = Supervision {
        sources: &sources,
        orders,
        reloads,
        shutdown,
        workers: &workers,
        vitals: Arc::clone(&vitals),
        events: events.clone(),
    };
    supervise(&mut server, supervision).await;

    notify::stopping();
    vitals.update(|current| current.state = State::Draining);
    events.tell(EventKind::Draining, "", "finishing what is in flight");
    server.drain().await;
    ended.cancel();
    if time::timeout(CONTROL_PATIENCE, calls).await.is_err() {
        warn!("calls on the control socket were cut off");
    }
    workers.join();
    Ok(())
}

/// What answers on the control socket, and what it leads to.
struct ControlPlane {
    vitals: Arc<Vitals>,
    events: Events,
    orders: mpsc::Receiver<Order<Infallible>>,
    /// Ends the calls.
    ended: CancellationToken,
    calls: JoinHandle<()>,
}

impl ControlPlane {
    fn start(
        server: &Server<'_>,
        socket: &ControlSocket,
        file: Option<PathBuf>,
    ) -> Result<Self, ControlError> {
        let (version, threads) = (env!("CARGO_PKG_VERSION"), server.workers.count());
        let connections = Arc::clone(&server.web.connections);
        let log = server.log.clone();
        let vitals = Vitals::new(Program::Websrvd, version, file, threads, connections, log);
        let own = v1::Listener {
            role: "control".to_owned(),
            address: socket.path.display().to_string(),
            inherited: socket.inherited,
            upstream: String::new(),
        };
        vitals.update(|current| {
            current.listeners = server.listeners();
            current.listeners.push(own.clone());
        });
        let (vitals, events, ended) =
            (Arc::new(vitals), Events::default(), CancellationToken::new());
        let (giving, orders) = Orders::queue();
        let daemon = DaemonControl {
            vitals: Arc::clone(&vitals),
            orders: giving,
            events: events.clone(),
            shutdown: ended.clone(),
        };
        let services = services(Arc::clone(&server.web), Arc::clone(&server.echoed));
        let calls = tokio::spawn(control::serve(socket, daemon, services, ended.clone())?);
        Ok(Self { vitals, events, orders, ended, calls })
    }
}

/// What is served, and where.
struct Server<'w> {
    config: Config,
    workers: &'w Workers,
    log: LogControl,
    web: Arc<Web>,
    echoed: Arc<PerThread<EchoCounters>>,
    http: Listeners,
    echo: Listeners,
}

/// Listening sockets that their threads watch already.
type Watched = (SocketAddr, Bound<TcpListener>);

impl<'w> Server<'w> {
    fn start(
        config: Config,
        workers: &'w Workers,
        log: LogControl,
        sockets: &mut Inherited,
    ) -> Result<Self, Error> {
        let threads = workers.count();
        let web = Web {
            site: ArcSwap::from_pointee(Site::open(&config)?),
            connections: Arc::new(Connections::new(config.limits.connections, threads)),
            counters: PerThread::new(threads),
        };
        let http = listen::tcp("http", &config.http, threads, sockets)?;
        let http =
            http.into_iter().map(|bound| watch(bound, workers)).collect::<io::Result<Vec<_>>>();
        let http = http.map_err(Error::Watch)?;
        let echo = listen::udp("echo", &config.echo, threads, sockets)?;
        let asked = (config.http.clone(), config.echo.clone());
        let mut server = Self {
            config,
            workers,
            log,
            web: Arc::new(web),
            echoed: Arc::new(PerThread::new(threads)),
            http: Listeners::new("http"),
            echo: Listeners::new("echo"),
        };
        server.serve_http(with_configured(&asked.0, http));
        server.serve_echo(with_configured(&asked.1, echo));
        Ok(server)
    }

    /// The sockets that `next` has for HTTP and that are not open yet.
    fn new_http(&self, next: &Config) -> Result<Vec<Watched>, Box<dyn StdError + Send + Sync>> {
        if self.config.http == next.http {
            return Ok(Vec::new());
        }
        let bind = |address| listen::bind_tcp("http", address, self.workers.count());
        let bound = self.http.bind_new(&next.http, bind)?.into_iter();
        let watched = bound.map(|(configured, it)| Ok((configured, watch(it, self.workers)?)));
        watched.collect()
    }

    /// The sockets that `next` has for the echo and that are not open yet.
    fn new_echo(&self, next: &Config) -> Result<Vec<(SocketAddr, Bound<UdpSocket>)>, ChangeError> {
        if self.config.echo == next.echo {
            return Ok(Vec::new());
        }
        let bind = |address| listen::bind_udp("echo", address, self.workers.count());
        self.echo.bind_new(&next.echo, bind)
    }

    /// Accepts connections on each of `bound`.
    fn serve_http(&mut self, bound: Vec<Watched>) {
        for (configured, bound) in bound {
            let closed = self.http.add(configured, &bound);
            for (index, listener) in bound.sockets.into_iter().enumerate() {
                let web = Arc::clone(&self.web);
                let connections = Arc::clone(&self.web.connections);
                let serve =
                    move |stream, client| connection::serve(Arc::clone(&web), stream, client);
                let accepting = serve::accept(listener, connections, closed.clone(), serve);
                self.workers.handle(index).spawn(accepting);
            }
        }
    }

    /// Answers datagrams on each of `bound`.
    fn serve_echo(&mut self, bound: Vec<(SocketAddr, Bound<UdpSocket>)>) {
        let opened: Vec<_> = bound
            .into_iter()
            .map(|(configured, bound)| (self.echo.add(configured, &bound), bound.sockets))
            .collect();
        let ports: Arc<[u16]> = self.echo.ports().collect();
        for (closed, sockets) in opened {
            for (index, socket) in sockets.into_iter().enumerate() {
                let counters = Arc::clone(&self.echoed);
                let echo = echo::serve(socket, Arc::clone(&ports), counters, closed.clone());
                self.workers.handle(index).spawn(async move {
                    if let Err(error) = echo.await {
                        error!(%error, "cannot answer datagrams");
                    }
                });
            }
        }
    }

    /// Ends what is in flight, and what is not after the deadline.
    async fn drain(mut self) {
        let timeouts = &self.config.timeouts;
        if !self.web.connections.finish(timeouts.linger, timeouts.drain).await {
            let cut = self.web.connections.active();
            warn!(cut, deadline = ?timeouts.drain, "connections were cut off at the deadline");
        }
        self.http.close();
        self.echo.close();
    }
}

impl Daemon for Server<'_> {
    type Config = Config;
    type Command = Infallible;

    fn apply(&mut self, next: Config) -> Result<Vec<String>, Box<dyn StdError + Send + Sync>> {
        let changes = self.config.changes(&next);
        let fixed: Vec<_> = changes
            .iter()
            .filter(|change| change.needs_restart())
            .map(ToString::to_string)
            .collect();
        if !fixed.is_empty() {
            return Err(format!("this takes a restart: {}", fixed.join("; ")).into());
        }
        let (site, http, echo) = (Site::open(&next)?, self.new_http(&next)?, self.new_echo(&next)?);
        if self.config.log != next.log {
            self.log.set(&next.log)?;
        }

        // From here on nothing can fail.
        self.serve_http(http);
        self.serve_echo(echo);
        self.web.site.store(Arc::new(site));
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
}

/// Hands each socket to the thread that will accept on it.
fn watch(bound: Bound<net::TcpListener>, workers: &Workers) -> io::Result<Bound<TcpListener>> {
    let watched = bound.sockets.into_iter().enumerate().map(|(index, socket)| {
        let _thread = workers.handle(index).enter();
        TcpListener::from_std(socket)
    });
    let sockets = watched.collect::<io::Result<_>>()?;
    Ok(Bound { address: bound.address, inherited: bound.inherited, sockets })
}

/// Each of `bound` with the address it was configured by; what was passed in has none but its own.
fn with_configured<S>(
    configured: &[SocketAddr],
    bound: Vec<Bound<S>>,
) -> Vec<(SocketAddr, Bound<S>)> {
    let of = |(index, bound): (usize, Bound<S>)| {
        let own = bound.address;
        let address = if bound.inherited { None } else { configured.get(index).copied() };
        (address.unwrap_or(own), bound)
    };
    bound.into_iter().enumerate().map(of).collect()
}
