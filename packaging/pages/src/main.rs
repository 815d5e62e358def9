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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a flag's help says that it is without the flag, where that is a value and not a sentence.
    fn default_of(flag: &clap::Arg) -> Option<String> {
        let help = flag.get_help()?.to_string();
        let (_, default) = help.strip_suffix(']')?.split_once("[default: ")?;
        (!default.contains(' ')).then(|| default.to_owned())
    }

    #[test]
    fn flags_have_the_defaults_of_the_sample() {
        for Program { name, command, sample, .. } in programs() {
            let Some(sample) = sample else { continue };
            let mut compared = 0;
            for flag in command.get_arguments() {
                let (Some(long), Some(default)) = (flag.get_long(), default_of(flag)) else {
                    continue;
                };
                // The first dash of a flag stands for a table.
                let key = long.split_once('-').map_or(long, |(_, key)| key);
                let says = [
                    format!("\n#{key} = {default}\n"),
                    format!("\n#{key} = \"{default}\"\n"),
                    format!("\n#{key} = [\"{default}\"]\n"),
                ];
                assert!(
                    says.iter().any(|line| sample.contains(line)),
                    "{name} --{long}: {default}"
                );
                compared += 1;
            }
            assert!(compared >= 4, "{name}: {compared} flags say their default");
        }
    }
}
