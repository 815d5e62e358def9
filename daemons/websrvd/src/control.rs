//! What the control socket says of the files served and the datagrams answered.

use std::sync::Arc;

use selat_proto::v1::{
    EchoServiceGetStatsRequest, EchoServiceGetStatsResponse, WebServiceGetStatsRequest,
    WebServiceGetStatsResponse,
    echo_service_server::{EchoService, EchoServiceServer},
    web_service_server::{WebService, WebServiceServer},
};
use selat_runtime::counters::{Counter, PerThread};
use tonic::{Request, Response, Status, service::RoutesBuilder};

use crate::{
    connection::{Web, WebCounters},
    echo::{DropReason, EchoCounters},
    files::Outcome,
    measure::MeasureOutcome,
};

/// The services of this daemon alone.
pub(crate) fn services(web: Arc<Web>, echo: Arc<PerThread<EchoCounters>>) -> RoutesBuilder {
    let mut services = RoutesBuilder::default();
    services.add_service(WebServiceServer::new(WebControl(web)));
    services.add_service(EchoServiceServer::new(EchoControl(echo)));
    services
}

struct WebControl(Arc<Web>);

#[tonic::async_trait]
impl WebService for WebControl {
    async fn get_stats(
        &self,
        _request: Request<WebServiceGetStatsRequest>,
    ) -> Result<Response<WebServiceGetStatsResponse>, Status> {
        let Web { site, connections, counters, .. } = &*self.0;
        let outcome = |outcome: Outcome| counters.sum(|it| it.outcomes.value(outcome.index()));
        let measured =
            |outcome: MeasureOutcome| counters.sum(|it| it.measured.value(outcome.index()));
        let sum = |pick: fn(&WebCounters) -> &Counter| counters.sum(|it| pick(it).value());
        Ok(Response::new(WebServiceGetStatsResponse {
            root: site.load().root(),
            requests: connections.requests(),
            files: outcome(Outcome::File),
            ranges: outcome(Outcome::Range),
            not_modified: outcome(Outcome::NotModified),
            redirects: outcome(Outcome::Redirect),
            not_found: outcome(Outcome::NotFound),
            method_refused: outcome(Outcome::MethodRefused),
            bad_target: outcome(Outcome::BadTarget) + outcome(Outcome::TargetTooLong),
            precondition_failed: outcome(Outcome::PreconditionFailed),
            range_refused: outcome(Outcome::RangeRefused),
            overloaded: outcome(Outcome::Overloaded),
            failed: outcome(Outcome::Failed),
            body_bytes: sum(|it| &it.body_bytes),
            bodies_cut: sum(|it| &it.bodies_cut),
            measured: MeasureOutcome::ALL
                .into_iter()
                .map(|outcome| (outcome.as_str().to_owned(), measured(outcome)))
                .collect(),
            uploaded_bytes: sum(|it| &it.uploaded_bytes),
        }))
    }
}

struct EchoControl(Arc<PerThread<EchoCounters>>);

#[tonic::async_trait]
impl EchoService for EchoControl {
    async fn get_stats(
        &self,
        _request: Request<EchoServiceGetStatsRequest>,
    ) -> Result<Response<EchoServiceGetStatsResponse>, Status> {
        let counters = &self.0;
        let sum = |pick: fn(&EchoCounters) -> &Counter| counters.sum(|it| pick(it).value());
        let dropped = |reason: DropReason| counters.sum(|it| it.dropped.value(reason.index()));
        Ok(Response::new(EchoServiceGetStatsResponse {
            received: sum(|it| &it.received),
            received_bytes: sum(|it| &it.received_bytes),
            answered: sum(|it| &it.answered),
            answered_bytes: sum(|it| &it.answered_bytes),
            reflected: sum(|it| &it.reflected),
            sessions: sum(|it| &it.sessions),
            dropped: DropReason::ALL
                .into_iter()
                .map(|reason| (reason.as_str().to_owned(), dropped(reason)))
                .collect(),
        }))
    }
}
