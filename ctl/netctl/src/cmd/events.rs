//! `netctl events`: what happens to the daemons, as it happens.

use futures_util::stream::{self, SelectAll, StreamExt};
use selat_proto::json::to_json;
use selat_proto::socket::Daemon;
use selat_proto::v1::{WatchEventsRequest, WatchEventsResponse};
use serde_json::Value;
use tonic::Status;

use crate::cli::{Global, Which};
use crate::client::{Control, Reason};
use crate::exit::Exit;
use crate::output::{Output, Page, Records, Report, field_names, labelled, unit};

const EXAMPLES: &str = "\
Examples:
  netctl events                  both daemons, until Ctrl-C
  netctl events proxyd -n 1      wait for one event of one daemon
  netctl -o json events          a JSON document on each line";

/// Follow reloads, purges and the like as they happen
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// End after this many
    #[arg(short = 'n', long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let daemons = args.which.daemons();
    let mut controls = Vec::with_capacity(daemons.len());
    for daemon in daemons {
        controls.push((daemon, global.connect(daemon).await?));
    }
    let mut streams = SelectAll::new();
    for (index, (_, control)) in controls.iter().enumerate() {
        let events = control.answer(control.daemon().watch_events(WatchEventsRequest {})).await?;
        let ended = stream::once(async { Err(Status::unavailable("it stopped")) });
        streams.push(Box::pin(events.chain(ended).map(move |event| (index, event))));
    }
    let mut shown = 0;
    while args.count.is_none_or(|count| shown < count) {
        let Some((index, event)) = streams.next().await else { break };
        let Some((daemon, control)) = controls.get(index) else { break };
        output.show_next(
            &Happened { daemon: *daemon, event: received(control, event)? },
            shown == 0,
        )?;
        shown += 1;
    }
    Ok(Exit::Success)
}

fn received(
    control: &Control,
    event: Result<WatchEventsResponse, Status>,
) -> anyhow::Result<WatchEventsResponse> {
    Ok(event.map_err(|status| control.failed(Reason::of_status(&status)))?)
}

struct Happened {
    daemon: Daemon,
    event: WatchEventsResponse,
}

impl Report for Happened {
    fn page(&self, page: &mut Page) {
        let event = &self.event;
        if event.missed_count > 0 {
            let missed = unit::plural(event.missed_count, "event", "events");
            page.line(format!("({missed} of {} went unseen)", self.daemon));
        }
        let (time, actor) = (unit::time(event.time.as_ref()), &event.actor);
        let by = if actor.is_empty() { String::new() } else { format!(" (by {actor})") };
        page.line(format!(
            "{time}  {:<7}  {:<14}  {}{by}",
            self.daemon.name(),
            event.kind,
            event.message
        ));
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(labelled("daemon", self.daemon.name(), to_json(&self.event)?))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let columns = ["daemon".to_owned()].into_iter();
        let mut records = Records::new(columns.chain(field_names::<WatchEventsResponse>()?));
        records.push_object(&self.json()?);
        Ok(records)
    }
}
