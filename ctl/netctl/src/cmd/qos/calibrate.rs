//! `netctl qos calibrate`: what this machine measures when no network is in between.

use anyhow::Context;
use selat_qos::grade::Profile;
use selat_qos::report::{Condition, Measurement};
use selat_qos::session::{Calibration, Cancel, calibrate, floor};
use tokio::task;

use super::files::Files;
use super::floor::Floor;
use super::live::{Show, Subject, Watch};
use super::pattern::Timing;
use super::report::Results;
use super::threshold::Thresholds;
use crate::console::Console;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos calibrate                    the floor under all that this machine measures
  netctl qos calibrate --pace precise     how well deadlines can be kept
  netctl qos udp --calibrate              the same, beside a measurement

The floor is kept, and told beside the figures of later tests that are made alike on this machine,
for 30 days. Latency, jitter and lateness that are no larger than here are this machine's, not the path's.";

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
    let measurement = measure(calibration, &Cancel::default(), output.console).await?;
    let Calibration { pace, stamps, .. } = calibration;
    let kept = floor(&measurement.total()).map(|floor| args.floor.keep(&floor, pace, stamps));
    if let Some(path) = kept.transpose()?.flatten() {
        output.console.note(&format!("kept the floor in {}", path.display()));
    }
    let results = Results::of(vec![measurement], Profile::default());
    results.conclude(&args.files, &args.thresholds, output)
}

/// The floor as a condition of another measurement; none if nothing came back.
pub(super) async fn condition(
    calibration: Calibration,
    cancel: &Cancel,
    console: &Console<'_>,
) -> anyhow::Result<Option<Condition>> {
    Ok(floor(&measure(calibration, cancel, console).await?.total()))
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
