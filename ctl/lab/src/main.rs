//! `cargo lab`: the whole of Selat on loopback in one process, and a tour of it.
//!
//! 1. `system` starts websrvd and, in front of it, proxyd.
//! 2. `tour` runs netctl's commands on them, and checks what each of them did.
//! 3. Both stay up until Ctrl-C, unless `--once` is given, and drain; a second Ctrl-C cuts that short.

mod daemon;
mod interrupt;
mod netctl;
mod results;
mod say;
mod system;
mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use selat_runtime::log::LogControl;
use selat_runtime::workers;
use tokio_util::sync::CancellationToken;

use self::system::{Ports, System};

/// Start websrvd and proxyd on loopback, see what they do, and keep them up until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version)]
struct Args {
    /// End after the tour: with 0 if each step did what it should, else with 1
    #[arg(long)]
    once: bool,
    /// Let the system choose the ports, instead of 8000, 9000, 8080 and 9090
    #[arg(long)]
    free_ports: bool,
    /// Directory to serve
    #[arg(long, value_name = "DIR")]
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../www"), hide_default_value = true)]
    root: PathBuf,
}

fn main() -> ExitCode {
    run(&Args::parse()).unwrap_or_else(|error| {
        say::problem(&error);
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let log = LogControl::begin("warn")?;
    let interrupt = interrupt::watch()?;
    let interrupted = &interrupt.end;
    let ports = if args.free_ports { Ports::FREE } else { Ports::USUAL };
    let system = System::start(&args.root, &ports, &log, &interrupt.at_once)?;
    let toured = tour::run(&system, interrupted).and_then(|()| say::results());
    if let Err(error) = &toured {
        say::problem(error);
    }
    let stayed =
        if args.once || interrupted.is_cancelled() { Ok(()) } else { stay(&system, interrupted) };
    system.stop()?;
    stayed?;
    Ok(if toured.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what there is, and waits for Ctrl-C.
fn stay(system: &System, interrupted: &CancellationToken) -> anyhow::Result<()> {
    say::what_next(system)?;
    say::line("\nBoth daemons stay up until Ctrl-C.")?;
    Ok(workers::control_plane(interrupted.cancelled())?)
}
