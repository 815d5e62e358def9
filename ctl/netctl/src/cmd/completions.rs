//! `netctl completions`: what a shell needs to complete our command line.

use clap_complete::Shell;

use crate::cli;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  netctl completions bash > /usr/share/bash-completion/completions/netctl
  netctl completions zsh > \"${fpath[1]}/_netctl\"
  source <(netctl completions bash)          for this shell only";

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "netctl", &mut script);
    console.out.write_all(&script)?;
    Ok(Exit::Success)
}
