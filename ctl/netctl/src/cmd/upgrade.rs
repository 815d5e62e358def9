//! `netctl upgrade`: a new process of the program takes over in place.

use std::time::Duration;

use selat_proto::socket::Daemon;
use selat_proto::v1::{GetStatusRequest, UpgradeRequest, UpgradeResponse};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::drain::{LONGEST, LOOK_INTERVAL};
use super::each::Each;
use crate::cli::{Global, Which};
use crate::client::{ControlError, Reason};
use crate::exit::Exit;
use crate::output::{Cell, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl upgrade                 both daemons, one after the other
  netctl upgrade proxyd --wait   one, and return once the process before has finished, too

The program's file and configuration are those on disk now; where the new process cannot start with
them, the old one serves on and the reason is told. Connections stay with the old process until they
end; UDP sessions and counters go over at once, and nobody waits. What systemd sets up (limits,
environment, sandbox) stays as it was: for that to change, netctl restart.";

/// Time for a daemon to start its successor and hand over to it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Have a new process of the program take over, without a pause
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Wait until the process before has finished what it had in flight
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let answers = Each::ask(args.which, async |daemon| upgrade(daemon, args.wait, global).await);
    let upgrades = Upgrades(answers.await);
    output.show(&upgrades)?;
    Ok(upgrades.0.conclude(output.console))
}

async fn upgrade(
    daemon: Daemon,
    to_the_end: bool,
    global: &Global,
) -> Result<UpgradeResponse, ControlError> {
    let control = global.connect_for(daemon, PATIENCE).await?;
    let upgraded = control.answer(control.daemon().upgrade(UpgradeRequest {})).await?;
    if to_the_end {
        wait_for_end(daemon, upgraded.previous_pid, global).await?;
    }
    Ok(upgraded)
}

/// Waits until the new process says that the one before has ended.
async fn wait_for_end(daemon: Daemon, previous: u32, global: &Global) -> Result<(), ControlError> {
    let begun = Instant::now();
    loop {
        let control = global.connect(daemon).await?;
        let status = control.answer(control.daemon().get_status(GetStatusRequest {})).await?;
        if ![status.pid, status.predecessor_pid].contains(&previous) {
            return Ok(());
        }
        if begun.elapsed() > LONGEST {
            return Err(control.failed(Reason::Slow { deadline: LONGEST }));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

struct Upgrades(Each<UpgradeResponse>);

impl Report for Upgrades {
    fn page(&self, page: &mut Page) {
        self.0.lines(page, |_, upgraded| {
            let UpgradeResponse { previous_pid, previous_version, pid, version, sessions } =
                upgraded;
            let sessions = unit::plural(*sessions, "UDP session", "UDP sessions");
            let text = format!(
                "{previous_version} (pid {previous_pid}) → {version} (pid {pid}), with {sessions}"
            );
            Cell::toned(text, Tone::Good)
        });
    }

    fn json(&self) -> anyhow::Result<Value> {
        self.0.to_object()
    }

    fn records(&self) -> anyhow::Result<Records> {
        self.0.to_records()
    }
}
