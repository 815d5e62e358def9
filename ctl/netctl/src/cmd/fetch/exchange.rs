//! One request and its response, with the time of each phase.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, Version};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::sink::Sink;
use crate::console::Console;
use crate::http::{Dialer, HttpUrl, Protocol, Responded, Said, Tls, Trust, said};

/// Smallest body that is worth a progress bar, bytes.
const PROGRESS_BYTES_MIN: u64 = 1 << 20;

/// How long each phase took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phases {
    /// Looking up the host; none where the URL has an address.
    pub(super) dns: Option<Duration>,
    /// Until the connection was there, with TLS over https.
    pub(super) connect: Duration,
    /// Until the last byte of the request had left.
    pub(super) request: Duration,
    /// Until the first byte of the response came.
    pub(super) first_byte: Duration,
    /// Until the last byte of the body came.
    pub(super) body: Duration,
    /// All of it.
    pub(super) total: Duration,
}

/// A response whose body has yet to come.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) url: HttpUrl,
    pub(super) method: Method,
    pub(super) peer: SocketAddr,
    pub(super) responded: Responded,
    began_at: Instant,
    dns: Option<Duration>,
    connected_at: Instant,
}

/// A response that came whole.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) url: HttpUrl,
    pub(super) method: Method,
    pub(super) peer: SocketAddr,
    pub(super) version: Version,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) said: Said,
    pub(super) phases: Phases,
    pub(super) body_bytes: u64,
}

impl Started {
    /// Looks up, connects, asks, and waits for the head.
    pub(super) async fn open(
        url: &HttpUrl,
        method: &Method,
        headers: &HeaderMap,
        trust: &Trust,
        limit: Duration,
    ) -> anyhow::Result<Self> {
        let began_at = Instant::now();
        let tls = |protocol| Tls::new(trust, protocol);
        let dialer = Dialer::to(url, Protocol::Http1, tls, limit).await?;
        let mut connection = dialer.dial().await?;
        let connected_at = Instant::now();
        let (url, peer) = (url.clone(), connection.peer);
        let responded = connection.ask(&url, method, headers).await?;
        Ok(Self {
            url,
            method: method.clone(),
            peer,
            responded,
            began_at,
            dns: dialer.dns,
            connected_at,
        })
    }

    /// Receives the body into `sink`.
    pub(super) async fn finish(
        mut self,
        sink: &mut Sink,
        console: &mut Console<'_>,
    ) -> anyhow::Result<Fetched> {
        let bar = bar(&self.responded, sink, console);
        sink.begin(self.responded.response.headers());
        while let Some(piece) = self.responded.next_piece().await? {
            sink.take(&piece, console)?;
            bar.set_position(self.responded.received());
        }
        let ended_at = Instant::now();
        bar.finish_and_clear();
        sink.end(console)?;
        Ok(self.over(ended_at))
    }

    fn over(self, ended_at: Instant) -> Fetched {
        let Responded { response, requested_at, first_byte_at, .. } = &self.responded;
        let dns = self.dns.unwrap_or_default();
        let phases = Phases {
            dns: self.dns,
            connect: self.connected_at.saturating_duration_since(self.began_at + dns),
            request: requested_at.saturating_duration_since(self.connected_at),
            first_byte: first_byte_at.saturating_duration_since(*requested_at),
            body: ended_at.saturating_duration_since(*first_byte_at),
            total: ended_at.saturating_duration_since(self.began_at),
        };
        Fetched {
            method: self.method,
            peer: self.peer,
            version: response.version(),
            status: response.status(),
            headers: response.headers().clone(),
            said: said(response.status(), response.headers()),
            phases,
            body_bytes: self.responded.received(),
            url: self.url,
        }
    }
}

fn bar(responded: &Responded, sink: &Sink, console: &Console<'_>) -> ProgressBar {
    let is_small = responded.expected().is_some_and(|bytes| bytes < PROGRESS_BYTES_MIN);
    if !console.look.progress || sink.is_screen() || is_small {
        return ProgressBar::hidden();
    }
    let (bar, template) = match responded.expected() {
        Some(bytes) => (
            ProgressBar::new(bytes),
            " {bar:30.cyan/dim} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} to go",
        ),
        None => (ProgressBar::no_length(), " {spinner} {bytes}  {bytes_per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
