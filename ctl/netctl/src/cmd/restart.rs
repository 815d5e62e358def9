//! `netctl restart`: asks the service manager, and waits for who comes after.

mod systemd;

use std::time::Duration;

use selat_proto::socket::Daemon;
use tokio::time::Instant;

pub(crate) use self::systemd::UnitError;
use self::systemd::{Unit, Waiting};
use super::succession::{Instance, Succession, Successions};
use crate::cli::{Global, Which};
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl restart --wait          both daemons, one after the other
  netctl restart proxyd --wait   one, and return once the new instance answers
  netctl restart proxyd --unit edge-proxy.service

A restart drains: what is in flight is finished first, and clients that come meanwhile wait in the
sockets that systemd holds. Where they should not have to wait, netctl upgrade starts the new process
before the old one drains.";

/// Time for a new instance to answer: its predecessor drains first, up to TimeoutStopSec= of the shipped units.
const PATIENCE: Duration = Duration::from_secs(90);

/// Restart daemons by their service manager
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Return once the new instance answers; fail where none does within --timeout (90s)
    #[arg(long)]
    wait: bool,
    /// The daemon's unit [default: its name]
    #[arg(long, value_name = "UNIT", requires = "daemon")]
    unit: Option<String>,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let mut restarts = Vec::new();
    for daemon in args.which.daemons() {
        restarts.push(restart(daemon, args, global).await?);
    }
    output.show(&Successions(restarts))?;
    Ok(Exit::Success)
}

async fn restart(daemon: Daemon, args: &Args, global: &Global) -> anyhow::Result<Succession> {
    if global.is_elsewhere(daemon) {
        return Err(UnitError::Elsewhere { daemon }.into());
    }
    let previous = Instance::of(daemon, global).await?;
    let unit = args.unit.clone().unwrap_or_else(|| format!("{daemon}.service"));
    let unit = Unit::of(unit, daemon, previous.pid).await?;
    let begun = Instant::now();
    unit.restart(if args.wait { Waiting::ForReady } else { Waiting::ForNothing }).await?;
    let next = if args.wait {
        let limit = global.timeout.unwrap_or(PATIENCE);
        let next = previous.successor(daemon, global, limit).await;
        Some(next.map_err(|seen| match seen {
            Some(error) => anyhow::Error::from(error),
            None => UnitError::Unchanged { daemon, pid: previous.pid, limit }.into(),
        })?)
    } else {
        None
    };
    Ok(Succession { daemon, previous, next, took: begun.elapsed() })
}
