//! `netctl drain`: no new connections, and those that are open to their end.

use std::time::Duration;

use selat_proto::socket::Daemon;
use selat_proto::v1::{DaemonState, DrainRequest, GetStatusRequest, GetStatusResponse};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::each::Each;
use crate::cli::{Global, Which};
use crate::client::{Control, ControlError, Reason};
use crate::console::Console;
use crate::exit::Exit;
use crate::output::{Cell, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl drain proxyd            no new connections from now on
  netctl drain proxyd --wait     and return once nothing is in flight any more

A daemon that was drained runs on, for netctl status, and serves nothing. What brings it back is
systemctl restart proxyd, or netctl restart proxyd. Sockets that belong to systemd stay open: clients
wait there for its return. To have them refused, systemctl stop 'proxyd-*.socket' first.";

/// Time between two looks at a daemon that drains.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two notes on how it comes along.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// Longest that a drain can be set to take: a day each for timeouts.linger and timeouts.drain.
pub(super) const LONGEST: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// Time that a daemon may take beyond its deadline.
const GRACE: Duration = Duration::from_secs(10);

/// Have daemons stop accepting and finish what is in flight
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Wait until nothing is in flight any more
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let mut draining = Vec::new();
    for daemon in args.which.daemons() {
        draining.push((daemon, begin(daemon, global).await));
    }
    let mut answers = Vec::new();
    for (daemon, begun) in draining {
        let status = match begun {
            Ok(drain) => drain.follow(args.wait, output.console).await,
            Err(error) => Err(error),
        };
        answers.push((daemon, status));
    }
    let drains = Drains(Each(answers));
    output.show(&drains)?;
    Ok(drains.0.conclude(output.console))
}

/// A drain that has begun.
struct Drain {
    daemon: Daemon,
    control: Control,
    /// How long it may take.
    limit: Duration,
}

async fn begin(daemon: Daemon, global: &Global) -> Result<Drain, ControlError> {
    let control = global.connect(daemon).await?;
    let status = look(&control).await?;
    let limit = match status.state() {
        // Whoever began it set its deadline.
        DaemonState::Draining | DaemonState::Drained => None,
        _ => control.answer(control.daemon().drain(DrainRequest {})).await?.deadline,
    };
    let limit = limit.and_then(|limit| Duration::try_from(limit).ok()).unwrap_or(LONGEST);
    Ok(Drain { daemon, control, limit })
}

impl Drain {
    /// How it stands: now, or when it is over.
    async fn follow(
        self,
        to_its_end: bool,
        console: &mut Console<'_>,
    ) -> Result<GetStatusResponse, ControlError> {
        let begun = Instant::now();
        let mut noted = begun;
        loop {
            let status = look(&self.control).await?;
            if !to_its_end || status.state() == DaemonState::Drained {
                return Ok(status);
            }
            let limit = self.limit + GRACE;
            if begun.elapsed() > limit {
                return Err(self.control.failed(Reason::Slow { deadline: limit }));
            }
            if noted.elapsed() >= NOTE_INTERVAL {
                noted = Instant::now();
                console.note(&format!("{}: {}", self.daemon, left(&status)));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

async fn look(control: &Control) -> Result<GetStatusResponse, ControlError> {
    control.answer(control.daemon().get_status(GetStatusRequest {})).await
}

fn left(status: &GetStatusResponse) -> String {
    let open = unit::plural(status.connections_active, "HTTP connection", "HTTP connections");
    format!("draining, {open} left")
}

struct Drains(Each<GetStatusResponse>);

impl Report for Drains {
    fn page(&self, page: &mut Page) {
        self.0.lines(page, |daemon, status| match status.state() {
            DaemonState::Drained => {
                let back = format!("netctl restart {daemon} brings it back");
                Cell::toned(format!("drained; {back}"), Tone::Good)
            }
            _ => Cell::toned(left(status), Tone::Warning),
        });
    }

    fn json(&self) -> anyhow::Result<Value> {
        self.0.to_object()
    }

    fn records(&self) -> anyhow::Result<Records> {
        self.0.to_records()
    }
}
