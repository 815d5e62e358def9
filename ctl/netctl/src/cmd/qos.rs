//! `netctl qos`: what service clients get, measured.
//!
//! 1. The arguments become a run that can be done, or a usage error.
//! 2. `udp` (by `selat_qos::session`) or `http` (by `selat_qos::load`) measures; `live` shows how far it is.
//! 3. `report` shows the figures, and `files` writes them to where was asked for.
//! 4. `threshold` compares them with what was required.

mod again;
mod calibrate;
mod clients;
mod compare;
mod cost;
mod files;
mod floor;
mod flows;
mod grading;
mod http;
mod live;
mod packets;
mod pattern;
mod report;
mod requests;
mod responsiveness;
mod secure;
mod streams;
mod sweep;
mod tcp;
mod threshold;
mod udp;
mod unanswered;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Subcommand;
use tokio::net::lookup_host;
use tokio::time::timeout;

pub(crate) use self::compare::NoFigure;
pub(crate) use self::threshold::Unmet;
use crate::cli::Global;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos udp                           through proxyd's relay
  netctl qos udp 127.0.0.1:9000            straight to websrvd, to compare
  netctl qos http http://127.0.0.1:8080/   what clients of the proxy get
  netctl qos tcp                           how much the path carries
  netctl qos clients 20                    20 at once, over UDP and over HTTP";

/// proxyd's UDP relay, where nothing else is asked.
const UDP_TARGET: &str = "127.0.0.1:9090";
/// websrvd's reflector, behind that relay where nothing else is configured.
const REFLECTOR: &str = "127.0.0.1:9000";
/// How long to wait for the last replies, where nothing else is asked.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the address of a target.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Measure loss, latency, jitter and throughput, and grade them
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    Udp(udp::Args),
    Http(http::Args),
    Tcp(tcp::Args),
    Responsiveness(responsiveness::Args),
    Clients(clients::Args),
    Sweep(sweep::Args),
    Report(again::Args),
    Compare(compare::Args),
    Calibrate(calibrate::Args),
}

pub(crate) async fn run(
    command: &Command,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    match command {
        Command::Udp(args) => udp::run(args, global, output).await,
        Command::Http(args) => http::run(args, global, output).await,
        Command::Tcp(args) => tcp::run(args, global, output).await,
        Command::Responsiveness(args) => responsiveness::run(args, global, output).await,
        Command::Clients(args) => clients::run(args, global, output).await,
        Command::Sweep(args) => sweep::run(args, global, output).await,
        Command::Report(args) => again::run(args, output),
        Command::Compare(args) => compare::run(args, output),
        Command::Calibrate(args) => calibrate::run(args, output).await,
    }
}

/// A `HOST:PORT` on the command line.
fn host_port(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "write it as HOST:PORT, such as 127.0.0.1:9090";
    let (host, port) = text.rsplit_once(':').ok_or(EXAMPLE)?;
    let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    match port.parse::<u16>() {
        _ if host.is_empty() => Err(format!("it names no host; {EXAMPLE}")),
        _ if is_bare_v6 => Err("an IPv6 address stands in brackets: [::1]:9090".to_owned()),
        Err(_) | Ok(0) => Err(format!("{port:?} is no port, which is 1 to 65535; {EXAMPLE}")),
        Ok(_) => Ok(text.to_owned()),
    }
}

/// To nanoseconds of a millisecond, as the rows of results are.
fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1e6).round() / 1e6)
}

/// The address to send to.
async fn address(target: &str) -> Result<SocketAddr, Unmet> {
    let unreachable = |reason: String| Unmet::NoAddress { target: target.to_owned(), reason };
    let found = timeout(LOOKUP_TIMEOUT, lookup_host(target)).await;
    let found = found.map_err(|_| unreachable(format!("no answer for {LOOKUP_TIMEOUT:?}")))?;
    let mut addresses = found.map_err(|error| unreachable(error.to_string()))?;
    addresses.next().ok_or_else(|| unreachable("it has none".to_owned()))
}
