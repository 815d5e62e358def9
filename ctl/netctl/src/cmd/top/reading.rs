//! What both daemons say of themselves at one moment.

use std::time::Instant;

use selat_proto::socket::Daemon;
use selat_proto::v1::{
    CacheServiceGetStatsRequest, CacheServiceGetStatsResponse, EchoServiceGetStatsRequest,
    EchoServiceGetStatsResponse, GetStatusRequest, GetStatusResponse, RelayServiceGetStatsRequest,
    RelayServiceGetStatsResponse, WebServiceGetStatsRequest, WebServiceGetStatsResponse,
};

use crate::cli::Global;
use crate::client::ControlError;

/// One look at both. `E` is why one could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Reading<E = String> {
    /// When, by this process's clock.
    pub(crate) at: Instant,
    /// The caching proxy and relay.
    pub(crate) proxyd: Result<Proxyd, E>,
    /// The web server and reflector.
    pub(crate) websrvd: Result<Websrvd, E>,
}

/// What proxyd counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxyd {
    pub(crate) status: GetStatusResponse,
    pub(crate) cache: CacheServiceGetStatsResponse,
    pub(crate) relay: RelayServiceGetStatsResponse,
}

/// What websrvd counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Websrvd {
    pub(crate) status: GetStatusResponse,
    pub(crate) web: WebServiceGetStatsResponse,
    pub(crate) echo: EchoServiceGetStatsResponse,
}

impl Reading<ControlError> {
    /// Asks both at once.
    pub(crate) async fn take(global: &Global) -> Self {
        let (proxyd, websrvd) = tokio::join!(Proxyd::read(global), Websrvd::read(global));
        Self { at: Instant::now(), proxyd, websrvd }
    }

    /// Why there is nothing to show, where neither can be read.
    pub(crate) fn nobody(&self) -> Option<ControlError> {
        match (&self.proxyd, &self.websrvd) {
            (Err(error), Err(_)) => Some(error.clone()),
            _ => None,
        }
    }

    /// The same with errors as text.
    pub(crate) fn told(self) -> Reading {
        let text = |error: ControlError| format!("{:#}", anyhow::Error::from(error));
        let (proxyd, websrvd) = (self.proxyd.map_err(text), self.websrvd.map_err(text));
        Reading { at: self.at, proxyd, websrvd }
    }
}

impl Proxyd {
    /// Sessions of the relay that are open, of either protocol.
    pub(crate) fn sessions(&self) -> u64 {
        let udp = self.relay.udp.as_ref().map_or(0, |udp| udp.sessions);
        udp + self.relay.tcp.as_ref().map_or(0, |tcp| tcp.sessions)
    }

    async fn read(global: &Global) -> Result<Self, ControlError> {
        let control = global.connect(Daemon::Proxyd).await?;
        let status = control.answer(control.daemon().get_status(GetStatusRequest {})).await?;
        let cache = CacheServiceGetStatsRequest::default();
        let cache = control.answer(control.cache().get_stats(cache)).await?;
        let relay = RelayServiceGetStatsRequest {};
        let relay = control.answer(control.relay().get_stats(relay)).await?;
        Ok(Self { status, cache, relay })
    }
}

impl Websrvd {
    async fn read(global: &Global) -> Result<Self, ControlError> {
        let control = global.connect(Daemon::Websrvd).await?;
        let status = control.answer(control.daemon().get_status(GetStatusRequest {})).await?;
        let web = control.answer(control.web().get_stats(WebServiceGetStatsRequest {})).await?;
        let echo = EchoServiceGetStatsRequest {};
        let echo = control.answer(control.echo().get_stats(echo)).await?;
        Ok(Self { status, web, echo })
    }
}
