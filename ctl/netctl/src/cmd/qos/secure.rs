//! Whom a server behind `https` must prove to be, and what is spoken with it.

use std::path::PathBuf;
use std::time::Duration;

use crate::http::{Dialer, HttpError, HttpUrl, Protocol, Tls, Trust};

/// How to reach a server.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Reach {
    /// Speak HTTP/2: agreed by ALPN over https, begun without asking over http (prior knowledge)
    #[arg(long)]
    pub(super) http2: bool,
    /// Trust the authorities in this file (PEM), not those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Take any certificate: whoever answers is measured
    #[arg(short = 'k', long)]
    insecure: bool,
}

impl Reach {
    /// The way to the host of `url`.
    pub(super) async fn dialer(&self, url: &HttpUrl, limit: Duration) -> Result<Dialer, HttpError> {
        let protocol = if self.http2 { Protocol::Http2 } else { Protocol::Http1 };
        Dialer::to(url, protocol, |protocol| Tls::new(&self.trust(), protocol), limit).await
    }

    /// The same over HTTP/2, or not.
    pub(super) fn speaking(self, http2: bool) -> Self {
        Self { http2, ..self }
    }

    fn trust(&self) -> Trust {
        match (&self.ca, self.insecure) {
            (_, true) => Trust::Anyone,
            (Some(file), false) => Trust::Authorities(file.clone()),
            (None, false) => Trust::System,
        }
    }
}
