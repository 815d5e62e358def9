//! The control plane of the cache and the relay: what looks is answered from snapshots, what changes is an
//! order to the supervisor.

mod cache;
mod entries;
mod relay;
mod stats;

use std::sync::Arc;

use selat_core::cache::key::CacheKey;
use selat_proto::v1::{
    cache_service_server::CacheServiceServer, relay_service_server::RelayServiceServer,
};
use selat_runtime::{
    control::{Actor, Orders, Reply},
    events::{EventKind, Events},
};
use tonic::service::RoutesBuilder;
use tracing::info;

use self::{cache::CacheControl, relay::RelayControl};
use crate::{cache::store::Removed, proxy::Proxy, relay::Relay};

/// What only this daemon can be ordered to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Remove all that is stored for a key.
    Purge {
        /// The key.
        key: CacheKey,
        /// How much was removed.
        reply: Reply<Removed>,
    },
    /// Remove everything that is stored.
    Flush {
        /// How much was removed.
        reply: Reply<Removed>,
    },
}

/// The services of this daemon alone.
pub(crate) fn services(
    proxy: &Arc<Proxy>,
    relay: &Arc<Relay>,
    orders: &Orders<Command>,
) -> RoutesBuilder {
    let cache = CacheControl { proxy: Arc::clone(proxy), orders: orders.clone() };
    let mut services = RoutesBuilder::default();
    services.add_service(CacheServiceServer::new(cache));
    services.add_service(RelayServiceServer::new(RelayControl(Arc::clone(relay))));
    services
}

/// Carries out an order.
pub(crate) fn execute(proxy: &Proxy, command: Command, actor: Actor, events: &Events) {
    // A caller that hung up needs no answer: what it asked for is done all the same.
    match command {
        Command::Purge { key, reply } => {
            let removed = proxy.purge(&key);
            let Removed { variants, bytes } = removed;
            info!(%actor, url = key.uri(), variants, bytes, "purged");
            let message = format!("{variants} variants of {} purged", key.uri());
            events.tell(EventKind::Purged, actor, message);
            let _ = reply.send(removed);
        }
        Command::Flush { reply } => {
            let removed = proxy.flush();
            let Removed { variants, bytes } = removed;
            info!(%actor, variants, bytes, "flushed");
            events.tell(EventKind::Flushed, actor, format!("{variants} variants flushed"));
            let _ = reply.send(removed);
        }
    }
}
