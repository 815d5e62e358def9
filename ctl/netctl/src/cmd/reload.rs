//! `netctl reload`: the configuration on disk, all of it or nothing.

use selat_proto::socket::Daemon;
use selat_proto::v1::{ReloadRequest, ReloadResponse};
use serde_json::Value;

use super::each::Each;
use crate::cli::{Global, Which};
use crate::client::ControlError;
use crate::exit::Exit;
use crate::output::{Cell, Grid, Output, Page, Records, Report, Tone};

const EXAMPLES: &str = "\
Examples:
  netctl reload                  both daemons
  netctl reload proxyd           one
  netctl reload --check          only say what a reload would do

A configuration with errors is refused with every one of them, and the old one runs on.";

/// Make the daemons read their configuration anew
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Check the configuration on disk and change nothing
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let check_only = args.check;
    let each = Each::ask(args.which, async |daemon| reload(daemon, check_only, global).await);
    let reloads = Reloads { check_only, each: each.await };
    output.show(&reloads)?;
    Ok(reloads.each.conclude(output.console))
}

async fn reload(
    daemon: Daemon,
    check_only: bool,
    global: &Global,
) -> Result<ReloadResponse, ControlError> {
    let control = global.connect(daemon).await?;
    control.answer(control.daemon().reload(ReloadRequest { check_only })).await
}

struct Reloads {
    check_only: bool,
    each: Each<ReloadResponse>,
}

impl Report for Reloads {
    fn page(&self, page: &mut Page) {
        let mut facts = Grid::facts();
        for (daemon, reloaded) in self.each.answers() {
            facts.row([Cell::toned(daemon.name(), Tone::Strong), self.outcome(reloaded)]);
            for change in &reloaded.changes {
                facts.fact("", change);
            }
        }
        if !facts.is_empty() {
            page.grid(&facts);
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        self.each.to_object()
    }

    fn records(&self) -> anyhow::Result<Records> {
        self.each.to_records()
    }
}

impl Reloads {
    fn outcome(&self, reloaded: &ReloadResponse) -> Cell {
        let generation = reloaded.config_generation;
        let text = match (self.check_only, reloaded.changes.is_empty()) {
            (true, true) => "the configuration on disk is good and changes nothing".to_owned(),
            (true, false) => {
                "the configuration on disk is good; a reload would do this:".to_owned()
            }
            (false, true) => format!("nothing changed; generation {generation} is in force"),
            (false, false) => format!("generation {generation} is in force:"),
        };
        Cell::toned(text, Tone::Good)
    }
}
