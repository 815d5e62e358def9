//! Writes the manual pages and shell completions that the packages have, from what the programs themselves go by:
//! the command lines that `--help` shows, and the sample configurations.
//!
//! `selat-pages DIR` leaves each package's files in `DIR/PACKAGE/{man,bash,zsh,fish}`.

mod completions;
mod manual;
mod settings;

use std::{env, path::PathBuf};

use anyhow::Context;

/// A program, and what is said of it.
struct Program {
    name: &'static str,
    /// Its command line.
    command: clap::Command,
    /// Section of the manual that it belongs to.
    section: &'static str,
    /// Its sample configuration.
    sample: Option<&'static str>,
}

fn programs() -> [Program; 3] {
    [
        Program {
            name: "websrvd",
            command: websrvd::cli::command(),
            section: "8",
            sample: Some(include_str!("../../websrvd.toml")),
        },
        Program {
            name: "proxyd",
            command: proxyd::cli::command(),
            section: "8",
            sample: Some(include_str!("../../proxyd.toml")),
        },
        Program { name: "netctl", command: netctl::command(), section: "1", sample: None },
    ]
}

fn main() -> anyhow::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.context("usage: selat-pages DIRECTORY")?;
    for program in programs() {
        let own = directory.join(program.name);
        manual::write(&program, &own.join("man"))?;
        completions::write(&program, &own)?;
    }
    Ok(())
}
