//! The daemon's process: flags in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use selat_proto::socket::Daemon;
use selat_runtime::process;
use websrvd::cli::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let check_only = arguments.check;
    process::run(Daemon::Websrvd, arguments.sources(), check_only, websrvd::run)
}
