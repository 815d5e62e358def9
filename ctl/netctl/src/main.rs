//! The `netctl` program: the library on the process's own terminal.

use std::env;
use std::process::ExitCode;

use netctl::Console;

fn main() -> ExitCode {
    netctl::run(env::args_os(), &mut Console::stdio()).into()
}
