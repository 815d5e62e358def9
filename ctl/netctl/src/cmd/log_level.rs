//! `netctl log-level`: what a running daemon logs.

use std::time::Duration;

use selat_proto::socket::Daemon;
use selat_proto::v1::{SetLogLevelRequest, SetLogLevelResponse};
use serde_json::Value;

use super::each::Each;
use crate::cli::{Global, Which};
use crate::client::ControlError;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Cell, Output, Page, Records, Report, unit};

const EXAMPLES: &str = "\
Examples:
  netctl log-level debug --for 5m              both daemons, and back again on their own
  netctl log-level info,proxyd=trace proxyd    one; directives as tracing's EnvFilter reads them
  netctl log-level info                        back to the usual";

/// Change what the running daemons log
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// error, warn, info, debug, trace, or directives such as info,proxyd=debug
    #[arg(value_name = "LEVEL")]
    filter: String,
    #[command(flatten)]
    which: Which,
    /// Go back to the level of now after this time; without it the level stays until the daemon
    /// ends
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    ttl: Option<Duration>,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let each = Each::ask(args.which, async |daemon| set(daemon, args, global).await).await;
    let changes = Changes { ttl: args.ttl, each };
    output.show(&changes)?;
    Ok(changes.each.conclude(output.console))
}

async fn set(
    daemon: Daemon,
    args: &Args,
    global: &Global,
) -> Result<SetLogLevelResponse, ControlError> {
    let control = global.connect(daemon).await?;
    // A year, the longest time that is taken, fits.
    let ttl = args.ttl.and_then(|ttl| prost_types::Duration::try_from(ttl).ok());
    let request = SetLogLevelRequest { filter: args.filter.clone(), ttl };
    control.answer(control.daemon().set_log_level(request)).await
}

struct Changes {
    ttl: Option<Duration>,
    each: Each<SetLogLevelResponse>,
}

impl Report for Changes {
    fn page(&self, page: &mut Page) {
        let until = match self.ttl {
            Some(ttl) => format!(", for {}", unit::span(ttl)),
            None => String::new(),
        };
        self.each.lines(page, |_, change| {
            Cell::from(format!(
                "logs {}{until} (before: {})",
                change.filter, change.previous_filter
            ))
        });
    }

    fn json(&self) -> anyhow::Result<Value> {
        self.each.to_object()
    }

    fn records(&self) -> anyhow::Result<Records> {
        self.each.to_records()
    }
}
