//! The relay's listeners as the configuration has them: which are open, and what a reload changes.

use std::{
    marker::PhantomData,
    mem,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};

use selat_proto::v1;
use selat_runtime::{
    listen::{self, Bound, ChangeError, Inherited, ListenError, Listeners},
    workers::Workers,
};

use crate::{
    config::{Config, Forwarding},
    relay::{Relay, TcpConfig, UdpConfig},
};

/// A socket was passed in for the relay that no configured listener goes with.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {role} socket {address} was passed in, but the configuration has no upstream for its port"
)]
pub struct NoUpstream {
    role: &'static str,
    address: SocketAddr,
}

/// One transport of the relay: how its sockets are bound, and what one of its listeners does.
pub(crate) trait Transport {
    /// Its key in the configuration, and the name of its inherited sockets.
    const ROLE: &'static str;
    /// A listening socket.
    type Socket;
    /// What a listener may do.
    type Settings;

    fn wanted(config: &Config) -> &[Forwarding];
    fn settings(config: &Config, forwarding: Forwarding) -> Self::Settings;
    fn bind(address: SocketAddr, threads: usize) -> Result<Bound<Self::Socket>, ListenError>;
    fn bind_or_inherit(
        addresses: &[SocketAddr],
        threads: usize,
        sockets: &mut Inherited,
    ) -> Result<Vec<Bound<Self::Socket>>, ListenError>;
    fn open(relay: &Relay, bound: Bound<Self::Socket>, settings: Self::Settings, on: &Workers);
    fn configure(relay: &Relay, local: SocketAddr, settings: Self::Settings) -> bool;
    fn close(relay: &Relay, local: SocketAddr);
}

/// The listeners of one transport.
#[derive(Debug)]
pub(crate) struct Relaying<T: Transport> {
    relay: Arc<Relay>,
    workers: Arc<Workers>,
    listeners: Listeners,
    open: Vec<Open>,
    /// Bound at the start, and not relayed before [`Relaying::begin`].
    waiting: Vec<Prepared<T::Socket>>,
    transport: PhantomData<T>,
}

/// A listener that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    forwarding: Forwarding,
    address: SocketAddr,
}

/// A listener that is bound and relays nothing yet.
#[derive(Debug)]
pub(crate) struct Prepared<S> {
    forwarding: Forwarding,
    bound: Bound<S>,
}

impl<T: Transport> Relaying<T> {
    pub(crate) fn new(relay: &Arc<Relay>, workers: &Arc<Workers>) -> Self {
        Self {
            relay: Arc::clone(relay),
            workers: Arc::clone(workers),
            listeners: Listeners::new(T::ROLE),
            open: Vec::new(),
            waiting: Vec::new(),
            transport: PhantomData,
        }
    }

    /// Binds what `config` has, or takes what was passed in; relays nothing yet.
    pub(crate) fn bind<E>(&mut self, config: &Config, sockets: &mut Inherited) -> Result<(), E>
    where
        E: From<ListenError> + From<NoUpstream>,
    {
        let wanted = T::wanted(config);
        let addresses: Vec<_> = wanted.iter().map(|forwarding| forwarding.listen).collect();
        let bound = T::bind_or_inherit(&addresses, self.workers.count(), sockets)?;
        self.waiting = bound
            .into_iter()
            .enumerate()
            .map(|(index, bound)| {
                let forwarding = match bound.inherited {
                    false => wanted.get(index),
                    true => for_inherited(wanted, bound.address),
                };
                let missing = NoUpstream { role: T::ROLE, address: bound.address };
                let forwarding = *forwarding.ok_or(missing)?;
                Ok::<_, E>(Prepared { forwarding, bound })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    /// Relays on what was bound at the start.
    pub(crate) fn begin(&mut self, config: &Config) {
        let waiting = mem::take(&mut self.waiting);
        self.open(config, waiting);
    }

    /// Binds what `config` has and is not open yet.
    pub(crate) fn prepare(&self, config: &Config) -> Result<Vec<Prepared<T::Socket>>, ChangeError> {
        let wanted = T::wanted(config);
        let addresses: Vec<_> = wanted.iter().map(|forwarding| forwarding.listen).collect();
        let is_open =
            |address: &SocketAddr| self.open.iter().any(|open| open.forwarding.listen == *address);
        if addresses.len() == self.open.len() && addresses.iter().all(is_open) {
            return Ok(Vec::new());
        }
        let bind = |address| T::bind(address, self.workers.count());
        let new = self.listeners.bind_new(&addresses, bind)?;
        let of = |listen| wanted.iter().find(|forwarding| forwarding.listen == listen).copied();
        let prepared = new
            .into_iter()
            .filter_map(|(listen, bound)| Some(Prepared { forwarding: of(listen)?, bound }));
        Ok(prepared.collect())
    }

    /// Relays on what was prepared, changes what is open to what `config` has, closes what it does not have.
    pub(crate) fn apply(&mut self, config: &Config, prepared: Vec<Prepared<T::Socket>>) {
        let wanted = T::wanted(config);
        let mut gone = Vec::new();
        self.open.retain_mut(|open| {
            let found = wanted.iter().find(|it| it.listen == open.forwarding.listen);
            match found {
                Some(forwarding) => {
                    open.forwarding = *forwarding;
                    T::configure(&self.relay, open.address, T::settings(config, *forwarding));
                }
                None => gone.push(open.address),
            }
            found.is_some()
        });
        self.open(config, prepared);
        let addresses: Vec<_> = wanted.iter().map(|forwarding| forwarding.listen).collect();
        self.listeners.close_others(&addresses);
        for address in gone {
            T::close(&self.relay, address);
        }
    }

    /// As the control socket says it.
    pub(crate) fn listed(&self) -> impl Iterator<Item = v1::Listener> {
        self.listeners.listed().zip(&self.open).map(|(listener, open)| v1::Listener {
            upstream: open.forwarding.upstream.to_string(),
            ..listener
        })
    }

    fn open(&mut self, config: &Config, prepared: Vec<Prepared<T::Socket>>) {
        for Prepared { forwarding, bound } in prepared {
            // The relay closes its listeners itself.
            let _ = self.listeners.add(forwarding.listen, &bound);
            self.open.push(Open { forwarding, address: bound.address });
            T::open(&self.relay, bound, T::settings(config, forwarding), &self.workers);
        }
    }
}

/// What a socket that was passed in is for: the port says it, whatever address the unit binds it to.
fn for_inherited(wanted: &[Forwarding], address: SocketAddr) -> Option<&Forwarding> {
    wanted.iter().find(|forwarding| forwarding.listen.port() == address.port())
}

/// UDP datagrams.
#[derive(Debug)]
pub(crate) struct Udp;

impl Transport for Udp {
    const ROLE: &'static str = "udp";
    type Socket = UdpSocket;
    type Settings = UdpConfig;

    fn wanted(config: &Config) -> &[Forwarding] {
        &config.udp
    }

    fn settings(config: &Config, forwarding: Forwarding) -> UdpConfig {
        config.udp_relay(forwarding.upstream)
    }

    fn bind(address: SocketAddr, threads: usize) -> Result<Bound<UdpSocket>, ListenError> {
        listen::bind_udp(Self::ROLE, address, threads)
    }

    fn bind_or_inherit(
        addresses: &[SocketAddr],
        threads: usize,
        sockets: &mut Inherited,
    ) -> Result<Vec<Bound<UdpSocket>>, ListenError> {
        listen::udp(Self::ROLE, addresses, threads, sockets)
    }

    fn open(relay: &Relay, bound: Bound<UdpSocket>, settings: UdpConfig, on: &Workers) {
        relay.listen_udp(bound, settings, on);
    }

    fn configure(relay: &Relay, local: SocketAddr, settings: UdpConfig) -> bool {
        relay.configure_udp(local, settings)
    }

    fn close(relay: &Relay, local: SocketAddr) {
        relay.close_udp(local);
    }
}

/// TCP connections.
#[derive(Debug)]
pub(crate) struct Tcp;

impl Transport for Tcp {
    const ROLE: &'static str = "tcp";
    type Socket = TcpListener;
    type Settings = TcpConfig;

    fn wanted(config: &Config) -> &[Forwarding] {
        &config.tcp
    }

    fn settings(config: &Config, forwarding: Forwarding) -> TcpConfig {
        config.tcp_relay(forwarding.upstream)
    }

    fn bind(address: SocketAddr, threads: usize) -> Result<Bound<TcpListener>, ListenError> {
        listen::bind_tcp(Self::ROLE, address, threads)
    }

    fn bind_or_inherit(
        addresses: &[SocketAddr],
        threads: usize,
        sockets: &mut Inherited,
    ) -> Result<Vec<Bound<TcpListener>>, ListenError> {
        listen::tcp(Self::ROLE, addresses, threads, sockets)
    }

    fn open(relay: &Relay, bound: Bound<TcpListener>, settings: TcpConfig, on: &Workers) {
        relay.listen_tcp(bound, settings, on);
    }

    fn configure(relay: &Relay, local: SocketAddr, settings: TcpConfig) -> bool {
        relay.configure_tcp(local, settings)
    }

    fn close(relay: &Relay, local: SocketAddr) {
        relay.close_tcp(local);
    }
}
