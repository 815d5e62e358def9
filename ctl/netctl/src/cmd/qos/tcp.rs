//! `netctl qos tcp`: how much a path carries over TCP, and how it feels meanwhile.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;
use selat_qos::bulk::{BulkSpec, Plan, Way};
use selat_qos::grade::emodel::Codec;
use selat_qos::report::Test;
use selat_qos::session::Cancel;

use super::report::Ending;
use super::streams::{PROBE_LIMIT, Path, Run, idle_time, measure};
use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos tcp                                              down, then up
  netctl qos tcp http://127.0.0.1:8000/.well-known/nq  past proxyd
  netctl qos tcp --direction both --streams 8          both ways at once
  netctl qos tcp --csv qos_result.csv --report tcp.html

The server must be a websrvd that offers something to measure against: path = \
    \"/.well-known/nq\" in the section [measure] of its configuration. Goodput is content, without \
    headers; the first part of each test, the warm-up, is left out of it. Latency is that of small \
    requests on connections of their own, first on the idle path (2s), then beside the load. What \
    the kernel knows of each connection is asked ten times a second: segments sent again and the \
    congestion window are known to the side that sends, so of uploads only.

--timeout is for each of these requests, and for each step of connecting (10s): one that takes \
    longer counts as lost. Ctrl-C ends the test early and shows what was measured. Ends with 3 where \
    nobody listens.";

/// Measure goodput over TCP, and latency under load
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which way the load goes
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    direction: Direction,
    /// Connections that carry load, each way
    #[arg(long, value_name = "N", default_value = "4")]
    streams: NonZeroU32,
    /// How long there is load, each way
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    duration: Duration,
    /// How much of that is left out of the goodput
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = idle_time)]
    warm_up: Duration,
    /// How much time goodput is told for
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    interval: Duration,
    /// Probes a second beside the load
    #[arg(long, value_name = "PER_S", default_value = "20")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    probes: u16,
    #[command(flatten)]
    path: Path,
    #[command(flatten)]
    ending: Ending,
}

/// Which way the load goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// From the server, then to it
    #[default]
    Each,
    /// From the server
    Down,
    /// To the server
    Up,
    /// Both ways at once
    Both,
}

impl Direction {
    fn runs(self) -> Vec<(Test, Vec<Way>)> {
        let down = (Test::TcpDown, vec![Way::Down]);
        let up = (Test::TcpUp, vec![Way::Up]);
        match self {
            Self::Each => vec![down, up],
            Self::Down => vec![down],
            Self::Up => vec![up],
            Self::Both => vec![(Test::TcpBoth, vec![Way::Down, Way::Up])],
        }
    }
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    args.ending.files.check()?;
    let show = args.path.show.check(output.console)?;
    let limit = global.timeout.unwrap_or(PROBE_LIMIT);
    let dialer = args.path.reach.dialer(&args.path.url, limit).await?;
    let cancel = Cancel::default();
    let mut measurements = Vec::new();
    for (test, ways) in args.direction.runs() {
        if cancel.is_cancelled() {
            break;
        }
        let spec = BulkSpec {
            base: args.path.url.clone(),
            dialer: dialer.clone(),
            ways,
            streams: args.streams,
            plan: Plan::Steady { warm_up: args.warm_up, probes_per_s: args.probes.into() },
            idle: args.path.idle,
            duration: args.duration,
            interval: args.interval,
            timeout: limit,
        };
        match measure(Run { test, spec }, show, &cancel, output.console).await {
            Ok(measurement) => measurements.push(measurement),
            Err(failure) => {
                return args.ending.conclude_after(failure, measurements, Codec::default(), output);
            }
        }
    }
    args.ending.conclude(measurements, Codec::default(), output)
}
