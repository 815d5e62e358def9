//! `netctl qos responsiveness`: round trips a minute while a path is full.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;
use selat_qos::bulk::{BulkSpec, Plan, Way};
use selat_qos::grade::emodel::Codec;
use selat_qos::report::{Measurement, Test};
use selat_qos::session::Cancel;

use super::report::Ending;
use super::streams::{PROBE_LIMIT, Path, Run, measure};
use super::threshold::Unmet;
use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos responsiveness                   through proxyd: down, then up
  netctl qos responsiveness http://127.0.0.1:8000/.well-known/nq   past it
  netctl qos responsiveness --direction up --interval 5s --duration 60s
  netctl qos responsiveness --min-rpm 1000    ends with 4 where it is less

Follows draft-ietf-ippm-responsiveness-09: one more stream each interval (16 at most) until \
    goodput is stable, then until responsiveness is: its standard deviation over 4 intervals is \
    below 5 %. The result is the mean of two responsivenesses over the last 4 intervals, each 60000 \
    ms divided by a round trip: the mean of handshakes and request on connections of their own \
    (foreign), and of requests on the connections that carry the load. Of all times the longest 5 % \
    are left out. Below 300 round trips a minute is poor, from 1000 good, from 6000 excellent.

What differs from the draft: an interval is 1s unless --interval says 5s, over http:// there is \
    no TLS (the draft's formula for TCP only), and with --http1 the kernel's estimates of the round \
    trip stand for requests among the load, as the draft allows. Confidence is low where there was \
    no time for 4 intervals, medium where it did not become stable, else high.

--timeout is for each round trip, and for each step of connecting (10s): what takes longer \
    counts as lost. The server must be a websrvd that offers something to measure against: see \
    netctl qos tcp --help. Ctrl-C ends the test early and shows what was measured. Ends with 3 where \
    nobody listens.";

/// Measure responsiveness under load, in round trips a minute (RPM)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which way the load goes
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    direction: Direction,
    /// Load for at most this time, each way
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    duration: Duration,
    /// How often to judge whether it is stable
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    interval: Duration,
    /// Speak HTTP/1.1, which has no requests among the load
    #[arg(long)]
    http1: bool,
    /// End with 4 where it is less than this, either way
    #[arg(long, value_name = "RPM", help_heading = "Thresholds")]
    min_rpm: Option<f64>,
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
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    args.ending.files.check()?;
    let show = args.path.show.check(output.console)?;
    let limit = global.timeout.unwrap_or(PROBE_LIMIT);
    let reach = args.path.reach.clone().speaking(!args.http1);
    let dialer = reach.dialer(&args.path.url, limit).await?;
    let cancel = Cancel::default();
    let mut measurements = Vec::new();
    let runs = [(Test::RpmDown, Way::Down), (Test::RpmUp, Way::Up)];
    for (test, way) in runs.into_iter().filter(|(_, way)| args.direction.goes(*way)) {
        if cancel.is_cancelled() {
            break;
        }
        let spec = BulkSpec {
            base: args.path.url.clone(),
            dialer: dialer.clone(),
            ways: vec![way],
            streams: NonZeroU32::MIN,
            plan: Plan::Responsiveness,
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
    let is_one = measurements.len() == 1;
    let missed = measurements.iter().filter_map(|measurement| {
        let name = format!("{} {}", measurement.test.heading(), measurement.target);
        Some(((!is_one).then_some(name), slow(rpm(measurement)?, args.min_rpm)?))
    });
    let missed = missed.collect();
    args.ending.conclude_also(measurements, Codec::default(), missed, output)
}

impl Direction {
    fn goes(self, way: Way) -> bool {
        matches!((self, way), (Self::Each, _) | (Self::Down, Way::Down) | (Self::Up, Way::Up))
    }
}

/// Round trips a minute, of which none may have been measured; `None` of another test.
fn rpm(measurement: &Measurement) -> Option<Option<f64>> {
    measurement.bulk_figures().map(|it| it.responsiveness.map(|found| found.rpm))
}

fn slow(rpm: Option<f64>, bound: Option<f64>) -> Option<Unmet> {
    let bound = bound.filter(|bound| rpm.is_none_or(|rpm| rpm < *bound))?;
    Some(Unmet::Fewer {
        measure: "responsiveness",
        measured: rpm.map_or("not measured".to_owned(), |rpm| format!("{rpm:.0} RPM")),
        bound: format!("{bound} RPM"),
    })
}
