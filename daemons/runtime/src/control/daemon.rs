//! `DaemonService`, which both daemons serve.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use selat_proto::v1::{
    DrainRequest, DrainResponse, GetStatusRequest, GetStatusResponse, ReloadRequest,
    ReloadResponse, SetLogLevelRequest, SetLogLevelResponse, UpgradeRequest, UpgradeResponse,
    WatchEventsRequest, WatchEventsResponse, daemon_service_server::DaemonService,
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{Actor, Command, Orders, Vitals, brief};
use crate::events::{Event, Events};

/// What the service answers from, and where its orders go.
#[derive(Debug)]
pub struct DaemonControl<D> {
    /// What the daemon says of itself.
    pub vitals: Arc<Vitals>,
    /// Where orders are given.
    pub orders: Orders<D>,
    /// What happens to the daemon.
    pub events: Events,
    /// Ends the streams of those who watch, which would hold up the stop for ever.
    pub shutdown: CancellationToken,
}

#[tonic::async_trait]
impl<D: Send + 'static> DaemonService for DaemonControl<D> {
    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(self.vitals.status()))
    }

    async fn reload(
        &self,
        request: Request<ReloadRequest>,
    ) -> Result<Response<ReloadResponse>, Status> {
        let actor = Actor::of(&request);
        let check_only = request.into_inner().check_only;
        let reloaded =
            self.orders.give(actor, |reply| Command::Reload { check_only, reply }).await?.map_err(
                |refused| Status::failed_precondition(brief::text(&refused.to_string())),
            )?;
        Ok(Response::new(ReloadResponse {
            config_generation: reloaded.generation,
            changes: reloaded.changes,
        }))
    }

    async fn drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<DrainResponse>, Status> {
        let drain = |reply| Command::Drain { reply };
        let waited_for = self.orders.give(Actor::of(&request), drain).await?;
        Ok(Response::new(DrainResponse {
            connections: waited_for.connections,
            deadline: prost_types::Duration::try_from(waited_for.deadline).ok(),
        }))
    }

    async fn upgrade(
        &self,
        request: Request<UpgradeRequest>,
    ) -> Result<Response<UpgradeResponse>, Status> {
        let previous = self.vitals.status();
        let upgrade = |reply| Command::Upgrade { reply };
        let upgraded = self.orders.give(Actor::of(&request), upgrade).await?;
        let upgraded =
            upgraded.map_err(|refused| Status::failed_precondition(brief::text(&refused)))?;
        Ok(Response::new(UpgradeResponse {
            previous_pid: previous.pid,
            previous_version: previous.version,
            pid: upgraded.pid,
            version: upgraded.version,
            sessions: upgraded.sessions,
        }))
    }

    async fn set_log_level(
        &self,
        request: Request<SetLogLevelRequest>,
    ) -> Result<Response<SetLogLevelResponse>, Status> {
        let actor = Actor::of(&request);
        let SetLogLevelRequest { filter, ttl } = request.into_inner();
        let ttl = ttl
            .map(Duration::try_from)
            .transpose()
            .map_err(|_| Status::invalid_argument("ttl must not be negative"))?;
        let change = self
            .orders
            .give(actor, |reply| Command::SetLogLevel { filter, ttl, reply })
            .await?
            .map_err(|error| Status::invalid_argument(brief::text(&error.to_string())))?;
        Ok(Response::new(SetLogLevelResponse {
            previous_filter: change.previous,
            filter: change.current,
        }))
    }

    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        _request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let events = stream::unfold(self.events.watch(), |mut watch| async {
            let mut missed = 0;
            loop {
                match watch.recv().await {
                    Ok(event) => return Some((Ok(told(event, missed)), watch)),
                    Err(RecvError::Lagged(count)) => missed += count,
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        let shutdown = self.shutdown.clone().cancelled_owned();
        Ok(Response::new(Box::pin(events.take_until(shutdown))))
    }
}

fn told(event: Event, missed_count: u64) -> WatchEventsResponse {
    WatchEventsResponse {
        time: Some(event.time.into()),
        kind: event.kind.as_str().to_owned(),
        message: event.message,
        actor: event.actor,
        missed_count,
    }
}
