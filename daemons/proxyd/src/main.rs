//! Starts proxyd: reads the command line, and leaves the rest to the library.

use std::process::ExitCode;

use clap::Parser;
use proxyd::cli::Arguments;
use selat_proto::socket::Daemon;
use selat_runtime::process;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let check_only = arguments.check;
    process::run(Daemon::Proxyd, arguments.sources(), check_only, proxyd::run)
}
