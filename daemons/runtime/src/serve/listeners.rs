//! The HTTP listeners of a daemon: opened when it begins, some opened and some closed by a reload.

use std::{
    io, mem,
    net::{self, SocketAddr},
    sync::Arc,
};

use selat_proto::v1;
use tokio::net::TcpStream;

use super::{Acceptor, Connections, accept};
use crate::{
    listen::{self, Bound, ChangeError, Inherited, ListenError, Listeners},
    workers::Workers,
};

/// What listeners of role `http` are called.
const ROLE: &str = "http";

/// Why a daemon cannot listen for HTTP.
#[derive(Debug, thiserror::Error)]
pub enum HttpListenError {
    /// A socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The addresses cannot be changed as asked.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A socket cannot be waited on.
    #[error("cannot wait for connections")]
    Watch(#[from] io::Error),
}

/// The HTTP listeners of a daemon, and what serves the connections that they accept.
#[derive(Debug)]
pub struct HttpListeners<S> {
    listeners: Listeners,
    /// Bound at the start, and not served before [`HttpListeners::begin`].
    waiting: Vec<Prepared>,
    workers: Arc<Workers>,
    connections: Arc<Connections>,
    serve: S,
}

/// A listener that is bound and accepts nothing yet.
#[derive(Debug)]
pub struct Prepared {
    configured: SocketAddr,
    bound: Bound<Acceptor>,
}

impl<S, F> HttpListeners<S>
where
    S: Fn(TcpStream, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    /// Takes the sockets that were passed in, or else binds `addresses`; serves none of them yet.
    ///
    /// # Errors
    /// [`HttpListenError`] for the first socket that cannot be had.
    pub fn bind(
        addresses: &[SocketAddr],
        sockets: &mut Inherited,
        workers: &Arc<Workers>,
        connections: &Arc<Connections>,
        serve: S,
    ) -> Result<Self, HttpListenError> {
        let bound = listen::tcp(ROLE, addresses, workers.count(), sockets)?;
        let bound = listen::with_configured(addresses, bound);
        Ok(Self {
            listeners: Listeners::new(ROLE),
            waiting: prepare(bound, workers)?,
            workers: Arc::clone(workers),
            connections: Arc::clone(connections),
            serve,
        })
    }

    /// Accepts connections on what was bound at the start.
    pub fn begin(&mut self) {
        let waiting = mem::take(&mut self.waiting);
        self.open(waiting);
    }

    /// Binds what `wanted` has and is not open yet.
    ///
    /// # Errors
    /// [`HttpListenError`] for the first that cannot be had; nothing has changed then.
    pub fn prepare(&self, wanted: &[SocketAddr]) -> Result<Vec<Prepared>, HttpListenError> {
        let bind = |address| listen::bind_tcp(ROLE, address, self.workers.count());
        Ok(prepare(self.listeners.bind_new(wanted, bind)?, &self.workers)?)
    }

    /// Accepts connections on what was prepared.
    pub fn open(&mut self, prepared: Vec<Prepared>) {
        for Prepared { configured, bound } in prepared {
            let closed = self.listeners.add(configured, &bound);
            for (index, listener) in bound.sockets.into_iter().enumerate() {
                let connections = Arc::clone(&self.connections);
                let accepting = accept(listener, connections, closed.clone(), self.serve.clone());
                self.workers.handle(index).spawn(accepting);
            }
        }
    }

    /// Closes what `wanted` does not have; connections that were accepted go on.
    pub fn close_others(&mut self, wanted: &[SocketAddr]) {
        self.listeners.close_others(wanted);
    }

    /// As the control socket says it.
    pub fn listed(&self) -> impl Iterator<Item = v1::Listener> {
        self.listeners.listed()
    }
}

fn prepare(
    bound: Vec<(SocketAddr, Bound<net::TcpListener>)>,
    workers: &Workers,
) -> io::Result<Vec<Prepared>> {
    let watched = bound
        .into_iter()
        .map(|(configured, bound)| Ok(Prepared { configured, bound: watch(bound, workers)? }));
    watched.collect()
}

/// Hands each socket to the thread that will accept on it.
fn watch(bound: Bound<net::TcpListener>, workers: &Workers) -> io::Result<Bound<Acceptor>> {
    let acceptor = if bound.inherited { Acceptor::inherited } else { Acceptor::new };
    let watched = bound.sockets.into_iter().enumerate().map(|(index, socket)| {
        let _thread = workers.handle(index).enter();
        acceptor(socket)
    });
    let sockets = watched.collect::<io::Result<_>>()?;
    Ok(Bound { address: bound.address, inherited: bound.inherited, sockets })
}
