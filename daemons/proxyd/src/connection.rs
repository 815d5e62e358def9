//! One client's HTTP connection: each of its requests goes to [`crate::request`].

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use selat_runtime::serve::{self, Connections, HttpLimits, Interims};
use tokio::net::TcpStream;

use crate::{answer::answer, proxy::Proxy};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) connections: Arc<Connections>,
    /// In force for connections to come.
    pub(crate) limits: ArcSwap<HttpLimits>,
}

impl Front {
    pub(crate) fn new(proxy: Proxy, connections: Connections, limits: HttpLimits) -> Self {
        Self {
            proxy: Arc::new(proxy),
            connections: Arc::new(connections),
            limits: ArcSwap::from_pointee(limits),
        }
    }
}

/// Serves a connection to its end.
pub(crate) async fn run(stream: TcpStream, client: SocketAddr, front: Arc<Front>) {
    let interims = Interims::default();
    let service = service_fn(|request| {
        front.connections.count_request();
        answer(&front.proxy, client, &interims, request)
    });
    let (limits, drain) = (front.limits.load_full(), front.connections.drain());
    serve::connection_with_interims(stream, service, &interims, &limits, drain).await;
}
