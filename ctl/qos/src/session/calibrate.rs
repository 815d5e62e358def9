//! What this machine measures when nothing is between the two ends: the floor under every figure.

use std::time::Duration;

use super::loopback::Loopback;
use super::spec::{Pace, SpecError, UdpSpec};
use super::{Cancel, Progress, SessionError, StampSource, run};
use crate::analysis::{Analysis, Distribution, ms};
use crate::report::{Condition, Measurement};
use crate::schedule::{Schedule, ScheduleError};

/// Probes of a calibration.
const COUNT: u32 = 200;
/// Probes a second of a calibration.
const RATE_PER_S: f64 = 200.0;
/// Wait for the last answer of a calibration.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How a calibration is made: as the run is that it is to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// UDP payload of a probe, bytes.
    pub size: usize,
    /// How deadlines are kept.
    pub pace: Pace,
    /// Where receive times come from.
    pub stamps: StampSource,
}

impl Calibration {
    /// About how long one takes.
    pub const LASTS: Duration = Duration::from_secs(1);
}

/// Why this machine could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// There is no reflector on loopback.
    #[error("no reflector on the loopback device")]
    Reflector(#[source] std::io::Error),
    /// A size that no probe has.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The calibration's own schedule is refused.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// No run could be made.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Measures this machine for about a second, against a reflector of this process; blocks.
///
/// # Errors
/// No socket, no thread, or a size out of bounds.
pub fn calibrate(
    calibration: Calibration,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Measurement, CalibrateError> {
    let reflector = Loopback::start().map_err(CalibrateError::Reflector)?;
    let schedule = Schedule::isochronous(COUNT, RATE_PER_S)?;
    let spec = UdpSpec::new(reflector.addr(), schedule, calibration.size, TIMEOUT)?
        .with_pace(calibration.pace)
        .with_stamps(calibration.stamps);
    let run = run(&spec, progress, cancel)?;
    let measurement = Measurement::udp(&spec, run);
    Ok(Measurement { target: "this machine itself, over loopback".to_owned(), ..measurement })
}

/// The condition that tells of a calibration beside another run's figures; `None` if nothing came
/// back in it.
#[must_use]
pub fn floor(calibrated: &Analysis) -> Option<Condition> {
    let both = |times: &Distribution| {
        let (half, most) = times.percentile(50.0).zip(times.percentile(99.0))?;
        Some(format!("p50 {:.3} ms, p99 {:.3} ms", ms(half), ms(most)))
    };
    let latency = both(&calibrated.latency)?;
    let error = both(&calibrated.pacing.as_ref()?.error)?;
    let floor = format!("round trip {latency}; sent late by {error}");
    Some(Condition::new("floor of this machine", floor))
}
