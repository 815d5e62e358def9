//! `netctl qos report`: the figures of samples that were kept, again.

use std::path::PathBuf;

use anyhow::ensure;
use selat_qos::grade::Profile;
use selat_qos::report::read_raw;

use super::report::{Ending, Results};
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos udp --raw monday.json
  netctl qos report monday.json tuesday.json --report both.html
  netctl qos report monday.json --profile L-A,J-B --language id

What the files were graded by is kept in them; options here take its place.";

/// Show and write what was measured earlier, from files of --raw
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files that --raw wrote
    #[arg(value_name = "RAW", required = true)]
    kept: Vec<PathBuf>,
    #[command(flatten)]
    ending: Ending,
}

pub(super) fn run(args: &Args, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    args.ending.files.check()?;
    let mut measurements = Vec::new();
    let mut profiles: Vec<Profile> = Vec::new();
    for path in &args.kept {
        let kept = read_raw(path)?;
        measurements.extend(kept.measurements);
        profiles.push(args.ending.grading.over(kept.profile.unwrap_or_default()));
    }
    let profile = profiles.first().cloned().unwrap_or_default();
    ensure!(
        profiles.iter().all(|other| *other == profile),
        "the files were graded by different codecs, tables, bandwidths or languages: show them one \
         by one, or name --profile, --bandwidth and --language for all"
    );
    let Ending { files, thresholds, .. } = &args.ending;
    Results::kept(measurements, profile).conclude(files, thresholds, output)
}
