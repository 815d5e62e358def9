//! Controls websrvd and proxyd over gRPC, and measures the service that clients get through them.
//!
//! 1. `cli` reads the command line; a bad one ends here.
//! 2. `cmd` has one file for each noun: its arguments, its calls, its report.
//! 3. `client` talks to the daemons, `http` to web servers, `selat_qos` to UDP reflectors.
//! 4. `output` shows a report as a table, JSON or CSV; nothing else prints. `screen` shows what goes on
//!    meanwhile, where that is asked.
//!
//! Never changes anything but through the daemons' own calls.

mod cli;
mod client;
mod cmd;
mod console;
mod duration;
mod exit;
mod http;
mod output;
mod screen;
mod target;
mod words;

use std::ffi::OsString;

use clap::Parser;

use self::cli::Cli;
pub use self::cli::command;
pub use self::console::Console;
pub use self::exit::Exit;

/// Runs one command line, program name included, and says how it ended.
///
/// Reports go to the console's output, everything else (errors, progress) to its notes. Blocks
/// until the command is over; makes a runtime of its own, so it must not be called from a task of
/// another one.
pub fn run<I>(args: I, console: &mut Console<'_>) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    console.command_line = words::line(args.iter().map(|word| word.to_string_lossy()));
    match Cli::try_parse_from(&args) {
        Ok(cli) => finish(cmd::execute(cli, console), console),
        Err(refused) => explain(&cli::as_typed(&args).unwrap_or(refused), console),
    }
}

fn finish(result: anyhow::Result<Exit>, console: &mut Console<'_>) -> Exit {
    let result = result.and_then(|exit| {
        console.out.flush()?;
        Ok(exit)
    });
    result.unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit != Exit::Success {
            console.complain(&error);
        }
        exit
    })
}

/// Help and version are asked for and go to the output; the rest is a usage error.
fn explain(refused: &clap::Error, console: &mut Console<'_>) -> Exit {
    let rendered = refused.render();
    let text = if console.look.colour { rendered.ansi().to_string() } else { rendered.to_string() };
    if refused.use_stderr() {
        console.note(text.trim_end());
        return Exit::Usage;
    }
    finish(console.print(&text).map(|()| Exit::Success), console)
}
