//! `netctl sessions`: who is relayed to where right now.

use anyhow::Context;
use clap::ValueEnum;
use selat_proto::json::to_json;
use selat_proto::socket::Daemon;
use selat_proto::v1::{ListSessionsRequest, ListSessionsResponse, Protocol};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl sessions                everything that is relayed now, oldest first
  netctl sessions udp            only UDP
  netctl -o json sessions tcp | jq '.entries[].client'";

/// List the open sessions of proxyd's UDP and TCP relay
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only this protocol
    protocol: Option<ProtocolName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProtocolName {
    /// UDP datagrams
    Udp,
    /// TCP connections
    Tcp,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let protocol = match args.protocol {
        Some(ProtocolName::Udp) => Protocol::Udp,
        Some(ProtocolName::Tcp) => Protocol::Tcp,
        None => Protocol::Unspecified,
    };
    let request = ListSessionsRequest { protocol: protocol.into() };
    let control = global.connect(Daemon::Proxyd).await?;
    let sessions = control.collect(control.relay().list_sessions(request)).await?;
    output.show(&Sessions(sessions))?;
    Ok(Exit::Success)
}

struct Sessions(Vec<ListSessionsResponse>);

impl Report for Sessions {
    fn page(&self, page: &mut Page) {
        if self.0.is_empty() {
            page.line("Nobody is relayed right now.");
            return;
        }
        let mut grid = Grid::new(&[
            Column::Right("ID"),
            Column::Left("KIND"),
            Column::Left("CLIENT"),
            Column::Left("LISTENER"),
            Column::Left("UPSTREAM"),
            Column::Right("UP"),
            Column::Right("DOWN"),
            Column::Right("DATAGRAMS"),
            Column::Right("IDLE"),
            Column::Right("OPEN FOR"),
        ]);
        self.0.iter().for_each(|session| grid.row(row(session)));
        page.grid(&grid);
        page.gap();
        page.line(unit::plural(self.0.len() as u64, "session", "sessions"));
    }

    fn json(&self) -> anyhow::Result<Value> {
        let sessions = self.0.iter().map(to_json).collect::<Result<Vec<_>, _>>();
        Ok(json!({ "entries": sessions.context("cannot show a session")? }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(&self.0)
    }
}

fn row(session: &ListSessionsResponse) -> [Cell; 10] {
    let protocol = match session.protocol() {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
        Protocol::Unspecified => unit::NONE,
    };
    let datagrams = |count| match session.protocol() {
        Protocol::Udp => unit::count(count),
        Protocol::Tcp | Protocol::Unspecified => unit::NONE.to_owned(),
    };
    [
        session.id.into(),
        protocol.into(),
        Cell::toned(&session.client, Tone::Strong),
        (&session.listener).into(),
        (&session.upstream).into(),
        unit::bytes(session.up_bytes).into(),
        unit::bytes(session.down_bytes).into(),
        format!("{}/{}", datagrams(session.up_datagrams), datagrams(session.down_datagrams)).into(),
        unit::message_span(session.idle.as_ref()).into(),
        unit::since(session.open_time.as_ref()).into(),
    ]
}
