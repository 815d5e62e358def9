//! `netctl qos sweep`: the same run at rising rates, to find how much a path carries.

use std::num::NonZeroU32;
use std::time::Duration;

use selat_qos::analysis::{Analysis, ms};
use selat_qos::schedule::Schedule;
use selat_qos::session::{Cancel, Pace, StampSource};
use selat_qos::sweep::{Carried, carried, knee, rates};
use serde_json::{Value, json};

use super::live::Show;
use super::packets::Packets;
use super::threshold::Unmet;
use super::udp::Plan;
use super::{REPLY_TIMEOUT, UDP_TARGET, host_port};
use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl qos sweep                                       100 to 10,000 probes a second
  netctl qos sweep 127.0.0.1:9000 --from 1000 --to 50000 --steps 10 --size 1200

A rate is carried where it loses at most 1 % more than the first and its 95th percentile of latency
is at most three times that of the first, or 1 ms more. The sweep ends after the second rate in a
row that is not. Ctrl-C ends it early and shows what was measured.";

/// Rates in a row that are not carried before a sweep ends.
const FAILURES_MAX: usize = 2;

/// Raise the rate until the path gives way
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An echo or STAMP reflector (RFC 8762), or a relay in front of one
    #[arg(value_name = "HOST:PORT", default_value = UDP_TARGET, value_parser = host_port)]
    target: String,
    /// Lowest rate, probes a second
    #[arg(long, value_name = "PER_S", default_value = "100")]
    from: f64,
    /// Highest rate, probes a second
    #[arg(long, value_name = "PER_S", default_value = "10000")]
    to: f64,
    /// Rates to try, each the same factor above the one before
    #[arg(long, value_name = "N", default_value = "8")]
    steps: u32,
    /// How long to send at each rate
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    duration: Duration,
    #[command(flatten)]
    packets: Packets,
}

/// The rates that were tried, in order.
struct Sweep {
    target: String,
    steps: Vec<Step>,
    knee: Option<usize>,
}

struct Step {
    rate_per_s: f64,
    figures: Analysis,
    carried: Carried,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let cancel = Cancel::default();
    let mut steps: Vec<Step> = Vec::new();
    for rate_per_s in rates(args.from, args.to, args.steps)? {
        let plan = args.plan(rate_per_s, global)?;
        let figures = plan.measure(&cancel, output.console).await?.total();
        let carried = carried(steps.first().map_or(&figures, |first| &first.figures), &figures);
        steps.push(Step { rate_per_s, figures, carried });
        let failures = steps.iter().rev().take_while(|step| step.carried != Carried::Well);
        if cancel.is_cancelled() || failures.count() >= FAILURES_MAX {
            break;
        }
    }
    if steps.iter().all(|step| step.figures.received == 0) {
        return Err(Unmet::Silent { target: args.target.clone() }.into());
    }
    let knee = knee(&steps.iter().map(|step| step.carried).collect::<Vec<_>>());
    output.show(&Sweep { target: args.target.clone(), steps, knee })?;
    Ok(Exit::Success)
}

impl Args {
    fn plan(&self, rate_per_s: f64, global: &Global) -> anyhow::Result<Plan<'_>> {
        // `as` saturates, and the schedule refuses more than it can keep.
        let count = (rate_per_s * self.duration.as_secs_f64()).ceil() as u32;
        Ok(Plan {
            target: &self.target,
            clients: NonZeroU32::MIN,
            schedule: Schedule::isochronous(count, rate_per_s)?,
            size: self.packets.size,
            timeout: global.timeout.unwrap_or(REPLY_TIMEOUT),
            pace: Pace::Eco,
            stamps: StampSource::Kernel,
            straight: None,
            show: Show::default(),
            packets: &self.packets,
        })
    }
}

impl Sweep {
    fn sentence(&self) -> String {
        let rate = |index: usize| self.steps.get(index).map(|step| step.rate_per_s);
        match self.knee.and_then(|knee| Some((knee, rate(knee)?))) {
            None => "The lowest rate was not carried: sweep from a lower one.".to_owned(),
            Some((knee, carried)) => match rate(knee + 1) {
                None => format!("All of it was carried, up to {carried:.0} probes a second."),
                Some(not) => format!(
                    "The path carries {carried:.0} probes a second; at {not:.0} it gives way."
                ),
            },
        }
    }

    fn objects(&self) -> impl Iterator<Item = Value> {
        self.steps.iter().enumerate().map(|(index, step)| {
            let percentile = |percent| step.figures.latency.percentile(percent).map(ms);
            json!({
                "rate_per_s": step.rate_per_s,
                "sent": step.figures.sent,
                "lost": step.figures.lost,
                "loss_pct": step.figures.loss_pct,
                "latency_p50_ms": percentile(50.0),
                "latency_p95_ms": percentile(95.0),
                "throughput_bps": step.figures.throughput_bps,
                "late": step.figures.pacing.as_ref().map(|pacing| pacing.late),
                "carried": word(step.carried),
                "is_knee": self.knee == Some(index),
            })
        })
    }
}

impl Report for Sweep {
    fn page(&self, page: &mut Page) {
        page.line(format!("UDP to {}: {} rates", self.target, self.steps.len()));
        page.gap();
        let mut grid = Grid::new(&[
            Column::Right("PER SECOND"),
            Column::Right("LOSS"),
            Column::Right("P50"),
            Column::Right("P95"),
            Column::Right("THROUGHPUT"),
            Column::Right("LATE"),
            Column::Left("CARRIED"),
        ]);
        self.steps.iter().for_each(|step| grid.row(cells(step)));
        page.grid(&grid);
        page.gap();
        page.paragraph(&self.sentence());
    }

    fn json(&self) -> anyhow::Result<Value> {
        let steps: Vec<Value> = self.objects().collect();
        Ok(json!({ "schema": 1, "target": self.target, "steps": steps }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let mut records = Records::new([
            "rate_per_s",
            "sent",
            "lost",
            "loss_pct",
            "latency_p50_ms",
            "latency_p95_ms",
            "throughput_bps",
            "late",
            "carried",
            "is_knee",
        ]);
        self.objects().for_each(|step| records.push_object(&step));
        Ok(records)
    }
}

fn cells(step: &Step) -> [Cell; 7] {
    let figures = &step.figures;
    let latency = |percent| figures.latency.percentile(percent).map_or(unit::NONE.into(), unit::ms);
    let late = figures.pacing.as_ref().map(|pacing| pacing.late);
    let tone = match step.carried {
        Carried::Well => Tone::Good,
        Carried::NotSent => Tone::Warning,
        Carried::Lossy | Carried::Queueing => Tone::Bad,
    };
    [
        Cell::from(format!("{:.0}", step.rate_per_s)),
        Cell::from(figures.loss_pct.map_or(unit::NONE.to_owned(), unit::percent)),
        Cell::from(latency(50.0)),
        Cell::from(latency(95.0)),
        Cell::from(figures.throughput_bps.map_or(unit::NONE.to_owned(), unit::bit_rate)),
        Cell::from(late.map_or(unit::NONE.to_owned(), unit::count)),
        Cell::toned(word(step.carried), tone),
    ]
}

fn word(carried: Carried) -> &'static str {
    match carried {
        Carried::Well => "well",
        Carried::Lossy => "lossy",
        Carried::Queueing => "queueing",
        Carried::NotSent => "not sent",
    }
}
