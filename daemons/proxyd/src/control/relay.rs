//! `RelayService`.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use futures_util::{Stream, stream};
use selat_core::relay::DropReason;
use selat_proto::v1::{
    self, ListSessionsRequest, ListSessionsResponse, RelayServiceGetStatsRequest,
    RelayServiceGetStatsResponse, TcpRelayStats, UdpRelayStats, relay_service_server::RelayService,
};
use tonic::{Request, Response, Status};

use crate::relay::{Protocol, RefuseReason, Relay, SessionInfo};

/// What the service answers from.
#[derive(Debug)]
pub(crate) struct RelayControl(pub(crate) Arc<Relay>);

#[tonic::async_trait]
impl RelayService for RelayControl {
    async fn get_stats(
        &self,
        _request: Request<RelayServiceGetStatsRequest>,
    ) -> Result<Response<RelayServiceGetStatsResponse>, Status> {
        Ok(Response::new(RelayServiceGetStatsResponse {
            udp: Some(udp(&self.0)),
            tcp: Some(tcp(&self.0)),
        }))
    }

    type ListSessionsStream =
        Pin<Box<dyn Stream<Item = Result<ListSessionsResponse, Status>> + Send>>;

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<Self::ListSessionsStream>, Status> {
        let protocol = match request.into_inner().protocol() {
            v1::Protocol::Unspecified => None,
            v1::Protocol::Udp => Some(Protocol::Udp),
            v1::Protocol::Tcp => Some(Protocol::Tcp),
        };
        let (sessions, now) = (self.0.sessions(protocol).await, SystemTime::now());
        let listed = sessions.into_iter().map(move |session| Ok(shown(session, now)));
        Ok(Response::new(Box::pin(stream::iter(listed))))
    }
}

fn udp(relay: &Relay) -> UdpRelayStats {
    let counters = relay.ledger().udp();
    let dropped = DropReason::ALL.map(|reason| {
        let count = counters.sum(|thread| thread.dropped.value(reason.index()));
        (reason.as_str().to_owned(), count)
    });
    UdpRelayStats {
        sessions: counters.sum(|thread| thread.sessions.value()),
        sessions_max: relay.sessions_max(Protocol::Udp),
        opened: counters.sum(|thread| thread.opened.value()),
        expired: counters.sum(|thread| thread.expired.value()),
        shed: counters.sum(|thread| thread.shed.value()),
        up_datagrams: counters.sum(|thread| thread.up_datagrams.value()),
        up_bytes: counters.sum(|thread| thread.up_bytes.value()),
        down_datagrams: counters.sum(|thread| thread.down_datagrams.value()),
        down_bytes: counters.sum(|thread| thread.down_bytes.value()),
        dropped: dropped.into(),
        sessions_kept: relay.kept(),
    }
}

fn tcp(relay: &Relay) -> TcpRelayStats {
    let counters = relay.ledger().tcp();
    let refused = RefuseReason::ALL.map(|reason| {
        let count = counters.sum(|thread| thread.refused.value(reason.index()));
        (reason.as_str().to_owned(), count)
    });
    TcpRelayStats {
        sessions: counters.sum(|thread| thread.sessions.value()),
        sessions_max: relay.sessions_max(Protocol::Tcp),
        opened: counters.sum(|thread| thread.opened.value()),
        expired: counters.sum(|thread| thread.expired.value()),
        up_bytes: counters.sum(|thread| thread.up_bytes.value()),
        down_bytes: counters.sum(|thread| thread.down_bytes.value()),
        refused: refused.into(),
    }
}

fn shown(session: SessionInfo, now: SystemTime) -> ListSessionsResponse {
    let protocol = match session.protocol {
        Protocol::Udp => v1::Protocol::Udp,
        Protocol::Tcp => v1::Protocol::Tcp,
    };
    ListSessionsResponse {
        protocol: protocol.into(),
        id: session.number,
        client: session.client.to_string(),
        listener: session.listener.to_string(),
        upstream: session.upstream.to_string(),
        open_time: now.checked_sub(session.age).map(Into::into),
        idle: prost_types::Duration::try_from(session.idle).ok(),
        up_bytes: session.up.bytes,
        down_bytes: session.down.bytes,
        up_datagrams: session.up.datagrams,
        down_datagrams: session.down.datagrams,
    }
}
