//! How a daemon ends: its exit codes, and what it says last.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use crate::{config::ConfigErrors, log};

/// The daemon failed, at start or later.
pub const FAILED: u8 = 1;
/// The configuration is refused (`EX_CONFIG` of sysexits.h).
pub const BAD_CONFIG: u8 = 78;

/// Prints every error of a configuration and gives the code for it.
#[must_use]
pub fn bad_config(errors: &ConfigErrors) -> ExitCode {
    print(&errors.to_string());
    ExitCode::from(BAD_CONFIG)
}

/// Prints an error with its causes and gives the code for it.
#[must_use]
pub fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    print(&chain(error));
    ExitCode::from(FAILED)
}

/// An error with its causes, separated by colons.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn print(text: &str) {
    // Where the journal takes what comes on stderr, this is how it is told an error (sd-daemon(3)).
    let priority = if log::is_journal() { "<3>" } else { "" };
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        // Where stderr is closed, nobody can be told.
        let _ = writeln!(stderr, "{priority}{line}");
    }
}
