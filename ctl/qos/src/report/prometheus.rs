//! The totals of the last runs as a text file that Prometheus' node_exporter collects: the text format 0.0.4,
//! names in base units. What was not measured is left out, with its whole family where no run measured it.

mod families;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use self::families::{FAMILIES, Family, Kind, Value};
use super::{Row, TOTAL_CLIENT};

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
    FAMILIES.iter().flat_map(|list| list.iter()).fold(String::new(), |mut text, family| {
        write_family(&mut text, family, &last);
        text
    })
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

fn write_family(text: &mut String, family: &Family, rows: &[&Row]) {
    let Family { name, kind, help, values } = family;
    let kind = match kind {
        Kind::Gauge => "gauge",
        Kind::Summary => "summary",
    };
    let mut head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for row in rows {
        for Value { suffix, labels, value } in values(row) {
            let Some(value) = value else { continue };
            text.push_str(&std::mem::take(&mut head));
            let (test, target) = (row.test, escaped(&row.target));
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}{suffix}{{test=\"{test}\",target=\"{target}\"");
            for (label, value) in labels {
                let _ = write!(text, ",{label}=\"{}\"", escaped(&value));
            }
            let _ = writeln!(text, "}} {value}");
        }
    }
}

/// A label's value as the text format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
