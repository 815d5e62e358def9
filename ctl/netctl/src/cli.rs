//! The command line: what can be said, and what everything means when it is not said.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use selat_proto::socket::Daemon;

use crate::client::{Control, ControlError, DEADLINE, TlsFiles};
use crate::cmd::{
    cache, completions, drain, events, fetch, log_level, man, menu, qos, reload, restart, sessions,
    status, top, upgrade,
};
use crate::duration;
use crate::output::Format;
use crate::target::Target;

const EXAMPLES: &str = "\
Examples:
  netctl status                             how both daemons fare
  netctl top                                both of them live
  netctl fetch http://127.0.0.1:8080/       a page through the proxy, phase by phase
  netctl cache stats                        what the cache saved so far
  netctl qos udp                            loss, latency and jitter through the relay
  netctl -o json cache ls | jq .entries     the same for programs

Exit codes:
  0 done   1 failed   2 wrong usage   3 unreachable   4 threshold missed   77 not allowed";

/// Control websrvd and proxyd, and measure the service that clients get through them
#[derive(Debug, Parser)]
#[command(name = "netctl", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Control socket of websrvd: a path, unix:PATH or https://HOST:PORT [default: where websrvd
    /// usually puts it]
    #[arg(long, global = true, value_name = "TARGET", env = "NETCTL_WEBSRVD")]
    #[arg(hide_env_values = true)]
    websrvd: Option<Target>,
    /// Control socket of proxyd: a path, unix:PATH or https://HOST:PORT [default: where proxyd
    /// usually puts it]
    #[arg(long, global = true, value_name = "TARGET", env = "NETCTL_PROXYD")]
    #[arg(hide_env_values = true)]
    proxyd: Option<Target>,
    #[command(flatten)]
    tls: TlsFiles,
    /// How to show what comes of it
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
    /// How long to wait, such as 500ms or 2s: for a daemon (5s), for a response (30s), for a
    /// probe beside TCP load (10s), or for the last replies of a UDP test (2s)
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
}

impl Global {
    /// Connects to a daemon.
    pub(crate) async fn connect(&self, daemon: Daemon) -> Result<Control, ControlError> {
        self.connect_for(daemon, DEADLINE).await
    }

    /// Connects to a daemon for calls that may take as long as `limit`.
    pub(crate) async fn connect_for(
        &self,
        daemon: Daemon,
        limit: Duration,
    ) -> Result<Control, ControlError> {
        let limit = self.timeout.unwrap_or(limit);
        Control::connect(daemon, self.target(daemon), &self.tls, limit).await
    }

    /// Whether a daemon is on another machine, as far as its address tells.
    pub(crate) fn is_elsewhere(&self, daemon: Daemon) -> bool {
        matches!(self.target(daemon), Some(Target::Remote(_)))
    }

    fn target(&self, daemon: Daemon) -> Option<&Target> {
        match daemon {
            Daemon::Websrvd => self.websrvd.as_ref(),
            Daemon::Proxyd => self.proxyd.as_ref(),
        }
    }
}

/// A daemon as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DaemonName {
    /// The web server and UDP reflector.
    Websrvd,
    /// The caching proxy and relay.
    Proxyd,
}

/// Which daemons a command is for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Which {
    /// Only this one
    daemon: Option<DaemonName>,
}

impl Which {
    /// The named one, or both.
    pub(crate) fn daemons(self) -> Vec<Daemon> {
        match self.daemon {
            Some(DaemonName::Websrvd) => vec![Daemon::Websrvd],
            Some(DaemonName::Proxyd) => vec![Daemon::Proxyd],
            None => Daemon::ALL.to_vec(),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(status::Args),
    Reload(reload::Args),
    Drain(drain::Args),
    Restart(restart::Args),
    Upgrade(upgrade::Args),
    #[command(subcommand)]
    Cache(cache::Command),
    Sessions(sessions::Args),
    LogLevel(log_level::Args),
    Events(events::Args),
    Top(top::Args),
    Fetch(fetch::Args),
    #[command(subcommand)]
    Qos(Box<qos::Command>),
    Menu(menu::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// The command line as clap knows it, for completions, manual pages and those who check them.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// What is wrong with `args` where the environment says nothing: an explanation shows what was typed and not
/// what was set. `None` where only the environment is wrong.
pub(crate) fn as_typed(args: &[OsString]) -> Option<clap::Error> {
    command().mut_args(|arg| arg.env(Resettable::Reset)).try_get_matches_from(args).err()
}
