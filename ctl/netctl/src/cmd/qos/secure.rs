//! What is spoken with a server, and whom it must prove to be.

use std::time::Duration;

use crate::http::{Dialer, HttpError, HttpUrl, Protocol, Tls, TrustArgs};

/// How to reach a server.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Reach {
    /// Speak HTTP/2: agreed by ALPN over https, begun without asking over http (prior knowledge)
    #[arg(long)]
    pub(super) http2: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Reach {
    /// The way to the host of `url`.
    pub(super) async fn dialer(&self, url: &HttpUrl, limit: Duration) -> Result<Dialer, HttpError> {
        let protocol = if self.http2 { Protocol::Http2 } else { Protocol::Http1 };
        Dialer::to(url, protocol, |protocol| Tls::new(&self.trust.trust(), protocol), limit).await
    }

    /// The same over HTTP/2, or not.
    pub(super) fn speaking(self, http2: bool) -> Self {
        Self { http2, ..self }
    }
}
