//! The row that CSV and JSON share: one for each client of a test, one for all together.

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::{Detail, Made, Measurement, Test};
use crate::analysis::{Analysis, ms};
use crate::grade::Grades;

/// The client of the row that stands for all of them.
pub const TOTAL_CLIENT: &str = "all";

/// The columns, in order: the fields of [`Row`] that CSV has.
pub const COLUMNS: [&str; 24] = [
    "started_at",
    "test",
    "target",
    "client",
    "sent",
    "received",
    "lost",
    "loss_pct",
    "duplicates",
    "reordered",
    "bytes",
    "duration_s",
    "throughput_bps",
    "latency_min_ms",
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_max_ms",
    "jitter_ms",
    "jitter_rfc3550_ms",
    "r_factor",
    "mos",
    "tiphon_index",
];

/// Decimals that a figure keeps: nanoseconds of a millisecond.
const DECIMALS: f64 = 1e6;

/// The figures of one client, as [`Analysis`] and [`Grades`] define them; `None` for what was not
/// measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Wall time of the start, to the millisecond, RFC 3339.
    pub started_at: Timestamp,
    /// What was tested.
    pub test: Test,
    /// Where: an address or a URL.
    pub target: String,
    /// Which client, or [`TOTAL_CLIENT`].
    pub client: String,
    /// Probes or requests that left.
    pub sent: u64,
    /// Those with an answer.
    pub received: u64,
    /// Those without.
    pub lost: u64,
    /// Percent.
    pub loss_pct: Option<f64>,
    /// Answers after the first to the same probe; `None` over connections, where each comes once.
    pub duplicates: Option<u64>,
    /// RFC 4737 §3.3; `None` over connections, among which answers have no order to lose.
    pub reordered: Option<u64>,
    /// Payload bytes of the first answers, or of streams once they count.
    pub bytes: Option<u64>,
    /// Total time, s.
    pub duration_s: Option<f64>,
    /// bit/s.
    pub throughput_bps: Option<f64>,
    /// ms.
    pub latency_min_ms: Option<f64>,
    /// ms.
    pub latency_mean_ms: Option<f64>,
    /// ms.
    pub latency_p50_ms: Option<f64>,
    /// ms.
    pub latency_p95_ms: Option<f64>,
    /// ms.
    pub latency_p99_ms: Option<f64>,
    /// ms.
    pub latency_max_ms: Option<f64>,
    /// Mean difference of consecutive latencies, ms.
    pub jitter_ms: Option<f64>,
    /// RFC 3550 jitter after the last answer, ms.
    pub jitter_rfc3550_ms: Option<f64>,
    /// ITU-T G.107, 0 to 93.2.
    pub r_factor: Option<f64>,
    /// 1 to 4.5.
    pub mos: Option<f64>,
    /// Mean TIPHON (customary) index, 1 to 4.
    pub tiphon_index: Option<f64>,
    /// What JSON has besides.
    #[serde(skip)]
    pub detail: Detail,
}

impl Row {
    pub(super) fn new(
        measurement: &Measurement,
        client: &str,
        analysis: &Analysis,
        grades: &Grades,
    ) -> Self {
        let latency = &analysis.latency;
        let percentile = |percent| rounded(latency.percentile(percent).map(ms));
        Self {
            started_at: milliseconds(measurement.started_at),
            test: measurement.test,
            target: measurement.target.clone(),
            client: client.to_owned(),
            sent: analysis.sent,
            received: analysis.received,
            lost: analysis.lost,
            loss_pct: rounded(analysis.loss_pct),
            duplicates: analysis.duplicates,
            reordered: analysis.reordered,
            bytes: analysis.bytes,
            duration_s: rounded(analysis.duration.map(|duration| duration.as_secs_f64())),
            throughput_bps: rounded(analysis.throughput_bps),
            latency_min_ms: rounded(latency.min().map(ms)),
            latency_mean_ms: rounded(latency.mean().map(ms)),
            latency_p50_ms: percentile(50.0),
            latency_p95_ms: percentile(95.0),
            latency_p99_ms: percentile(99.0),
            latency_max_ms: rounded(latency.max().map(ms)),
            jitter_ms: rounded(analysis.jitter.mean_ms),
            jitter_rfc3550_ms: rounded(analysis.jitter.rfc3550.map(|jitter| jitter.last_ms)),
            r_factor: rounded(grades.voice.map(|voice| voice.r_factor)),
            mos: rounded(grades.voice.map(|voice| voice.mos)),
            tiphon_index: rounded(grades.tiphon.mean),
            detail: Detail { made: Made::of(measurement), ..Detail::of(analysis, grades) },
        }
    }
}

pub(super) fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * DECIMALS).round() / DECIMALS)
}

fn milliseconds(at: Timestamp) -> Timestamp {
    at.round(Unit::Millisecond).unwrap_or(at)
}
