//! The figures of streams that JSON has beside those of a [`super::Row`].

use serde::Serialize;

use super::http_detail::Percentiles;
use super::row::rounded;
use crate::analysis::ms;
use crate::bulk::{BulkFigures, BulkRun, Goodput, Interval, Way};
use crate::responsiveness::{Confidence, DRAFT, class};

/// Figures of streams, under the names of the JSON document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TcpDetail {
    /// Goodput from the server, bit/s.
    pub down_bps: Option<f64>,
    /// Goodput to the server, bit/s.
    pub up_bps: Option<f64>,
    /// Streams at the end of the last interval, both ways.
    pub streams: Option<u32>,
    /// Streams that broke off.
    pub broken: u64,
    /// Requests on connections of their own while the path was idle.
    pub idle: Percentiles,
    /// The same beside the load.
    pub loaded: Percentiles,
    /// Requests on connections that carry load; over HTTP/2 only.
    pub loaded_own: Percentiles,
    /// TCP handshakes while the path was idle.
    pub idle_connect: Percentiles,
    /// The same beside the load.
    pub loaded_connect: Percentiles,
    /// Latency added by the load: the median of `loaded` less that of `idle`, ms.
    pub added_latency_ms: Option<f64>,
    /// Round trips by the kernel.
    pub rtt: Percentiles,
    /// Smallest of these, ms.
    pub min_rtt_ms: Option<f64>,
    /// Segments sent again; of uploads only.
    pub retransmits: Option<u64>,
    /// Bytes sent again, of all that were sent, %.
    pub resent_pct: Option<f64>,
    /// Median congestion window of an upload, bytes.
    pub cwnd_bytes: Option<u64>,
    /// Goodput by interval.
    pub intervals: Vec<IntervalDetail>,
    /// Responsiveness, where that was measured.
    pub responsiveness: Option<ResponsivenessDetail>,
}

/// One interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct IntervalDetail {
    /// Its end since load began, s.
    pub ends_s: f64,
    /// From the server, bit/s.
    pub down_bps: Option<f64>,
    /// To the server, bit/s.
    pub up_bps: Option<f64>,
    /// Streams at its end.
    pub streams: u32,
    /// Whether it is left out of the goodput.
    pub is_warm_up: bool,
}

/// Round trips a minute under load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ResponsivenessDetail {
    /// What this follows.
    pub draft: &'static str,
    /// The result.
    pub rpm: Option<f64>,
    /// `poor`, `fair`, `good` or `excellent`.
    pub class: Option<&'static str>,
    /// On connections of their own.
    pub foreign_rpm: Option<f64>,
    /// On connections that carry load.
    pub loaded_rpm: Option<f64>,
    /// On connections of their own while the path was idle.
    pub idle_rpm: Option<f64>,
    /// How sure goodput is.
    pub goodput_confidence: Confidence,
    /// How sure the result is.
    pub confidence: Confidence,
}

impl TcpDetail {
    pub(super) fn of(run: &BulkRun, figures: &BulkFigures) -> Self {
        let goodput = |goodput: Option<Goodput>| rounded(goodput.map(|it| it.bps));
        let interval = |it: &Interval| IntervalDetail::of(run, it);
        Self {
            down_bps: goodput(figures.down),
            up_bps: goodput(figures.up),
            streams: run.intervals.last().map(|it| it.streams),
            broken: run.failures.len() as u64,
            idle: Percentiles::of(&figures.idle),
            loaded: Percentiles::of(&figures.loaded),
            loaded_own: Percentiles::of(&figures.own),
            idle_connect: Percentiles::of(&figures.idle_connect),
            loaded_connect: Percentiles::of(&figures.loaded_connect),
            added_latency_ms: rounded(figures.added_ms),
            rtt: Percentiles::of(&figures.rtt),
            min_rtt_ms: rounded(figures.min_rtt.map(ms)),
            retransmits: figures.retransmits,
            resent_pct: rounded(figures.resent_share.map(|share| share * 100.0)),
            cwnd_bytes: figures.cwnd_bytes,
            intervals: run.intervals.iter().map(interval).collect(),
            responsiveness: ResponsivenessDetail::of(run, figures),
        }
    }
}

impl IntervalDetail {
    fn of(run: &BulkRun, interval: &Interval) -> Self {
        let bps = |way: Way, bytes: u64| {
            let bps = bytes as f64 * 8.0 / interval.length.as_secs_f64();
            rounded(run.ways.contains(&way).then_some(bps))
        };
        let since_load = interval.ends_at.saturating_sub(run.loaded_at);
        Self {
            ends_s: rounded(Some(since_load.as_secs_f64())).unwrap_or_default(),
            down_bps: bps(Way::Down, interval.down_bytes),
            up_bps: bps(Way::Up, interval.up_bytes),
            streams: interval.streams,
            is_warm_up: !interval.counts_in(run),
        }
    }
}

impl ResponsivenessDetail {
    fn of(run: &BulkRun, figures: &BulkFigures) -> Option<Self> {
        let [goodput_confidence, confidence] = run.confidence?;
        let found = figures.responsiveness;
        Some(Self {
            draft: DRAFT,
            rpm: rounded(found.map(|it| it.rpm)),
            class: found.map(|it| class(it.rpm)),
            foreign_rpm: rounded(found.and_then(|it| it.foreign_rpm)),
            loaded_rpm: rounded(found.and_then(|it| it.loaded_rpm)),
            idle_rpm: rounded(figures.idle_rpm),
            goodput_confidence,
            confidence,
        })
    }
}
