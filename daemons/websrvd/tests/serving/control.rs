//! Calls on a server's control socket, as netctl makes them.

use selat_proto::v1::{
    GetStatusRequest, GetStatusResponse, ReloadRequest, WebServiceGetStatsRequest,
    WebServiceGetStatsResponse, daemon_service_client::DaemonServiceClient,
    web_service_client::WebServiceClient,
};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};

use crate::harness::Server;

/// Calls on a server's control socket.
pub(crate) struct Control {
    pub(crate) runtime: Runtime,
    pub(crate) channel: Channel,
}

impl Control {
    pub(crate) fn of(server: &Server) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::try_from(format!("unix:{}", server.control().display())).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Self { runtime, channel }
    }

    pub(crate) fn status(&self) -> GetStatusResponse {
        let mut daemon = DaemonServiceClient::new(self.channel.clone());
        self.runtime.block_on(daemon.get_status(GetStatusRequest {})).unwrap().into_inner()
    }

    pub(crate) fn reload(&self) -> Result<Vec<String>, String> {
        let mut daemon = DaemonServiceClient::new(self.channel.clone());
        let reloaded = self.runtime.block_on(daemon.reload(ReloadRequest { check_only: false }));
        reloaded.map(|it| it.into_inner().changes).map_err(|status| status.message().to_owned())
    }

    pub(crate) fn web(&self) -> WebServiceGetStatsResponse {
        let mut web = WebServiceClient::new(self.channel.clone());
        self.runtime.block_on(web.get_stats(WebServiceGetStatsRequest {})).unwrap().into_inner()
    }
}
