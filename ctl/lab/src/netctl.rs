//! netctl's commands, run in this process on this system's control sockets.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use netctl::{Console, Exit};
use selat_proto::socket::Daemon;
use serde_json::Value;

use crate::say;
use crate::system::System;

/// netctl, told where the daemons are.
#[derive(Debug)]
pub(crate) struct Netctl {
    websrvd: PathBuf,
    proxyd: PathBuf,
}

impl Netctl {
    /// For the daemons of `system`.
    pub(crate) fn of(system: &System) -> Self {
        let (websrvd, proxyd) = (system.socket(Daemon::Websrvd), system.socket(Daemon::Proxyd));
        Self { websrvd, proxyd }
    }

    /// Shows a command line, runs it, and shows what it says.
    ///
    /// # Errors
    /// It did not end well; it has said why.
    pub(crate) fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        say::command(arguments)?;
        match netctl::run(self.line(&[], arguments), &mut Console::stdio()) {
            Exit::Success => Ok(()),
            exit => bail!("netctl {} ended with {}", arguments.join(" "), exit.code()),
        }
    }

    /// Runs a command line in silence, for the JSON document that it gives.
    ///
    /// # Errors
    /// It did not end well, or gave something else.
    pub(crate) fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let line = self.line(&["-o", "json"], arguments);
        let exit = netctl::run(line, &mut Console::plain(io::empty(), &mut out, &mut notes));
        ensure!(exit == Exit::Success, "{}", String::from_utf8_lossy(&notes).trim_end());
        let asked = || format!("netctl {} gave no JSON", arguments.join(" "));
        serde_json::from_slice(&out).with_context(asked)
    }

    fn line(&self, options: &[&str], arguments: &[&str]) -> Vec<String> {
        let (websrvd, proxyd) = (self.websrvd.display(), self.proxyd.display());
        let targets = [format!("--websrvd={websrvd}"), format!("--proxyd={proxyd}")];
        let given = options.iter().chain(arguments).map(|&argument| argument.to_owned());
        ["netctl".to_owned()].into_iter().chain(targets).chain(given).collect()
    }
}
