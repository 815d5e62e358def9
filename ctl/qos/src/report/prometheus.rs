//! The totals of the last runs as a text file that Prometheus' node_exporter collects.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Row, TOTAL_CLIENT};

/// A metric: name, help, and its values in base units, each with further labels; blank is left out.
type Metric = (&'static str, &'static str, fn(&Row) -> Vec<(&'static str, Option<f64>)>);

const METRICS: [Metric; 14] = [
    ("selat_qos_started_timestamp_seconds", "When the run began, Unix time.", |row| {
        one(Some(row.started_at.as_millisecond() as f64 / 1e3))
    }),
    ("selat_qos_duration_seconds", "First send to last answer or send.", |row| one(row.duration_s)),
    ("selat_qos_sent", "Probes or requests that left.", |row| one(Some(row.sent as f64))),
    ("selat_qos_received", "Those with an answer.", |row| one(Some(row.received as f64))),
    ("selat_qos_lost", "Those without, by the way on which they were lost.", |row| {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match row.detail.lost_up {
            None => vec![("way=\"unknown\"", Some(row.lost as f64))],
            Some(_) => vec![
                ("way=\"up\"", count(row.detail.lost_up)),
                ("way=\"down\"", count(row.detail.lost_down)),
                ("way=\"unknown\"", count(row.detail.lost_unknown)),
            ],
        }
    }),
    ("selat_qos_duplicates", "Answers after the first to the same probe.", |row| {
        one(row.duplicates.map(|count| count as f64))
    }),
    ("selat_qos_reordered", "Answers that were overtaken (RFC 4737).", |row| {
        one(row.reordered.map(|count| count as f64))
    }),
    ("selat_qos_loss_ratio", "Lost / sent.", |row| one(row.loss_pct.map(|pct| pct / 100.0))),
    ("selat_qos_throughput_bits_per_second", "Payload received over the duration.", |row| {
        one(row.throughput_bps)
    }),
    ("selat_qos_latency_seconds", "Round trips by quantile, less known residence.", |row| {
        let quantiles = [
            ("quantile=\"0\"", row.latency_min_ms),
            ("quantile=\"0.5\"", row.latency_p50_ms),
            ("quantile=\"0.95\"", row.latency_p95_ms),
            ("quantile=\"0.99\"", row.latency_p99_ms),
            ("quantile=\"1\"", row.latency_max_ms),
        ];
        quantiles.map(|(quantile, ms)| (quantile, ms.map(seconds))).to_vec()
    }),
    ("selat_qos_one_way_seconds", "Median delay on each way.", |row| {
        vec![
            ("way=\"up\"", row.detail.one_way_up_p50_ms.map(seconds)),
            ("way=\"down\"", row.detail.one_way_down_p50_ms.map(seconds)),
        ]
    }),
    ("selat_qos_jitter_seconds", "Mean step from one latency to the next.", |row| {
        one(row.jitter_ms.map(seconds))
    }),
    ("selat_qos_mos", "Voice score, ITU-T G.107, 1 to 4.5.", |row| one(row.mos)),
    ("selat_qos_tiphon_index", "TIPHON (customary) index, 1 to 4.", |row| one(row.tiphon_index)),
];

/// The file could not be written; an older one is as it was.
#[derive(Debug, thiserror::Error)]
#[error("writing {path} failed")]
pub struct PrometheusError {
    /// The file.
    path: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}

/// The totals among `rows` in the text format of Prometheus; of several runs of one test against
/// one target, the last.
#[must_use]
pub fn prometheus(rows: &[Row]) -> String {
    let totals: Vec<&Row> = rows.iter().filter(|row| row.client == TOTAL_CLIENT).collect();
    let is_last = |index: usize, row: &Row| {
        let is_same = |other: &&Row| other.test == row.test && other.target == row.target;
        !totals[index + 1..].iter().any(is_same)
    };
    let last = totals.iter().enumerate().filter(|(index, row)| is_last(*index, row));
    let last: Vec<&Row> = last.map(|(_, row)| *row).collect();
    let mut text = String::new();
    for (name, help, values) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for row in &last {
            for (label, value) in values(row) {
                write_value(&mut text, name, row, label, value);
            }
        }
    }
    text
}

/// Writes [`prometheus`] to `path` in one step: whoever reads it sees the old file or the new one.
///
/// # Errors
/// The file, or one beside it that takes its place, cannot be written.
pub fn write_prometheus(path: &Path, rows: &[Row]) -> Result<(), PrometheusError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(prometheus(rows).as_bytes()).and(file.sync_data()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| {
        // It may not even have been made.
        let _ = fs::remove_file(&beside);
        PrometheusError { path: path.to_path_buf(), source }
    })
}

fn one(value: Option<f64>) -> Vec<(&'static str, Option<f64>)> {
    vec![("", value)]
}

fn seconds(ms: f64) -> f64 {
    ms / 1e3
}

fn write_value(text: &mut String, name: &str, row: &Row, label: &str, value: Option<f64>) {
    let Some(value) = value else { return };
    let (test, target) = (row.test, escaped(&row.target));
    let label = if label.is_empty() { String::new() } else { format!(",{label}") };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name}{{test=\"{test}\",target=\"{target}\"{label}}} {value}");
}

/// A label's value as the text format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
