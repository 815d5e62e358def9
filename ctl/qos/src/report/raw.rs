//! Every sample of a measurement in a file, to be read again: one JSON document, a sample an array.

mod bounds;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::iter::successors;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::grade::Profile;
use crate::sample::{Reflection, Sample};
use crate::session::PROBES_MAX;

/// Version of the document: raised when a reader of before could not read it.
const SCHEMA: u32 = 1;
/// Largest file that is read, bytes: twice what the most samples of a run take.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Longest time that a file may speak of: ten years, far from where sums overflow.
const TIME_MAX_NS: u64 = 10 * 366 * 24 * 3_600 * 1_000_000_000;
/// Most payload that one sample may have, bytes.
const BYTES_MAX: u64 = 1 << 40;

/// Why samples were not kept, or not read.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The file could not be opened, read or written.
    #[error("{operation} {path} failed")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no document of samples, or of a version that is not known.
    #[error("{path} holds no samples that `--raw` wrote")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The document says what no run can have measured.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    profile: &'a Profile,
    measurements: &'a [Measurement],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    profile: Option<Profile>,
    measurements: Vec<Measurement>,
}

/// What a file of samples holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What the grades presumed when it was written; `None` in files of older versions.
    pub profile: Option<Profile>,
    /// The measurements, in order.
    pub measurements: Vec<Measurement>,
}

/// A sample as it is kept: times in nanoseconds.
#[derive(Serialize, Deserialize)]
pub(crate) struct RawSample(
    u32,
    u64,
    u64,
    Option<u64>,
    Option<u64>,
    u64,
    u32,
    Option<(Option<u32>, u32, i64, i64)>,
);

/// Keeps every sample of `measurements` in the file `path`, which is made or overwritten, and the
/// `profile` that they are graded under.
///
/// # Errors
/// The file cannot be written; what is in it then is not whole and is refused by [`read_raw`].
pub fn write_raw(
    path: &Path,
    measurements: &[Measurement],
    profile: &Profile,
) -> Result<(), RawError> {
    let io = |source| RawError::Io { operation: "writing", path: path.to_path_buf(), source };
    let mut file = BufWriter::new(File::create(path).map_err(io)?);
    let document = Written { schema: SCHEMA, profile, measurements };
    serde_json::to_writer(&mut file, &document).map_err(|error| io(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(io)
}

/// What [`write_raw`] kept in `path`.
///
/// # Errors
/// The file cannot be read, is too large, or holds something else.
pub fn read_raw(path: &Path) -> Result<Kept, RawError> {
    let io = |source| RawError::Io { operation: "reading", path: path.to_path_buf(), source };
    let content = |problem| RawError::Content { path: path.to_path_buf(), problem };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(content("larger than any file of samples"));
    }
    let reader = BufReader::new(file).take(FILE_BYTES_MAX);
    let document: Document = serde_json::from_reader(reader)
        .map_err(|source| RawError::Format { path: path.to_path_buf(), source })?;
    if document.schema != SCHEMA {
        return Err(content("of a version that this program does not know"));
    }
    check(&document.measurements).map_err(content)?;
    Ok(Kept { profile: document.profile, measurements: document.measurements })
}

fn check(measurements: &[Measurement]) -> Result<(), &'static str> {
    let ways =
        |measurement| successors(Some(measurement), |it: &&Measurement| it.straight.as_deref());
    for measurement in measurements.iter().flat_map(ways) {
        let series = || measurement.clients.iter().map(|series| &series.samples);
        if series().map(|samples| samples.len() as u64).sum::<u64>() > PROBES_MAX {
            return Err("more samples than a run can have");
        }
        let is_ordered = |samples: &Vec<Sample>| samples.is_sorted_by(|a, b| a.seq < b.seq);
        if !series().all(is_ordered) {
            return Err("samples that are not in the order of their numbers");
        }
        let is_flow_possible = measurement.flow.as_ref().is_none_or(bounds::is_possible);
        if !series().flatten().all(is_possible) || !is_flow_possible {
            return Err("a time or a size that no run can have");
        }
    }
    Ok(())
}

fn is_possible(sample: &Sample) -> bool {
    let times = [Some(sample.due_at), Some(sample.sent_at), sample.received_at, sample.residence];
    times.into_iter().all(bounds::is_time) && sample.bytes <= BYTES_MAX
}

impl From<Sample> for RawSample {
    fn from(sample: Sample) -> Self {
        let reflection =
            sample.reflection.map(|it| (it.number, it.copies, it.received_ns, it.sent_ns));
        Self(
            sample.seq,
            nanos(sample.due_at),
            nanos(sample.sent_at),
            sample.received_at.map(nanos),
            sample.residence.map(nanos),
            sample.bytes,
            sample.duplicates,
            reflection,
        )
    }
}

impl From<RawSample> for Sample {
    fn from(raw: RawSample) -> Self {
        let RawSample(seq, due, sent, received, residence, bytes, duplicates, reflection) = raw;
        let reflection = reflection.map(|(number, copies, received_ns, sent_ns)| Reflection {
            number,
            copies,
            received_ns,
            sent_ns,
        });
        Self {
            seq,
            due_at: Duration::from_nanos(due),
            sent_at: Duration::from_nanos(sent),
            received_at: received.map(Duration::from_nanos),
            residence: residence.map(Duration::from_nanos),
            reflection,
            bytes,
            duplicates,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
