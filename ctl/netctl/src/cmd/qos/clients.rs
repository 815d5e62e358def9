//! `netctl qos clients`: many clients at once, each with its own socket and its own row.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use clap::value_parser;
use http::Method;
use selat_qos::grade::emodel::Codec;
use selat_qos::load::{Aim, LoadSpec, Mode};
use selat_qos::schedule::Schedule;
use selat_qos::session::{CLIENTS_MAX, Cancel, Pace, StampSource};

use super::floor::Floor;
use super::live::Show;
use super::packets::Packets;
use super::pattern::{Spread, ramp_up};
use super::report::Ending;
use super::requests::{headers, measure};
use super::secure::Reach;
use super::udp::Plan;
use super::{REPLY_TIMEOUT, UDP_TARGET, host_port};
use crate::cli::Global;
use crate::cmd::fetch::STEP_LIMIT;
use crate::exit::Exit;
use crate::http::HttpUrl;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos clients 20                                 over UDP, then HTTP
  netctl qos clients 200 --http http://127.0.0.1:8080/  over HTTP only
  netctl qos clients 50 --udp 127.0.0.1:9090 --count 500 --csv qos_result.csv

Each UDP client has a socket of its own, each HTTP client a connection that it keeps; a response \
    of status 400 or more counts as lost. The latency of a request counts from when it was due, also \
    where it is held up by the one before it. Ctrl-C ends the test early and shows what was \
    measured.";

/// proxyd's HTTP listener, where nothing else is asked.
const HTTP_TARGET: &str = "http://127.0.0.1:8080/";

/// Probes or requests a second of each client, where nothing else is asked for.
const RATE_PER_S: f64 = 20.0;

/// Simulate many clients at once, over UDP and over HTTP
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Clients at once
    #[arg(value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    clients: u32,
    /// Over UDP, to this target [default, unless --http is given: 127.0.0.1:9090]
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    udp: Option<String>,
    /// Over HTTP, this URL [default, unless --udp is given: http://127.0.0.1:8080/]
    #[arg(long, value_name = "URL")]
    http: Option<HttpUrl>,
    /// Probes or requests of each client
    #[arg(long, value_name = "N", default_value = "20")]
    count: u32,
    /// Probes or requests a second of each client [default: 20]
    #[arg(long, value_name = "PER_S")]
    rate: Option<f64>,
    #[command(flatten)]
    spread: Spread,
    /// Begin one client after the other over this time, such as 10s
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = ramp_up)]
    ramp_up: Duration,
    #[command(flatten)]
    packets: Packets,
    #[command(flatten)]
    floor: Floor,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    ending: Ending,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    args.ending.files.check()?;
    let show = args.show.check(output.console)?;
    let clients = NonZeroU32::new(args.clients).unwrap_or(NonZeroU32::MIN);
    let schedule = args.spread.schedule(args.count, args.rate, RATE_PER_S)?;
    let schedule = schedule.with_ramp_up(args.ramp_up)?;
    let cancel = Cancel::default();
    let limit = global.timeout.unwrap_or(STEP_LIMIT);
    let requests = match args.http_target()? {
        Some(url) => Some(load_spec(url, schedule, clients, limit).await?),
        None => None,
    };
    let mut measurements = Vec::new();
    if let Some(target) = args.udp_target() {
        let plan = Plan {
            target,
            clients,
            schedule,
            size: args.packets.size,
            timeout: global.timeout.unwrap_or(REPLY_TIMEOUT),
            pace: Pace::Eco,
            stamps: StampSource::Kernel,
            straight: None,
            show,
            packets: &args.packets,
        };
        let mut measurement = plan.measure(&cancel, output.console).await?;
        measurement.conditions.extend(args.floor.recall(plan.pace, plan.stamps));
        measurements.push(measurement);
    }
    // One after the other, so that they do not measure each other.
    if let Some(spec) = requests.filter(|_| !cancel.is_cancelled()) {
        match measure(spec, show, &cancel, output.console).await {
            Ok(measurement) => measurements.push(measurement),
            Err(failure) => {
                return args.ending.conclude_after(failure, measurements, Codec::default(), output);
            }
        }
    }
    args.ending.conclude(measurements, Codec::default(), output)
}

impl Args {
    fn udp_target(&self) -> Option<&str> {
        let usual = self.http.is_none().then_some(UDP_TARGET);
        self.udp.as_deref().or(usual)
    }

    fn http_target(&self) -> anyhow::Result<Option<HttpUrl>> {
        match &self.http {
            Some(url) => Ok(Some(url.clone())),
            None if self.udp.is_none() => Ok(Some(HTTP_TARGET.parse()?)),
            None => Ok(None),
        }
    }
}

/// The run of requests, of which is known that somebody listens: whoever waited for the run over UDP is
/// not told only then.
async fn load_spec(
    url: HttpUrl,
    schedule: Schedule,
    clients: NonZeroU32,
    limit: Duration,
) -> anyhow::Result<LoadSpec> {
    let spec = LoadSpec {
        dialer: Reach::default().dialer(&url, limit).await?,
        url,
        method: Method::GET,
        headers: headers(&[]),
        content: Bytes::new(),
        aim: Aim::Same,
        mode: Mode::RateEach(schedule),
        until: None,
        connections: clients,
        streams: NonZeroU32::MIN,
        keep_alive: true,
        timeout: limit,
    };
    spec.check()?;
    spec.dialer.dial().await?;
    Ok(spec)
}
