//! `netctl qos report`: the figures of samples that were kept, again.

use std::path::PathBuf;

use selat_qos::grade::Profile;
use selat_qos::report::read_raw;

use super::report::{Files, Results, bandwidth};
use super::threshold::Thresholds;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos udp --raw monday.json
  netctl qos report monday.json tuesday.json --report both.html";

/// Show and write what was measured earlier, from files of --raw
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files that --raw wrote
    #[arg(value_name = "RAW", required = true)]
    kept: Vec<PathBuf>,
    /// Nominal bandwidth of the path, such as 10M bit/s, to grade the throughput against
    #[arg(long, value_name = "BIT_PER_S", value_parser = bandwidth)]
    bandwidth: Option<f64>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    thresholds: Thresholds,
}

pub(super) fn run(args: &Args, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    args.files.check()?;
    let mut measurements = Vec::new();
    for path in &args.kept {
        measurements.extend(read_raw(path)?);
    }
    let profile = Profile { bandwidth_bps: args.bandwidth, ..Profile::default() };
    Results::of(measurements, profile).conclude(&args.files, &args.thresholds, output)
}
