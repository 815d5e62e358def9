//! `netctl qos udp`: one client's probes over UDP.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context;
use selat_qos::grade::emodel::Codec;
use selat_qos::report::Measurement;
use selat_qos::schedule::Schedule;
use selat_qos::session::{self, Calibration, Cancel, Ended, Pace, StampSource, UdpSpec};
use tokio::task;

use super::floor::Floor;
use super::live::{Show, Subject, Watch};
use super::packets::Packets;
use super::pattern::{Call, Spread, Timing};
use super::report::Ending;
use super::threshold::Unmet;
use super::{REFLECTOR, REPLY_TIMEOUT, UDP_TARGET, address, calibrate, host_port};
use crate::cli::Global;
use crate::console::Console;
use crate::exit::{Exit, Misuse};
use crate::output::Output;

/// Probes a second where nothing else is asked for: those of a voice call.
const RATE_PER_S: f64 = Call::RATE_PER_S;

const EXAMPLES: &str = "\
Examples:
  netctl qos udp                                      100 probes, 50 a second
  netctl qos udp --count 1000 --rate 500 --size 1200  video
  netctl qos udp --count 3000 --live                  on a live screen
  netctl qos udp --voip g729 --pattern poisson        a call, at random times
  netctl qos udp --rate 1000 --pace precise           to the microsecond
  netctl qos udp 192.0.2.1:862 --mode twamp-light     a router's reflector
  netctl qos udp --auth-key-file stamp.keys           with reflector_keys
  netctl qos udp --compare-direct                     what the relay costs
  netctl qos udp 127.0.0.1:9000 --csv qos_result.csv --report qos.html
  netctl qos udp --max-loss 1 --max-jitter 5ms        ends with 4 past that
  netctl -o json qos udp | jq '.results[0].latency_p95_ms'

--timeout says how long to wait for the last replies (2s). Ctrl-C ends the test early and shows \
    what was measured; a second one does not wait for the last replies. Ends with 3 where nothing \
    came back at all.";

/// Measure loss, latency, jitter and throughput with UDP probes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An echo or STAMP reflector (RFC 8762), or a relay in front of one
    #[arg(value_name = "HOST:PORT", default_value = UDP_TARGET, value_parser = host_port)]
    target: String,
    /// Probes to send
    #[arg(long, value_name = "N", default_value = "100")]
    count: u32,
    /// Probes a second [default: 50]
    #[arg(long, value_name = "PER_S")]
    rate: Option<f64>,
    #[command(flatten)]
    spread: Spread,
    /// Imitate a call with this codec, and score it: sets rate and size
    #[arg(long, value_enum, value_name = "CODEC", conflicts_with_all = ["rate", "size"])]
    voip: Option<Call>,
    #[command(flatten)]
    timing: Timing,
    /// Measure this machine first, for a second, and tell its floor beside the results
    #[arg(long)]
    calibrate: bool,
    #[command(flatten)]
    floor: Floor,
    /// Send in turns through the relay and straight to the reflector behind it, and show what the
    /// relay costs [without HOST:PORT: 127.0.0.1:9000]
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port, num_args = 0..=1)]
    #[arg(default_missing_value = REFLECTOR, hide_default_value = true)]
    compare_direct: Option<String>,
    #[command(flatten)]
    packets: Packets,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    ending: Ending,
}

/// What a UDP run of one or several clients is made of.
pub(super) struct Plan<'a> {
    pub(super) target: &'a str,
    pub(super) clients: NonZeroU32,
    pub(super) schedule: Schedule,
    pub(super) size: usize,
    pub(super) timeout: Duration,
    pub(super) pace: Pace,
    pub(super) stamps: StampSource,
    /// The other end of the relay that the target is, to compare both ways.
    pub(super) straight: Option<&'a str>,
    pub(super) show: Show,
    pub(super) packets: &'a Packets,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let plan = Plan {
        target: &args.target,
        clients: NonZeroU32::MIN,
        schedule: args.schedule()?,
        size: args.voip.map_or(args.packets.size, Call::size),
        timeout: global.timeout.unwrap_or(REPLY_TIMEOUT),
        pace: args.timing.pace(),
        stamps: args.timing.stamps(),
        straight: args.compare_direct.as_deref(),
        show: args.show.check(output.console)?,
        packets: &args.packets,
    };
    args.ending.files.check()?;
    let cancel = Cancel::default();
    let Plan { size, pace, stamps, .. } = plan;
    let floor = if args.calibrate {
        calibrate::condition(Calibration { size, pace, stamps }, &cancel, output.console).await?
    } else {
        args.floor.recall(pace, stamps)
    };
    let mut measurement = plan.measure(&cancel, output.console).await?;
    measurement.conditions.extend(floor);
    let codec = args.voip.map_or(Codec::default(), Call::codec);
    args.ending.conclude(vec![measurement], codec, output)
}

impl Args {
    /// When probes are due.
    fn schedule(&self) -> anyhow::Result<Schedule> {
        if self.timing.pace() == Pace::Flood {
            if self.rate.is_some() || self.voip.is_some() || self.spread.is_given() {
                let why = "--pace flood waits for nothing: leave out --rate, --voip and --pattern";
                return Err(Misuse(why).into());
            }
            return Ok(Schedule::burst(self.count)?);
        }
        self.spread.schedule(self.count, self.rate, RATE_PER_S)
    }
}

impl Plan<'_> {
    /// Measures, on a thread of its own.
    pub(super) async fn measure(
        &self,
        cancel: &Cancel,
        console: &Console<'_>,
    ) -> anyhow::Result<Measurement> {
        let target = address(self.target).await?;
        let mut spec = UdpSpec::new(target, self.schedule, self.size, self.timeout)?
            .with_clients(self.clients)?
            .with_pace(self.pace)
            .with_stamps(self.stamps);
        if let Some(straight) = self.straight {
            spec = spec.with_straight(address(straight).await?)?;
        }
        spec = self.packets.apply(spec)?;
        let watch = Watch::begin(self.show, self.subject(), console.look)?;
        let blocking = task::spawn_blocking({
            let (spec, progress, cancel) = (spec.clone(), watch.progress(), cancel.clone());
            move || session::run(&spec, &progress, &cancel)
        });
        let run = watch.until(blocking, cancel).await?;
        let run = run.context("the measurement broke off")??;
        if run.ended == Ended::Refused {
            return Err(Unmet::Refused { target: self.target.to_owned() }.into());
        }
        Ok(Measurement::udp(&spec, run))
    }

    fn subject(&self) -> Subject {
        Subject {
            title: match self.straight {
                None => format!("UDP to {}", self.target),
                Some(straight) => {
                    format!("UDP to {} (client 1), straight to {straight} (client 2)", self.target)
                }
            },
            nouns: ("probe", "probes"),
            crowd: ("client", "clients"),
            lasts: self.schedule.lasts(),
        }
    }
}
