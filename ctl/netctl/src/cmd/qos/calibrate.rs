//! `netctl qos calibrate`: what this machine measures when no network is in between.

use anyhow::Context;
use selat_qos::analysis::Analysis;
use selat_qos::grade::{Grades, Language};
use selat_qos::report::{Condition, Measurement};
use selat_qos::session::{Calibration, Cancel, calibrate, floor};
use tokio::task;

use super::files::Files;
use super::floor::Floor;
use super::live::{Show, Subject, Watch};
use super::pattern::Timing;
use super::report::{Results, measures};
use super::threshold::{Thresholds, Unmet};
use crate::console::Console;
use crate::exit::Exit;
use crate::output::{Output, Page};

const EXAMPLES: &str = "\
Examples:
  netctl qos calibrate                    the floor under all measurements
  netctl qos calibrate --pace precise     how well deadlines can be kept
  netctl qos udp --calibrate              the same, beside a measurement

The floor of a whole run that this machine kept up with is kept, and told beside the figures of later tests that are made alike on this \
    machine, for 30 days. Latency, jitter and lateness that are no larger than here are this \
    machine's, not the path's.";

/// Measure this machine: the floor under all other figures
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// UDP payload of a probe, bytes
    #[arg(long, value_name = "BYTES", default_value = "172")]
    size: usize,
    #[command(flatten)]
    timing: Timing,
    #[command(flatten)]
    floor: Floor,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    thresholds: Thresholds,
}

pub(super) async fn run(args: &Args, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    args.files.check()?;
    let calibration =
        Calibration { size: args.size, pace: args.timing.pace(), stamps: args.timing.stamps() };
    let cancel = Cancel::default();
    let measurement = measure(calibration, &cancel, output.console).await?;
    let total = measurement.total();
    if let Some(floor) = floor(&total) {
        let kept = match doubt(&total, cancel.is_cancelled()) {
            Some(doubt) => Some(format!("did not keep the floor: {doubt}; measure again")),
            None => {
                let kept = args.floor.keep(&floor, calibration.pace, calibration.stamps)?;
                kept.map(|path| format!("kept the floor in {}", path.display()))
            }
        };
        kept.into_iter().for_each(|kept| output.console.note(&kept));
    }
    let results = Results::floor(measurement);
    results.conclude(&args.files, &args.thresholds, output)
}

/// Why a floor must not be told for the next 30 days.
fn doubt(total: &Analysis, is_cancelled: bool) -> Option<String> {
    if is_cancelled {
        return Some("the run was ended early".to_owned());
    }
    let late = total.pacing.as_ref()?.fell_behind()?;
    Some(format!(
        "this machine was busy, {:.1} % of the probes left when the next was due",
        late * 100.0
    ))
}

/// The figures that are this machine's: of loopback, nothing is graded.
pub(super) fn figures(measurement: &Measurement, page: &mut Page) {
    let total = measurement.total();
    page.grid(&measures(measurement, &total, &Grades::default(), Language::default()));
    page.gap();
    if let Some(floor) = floor(&total) {
        page.paragraph(&format!("The {}: {}.", floor.name, floor.value));
    }
}

/// The floor as a condition of another measurement; none if nothing came back.
pub(super) async fn condition(
    calibration: Calibration,
    cancel: &Cancel,
    console: &Console<'_>,
) -> anyhow::Result<Option<Condition>> {
    let total = measure(calibration, cancel, console).await?.total();
    if cancel.is_cancelled() {
        return Err(Unmet::Interrupted.into());
    }
    Ok(floor(&total))
}

async fn measure(
    calibration: Calibration,
    cancel: &Cancel,
    console: &Console<'_>,
) -> anyhow::Result<Measurement> {
    let subject = Subject {
        title: "UDP to this machine itself".to_owned(),
        nouns: ("probe", "probes"),
        crowd: ("client", "clients"),
        lasts: Calibration::LASTS,
    };
    let watch = Watch::begin(Show::default(), subject, console.look)?;
    let blocking = task::spawn_blocking({
        let (progress, cancel) = (watch.progress(), cancel.clone());
        move || calibrate(calibration, &progress, &cancel)
    });
    let measured = watch.until(blocking, cancel).await?;
    Ok(measured.context("the calibration broke off")??)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use selat_qos::sample::Sample;

    use super::*;

    #[test]
    fn a_floor_is_kept_only_of_a_whole_run_on_a_machine_that_kept_up() {
        let run = |late: Duration| {
            let sample = |seq: u32| {
                let due_at = Duration::from_millis(5) * seq;
                Sample::sent(seq, due_at, due_at + late)
            };
            Analysis::of(&(0..200).map(sample).collect::<Vec<_>>())
        };
        let good = run(Duration::from_micros(50));
        assert_eq!(doubt(&good, false), None);
        assert_eq!(doubt(&good, true).unwrap(), "the run was ended early");
        let busy = doubt(&run(Duration::from_millis(7)), false).unwrap();
        assert!(busy.contains("99.5 % of the probes"), "{busy}");
    }
}
