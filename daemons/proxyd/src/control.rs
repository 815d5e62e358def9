//! The control plane of the cache and the relay: what looks is answered from snapshots, what changes is an
//! order to the supervisor.

mod cache;
mod entries;
mod explain;
mod relay;
mod stats;
mod url;

use std::{fmt, sync::Arc};

use selat_proto::v1::{
    cache_service_server::CacheServiceServer, relay_service_server::RelayServiceServer,
};
use selat_runtime::control::{Actor, Orders, Reply};
use tonic::service::RoutesBuilder;

use self::{cache::CacheControl, relay::RelayControl};
use crate::{
    cache::store::Purged,
    proxy::Proxy,
    purge::{self, Purge},
    relay::Relay,
};

/// What only this daemon can be ordered to do.
pub(crate) enum Command {
    /// Purge what is stored.
    Purge {
        /// What, and how.
        purge: Purge,
        /// How much it was.
        reply: Reply<Purged>,
    },
}

/// As it is logged.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purge { purge: Purge { selection, mode }, .. } => f
                .debug_struct("Purge")
                .field("selection", &format_args!("{selection}"))
                .field("mode", mode)
                .finish_non_exhaustive(),
        }
    }
}

/// The services of this daemon alone.
pub(crate) fn services(
    proxy: &Arc<Proxy>,
    relay: &Arc<Relay>,
    orders: &Orders<Command>,
) -> RoutesBuilder {
    proxy.connect(orders);
    let cache = CacheControl { proxy: Arc::clone(proxy) };
    let mut services = RoutesBuilder::default();
    services.add_service(CacheServiceServer::new(cache));
    services.add_service(RelayServiceServer::new(RelayControl(Arc::clone(relay))));
    services
}

/// Carries out an order.
pub(crate) fn execute(proxy: &Arc<Proxy>, command: Command, actor: Actor) {
    match command {
        Command::Purge { purge, reply } => purge::spawn(proxy, purge, actor, |purged| {
            // A caller that hung up needs no answer: what it asked for is done all the same.
            let _ = reply.send(purged);
        }),
    }
}
