//! `netctl man`: a manual page for netctl and one for each of its commands.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::cli;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  netctl man /usr/share/man/man1
  netctl man . && man ./netctl-fetch.1";

/// Write the manual pages of netctl and all its commands
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Directory to write to; made if it is missing
    directory: PathBuf,
}

pub(crate) fn run(args: &Args, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let directory = &args.directory;
    let failed = || format!("cannot write manual pages to {}", directory.display());
    fs::create_dir_all(directory).with_context(failed)?;
    clap_mangen::generate_to(cli::command(), directory).with_context(failed)?;
    console.print(&format!("wrote the manual pages to {}\n", directory.display()))?;
    Ok(Exit::Success)
}
