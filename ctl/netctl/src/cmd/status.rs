//! `netctl status`: who runs, since when, and where it listens.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use selat_proto::socket::Daemon;
use selat_proto::v1::{DaemonState, GetStatusRequest, GetStatusResponse, Listener};
use serde_json::Value;

use super::each::Each;
use crate::cli::{Global, Which};
use crate::client::ControlError;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl status                  both daemons
  netctl status proxyd           one; only this one must be there
  netctl -o json status | jq .proxyd.listeners

Ends with 3 where a daemon that was asked cannot be reached, and shows the other all the same.";

/// Show version, state, listeners and connections of both daemons
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let answers = Each::ask(args.which, async |daemon| ask(daemon, global).await).await;
    let statuses = Statuses(answers);
    output.show(&statuses)?;
    Ok(statuses.0.conclude(output.console))
}

async fn ask(daemon: Daemon, global: &Global) -> Result<GetStatusResponse, ControlError> {
    let control = global.connect(daemon).await?;
    control.answer(control.daemon().get_status(GetStatusRequest {})).await
}

struct Statuses(Each<GetStatusResponse>);

impl Report for Statuses {
    fn page(&self, page: &mut Page) {
        for (daemon, answer) in &self.0.0 {
            page.gap();
            page.grid(&match answer {
                Ok(status) => facts(status),
                Err(_) => absent(*daemon),
            });
            if let Ok(status) = answer {
                page.gap();
                page.grid(&listeners(&status.listeners));
            }
        }
        page.gap();
    }

    fn json(&self) -> anyhow::Result<Value> {
        self.0.to_object()
    }

    fn records(&self) -> anyhow::Result<Records> {
        self.0.to_records()
    }
}

fn absent(daemon: Daemon) -> Grid {
    let mut facts = Grid::facts();
    facts.row([Cell::toned(daemon.name(), Tone::Strong), Cell::toned("unreachable", Tone::Bad)]);
    facts
}

fn facts(status: &GetStatusResponse) -> Grid {
    let mut facts = Grid::facts();
    facts.row([Cell::toned(&status.daemon, Tone::Strong), state(status.state())]);
    facts.fact("version", format!("{} (pid {})", status.version, status.pid));
    if status.predecessor_pid != 0 {
        let text = format!("pid {} finishes what it has in flight", status.predecessor_pid);
        facts.fact("took over", text);
    }
    facts.fact("up", up(status.uptime.as_ref(), status.start_time.as_ref()));
    facts.fact("configuration", configuration(status));
    if !status.config_error.is_empty() {
        facts.fact("refused", Cell::toned(&status.config_error, Tone::Bad));
    }
    facts.fact("connections", connections(status));
    facts.fact("requests", unit::count(status.requests));
    facts.fact("threads", status.threads);
    facts.fact("log", &status.log_filter);
    if status.access_lines > 0 || status.access_lines_dropped > 0 {
        facts.fact("access log", access(status));
    }
    if !status.remote_refused.is_empty() {
        facts.fact("remote refused", Cell::toned(refused(status), Tone::Warning));
    }
    facts
}

fn state(state: DaemonState) -> Cell {
    match state {
        DaemonState::Starting => Cell::toned("starting", Tone::Warning),
        DaemonState::Serving => Cell::toned("serving", Tone::Good),
        DaemonState::Degraded => Cell::toned(
            "degraded: serves, but the configuration on disk was refused",
            Tone::Warning,
        ),
        DaemonState::Draining => {
            Cell::toned("draining: finishes what is in flight, accepts nothing new", Tone::Warning)
        }
        DaemonState::Drained => {
            Cell::toned("drained: serves nothing until it is restarted", Tone::Warning)
        }
        DaemonState::Unspecified => {
            Cell::toned("in a state that this netctl does not know", Tone::Bad)
        }
    }
}

fn up(uptime: Option<&prost_types::Duration>, since: Option<&Timestamp>) -> String {
    format!("{}, since {}", unit::message_span(uptime), unit::time(since))
}

fn configuration(status: &GetStatusResponse) -> String {
    let file = match status.config_file.as_str() {
        "" => "no file",
        file => file,
    };
    format!("{file}, generation {}", status.config_generation)
}

fn access(status: &GetStatusResponse) -> Cell {
    let lines = unit::count(status.access_lines);
    match status.access_lines_dropped {
        0 => Cell::from(format!("{lines} lines written")),
        dropped => {
            let dropped = unit::count(dropped);
            let text =
                format!("{lines} lines written, {dropped} dropped: the disk is slow, or full");
            Cell::toned(text, Tone::Warning)
        }
    }
}

/// How many were turned away from elsewhere, and why.
fn refused(status: &GetStatusResponse) -> String {
    let by_reason: BTreeMap<_, _> = status.remote_refused.iter().collect();
    let each = by_reason.iter().map(|(reason, count)| format!("{} {reason}", unit::count(**count)));
    each.collect::<Vec<_>>().join(", ")
}

fn connections(status: &GetStatusResponse) -> String {
    format!(
        "{} open of at most {}, {} accepted so far",
        unit::count(status.connections_active),
        unit::count(status.connections_max),
        unit::count(status.connections_accepted)
    )
}

fn listeners(listeners: &[Listener]) -> Grid {
    let mut grid = Grid::new(&[
        Column::Left("LISTENER"),
        Column::Left("ADDRESS"),
        Column::Left("UPSTREAM"),
        Column::Left("SOCKET"),
    ]);
    for listener in listeners {
        let upstream = match listener.upstream.as_str() {
            "" => unit::NONE,
            upstream => upstream,
        };
        let socket = if listener.inherited { "inherited" } else { "bound" };
        grid.row([
            Cell::from(&listener.role),
            Cell::from(&listener.address),
            Cell::from(upstream),
            Cell::toned(socket, Tone::Faint),
        ]);
    }
    grid
}
