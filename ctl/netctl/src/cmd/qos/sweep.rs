//! `netctl qos sweep`: the same run at rising rates, to find how much a path carries.

use std::num::NonZeroU32;
use std::time::Duration;

use selat_qos::analysis::{Analysis, ms};
use selat_qos::report::Made;
use selat_qos::schedule::Schedule;
use selat_qos::session::{Cancel, Pace, StampSource};
use selat_qos::sweep::{Carried, Found, carried, found, rates};
use serde_json::{Value, json};

use super::live::Show;
use super::packets::Packets;
use super::threshold::Unmet;
use super::udp::Plan;
use super::{REPLY_TIMEOUT, UDP_TARGET, host_port, rounded};
use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl qos sweep                            100 to 10,000 probes a second
  netctl qos sweep 127.0.0.1:9000 --from 1000 --to 50000 --steps 10

A rate is carried where it loses at most 1 % more than the first and its 95th percentile of \
    latency is at most three times that of the first, or 1 ms more. The sweep ends after the second \
    rate in a row that is not; one alone may be chance. Where this machine could not send evenly, \
    that is said, and nothing of the path. Ctrl-C ends it early and shows what was measured.";

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
    /// Rates that were to be tried.
    planned: usize,
    is_cancelled: bool,
    found: Found,
}

struct Step {
    rate_per_s: f64,
    made: Made,
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
    let rates = rates(args.from, args.to, args.steps)?;
    for &rate_per_s in &rates {
        let plan = args.plan(rate_per_s, global)?;
        let measurement = plan.measure(&cancel, output.console).await?;
        let (made, figures) = (Made::of(&measurement), measurement.total());
        let carried = carried(steps.first().map_or(&figures, |first| &first.figures), &figures);
        if figures.sent == 0 {
            // Cancelled before anything left.
            break;
        }
        steps.push(Step { rate_per_s, made, figures, carried });
        let failures = steps.iter().rev().take_while(|step| step.carried != Carried::Well);
        if cancel.is_cancelled() || failures.count() >= FAILURES_MAX {
            break;
        }
    }
    if steps.iter().all(|step| step.figures.received == 0) {
        return Err(Unmet::Silent { target: args.target.clone() }.into());
    }
    let found = found(&steps.iter().map(|step| step.carried).collect::<Vec<_>>());
    let (target, planned) = (args.target.clone(), rates.len());
    let is_cancelled = cancel.is_cancelled();
    output.show(&Sweep { target, steps, planned, is_cancelled, found })?;
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
    /// What was found, what it is measured by, and whether there was time to find it.
    fn sentence(&self) -> String {
        let cancelled = self.is_cancelled.then(|| {
            let (tried, planned) = (self.steps.len(), self.planned);
            format!("Cancelled after {tried} of {planned} rates.")
        });
        let sentences = [self.base(), Some(self.finding()), cancelled];
        sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// What the lowest rate lost, by which the others are judged.
    fn base(&self) -> Option<String> {
        let first = self.steps.first().filter(|first| first.figures.lost > 0)?;
        let (lost, rate) = (unit::percent(first.figures.loss_pct?), first.rate_per_s);
        Some(format!(
            "At the lowest rate, {rate:.0} probes a second, {lost} were lost already: the others are \
             judged beside that."
        ))
    }

    fn finding(&self) -> String {
        let rate = |index: usize| self.steps.get(index).map_or(0.0, |step| step.rate_per_s);
        let highest = rate(self.steps.len().saturating_sub(1));
        match self.found {
            Found::All if self.steps.iter().any(|step| step.carried != Carried::Well) => {
                format!("It was carried up to {highest:.0} probes a second, but for single rates.")
            }
            Found::All if self.base().is_some() => {
                format!("No rate up to {highest:.0} probes a second did much worse.")
            }
            Found::All => format!("All of it was carried, up to {highest:.0} probes a second."),
            Found::Knee(knee) => format!(
                "The path carries {:.0} probes a second; at {:.0} it gives way.",
                rate(knee),
                rate(knee + 1)
            ),
            Found::Sender(run) => format!(
                "This machine could not send {:.0} probes a second evenly: what the path carries there \
                 is not known.",
                rate(run)
            ),
            Found::Unsure(run) => format!(
                "{:.0} probes a second were not carried, which one rate alone cannot tell from chance: \
                 sweep to a higher one.",
                rate(run)
            ),
        }
    }

    fn objects(&self) -> impl Iterator<Item = Value> {
        self.steps.iter().enumerate().map(|(index, step)| {
            let percentile = |percent| rounded(step.figures.latency.percentile(percent).map(ms));
            json!({
                "rate_per_s": rounded(Some(step.rate_per_s)),
                "sent": step.figures.sent,
                "lost": step.figures.lost,
                "loss_pct": rounded(step.figures.loss_pct),
                "latency_p50_ms": percentile(50.0),
                "latency_p95_ms": percentile(95.0),
                "throughput_bps": rounded(step.figures.throughput_bps),
                "late": step.figures.pacing.as_ref().map(|pacing| pacing.late),
                "carried": word(step.carried),
                "is_knee": self.found == Found::Knee(index),
                "pace": step.made.pace,
                "stamps": step.made.stamps,
                "answers": step.made.answers,
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
        Ok(json!({
            "schema": 1,
            "target": self.target,
            "ended": if self.is_cancelled { "cancelled" } else { "complete" },
            "found": self.found.name(),
            "steps": steps,
        }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(carried: &[Carried], found: Found, is_cancelled: bool) -> Sweep {
        let step = |(power, carried): (i32, &Carried)| Step {
            rate_per_s: 100.0 * 2_f64.powi(power),
            made: Made::default(),
            figures: Analysis::default(),
            carried: *carried,
        };
        let steps = (0..).zip(carried).map(step).collect();
        Sweep { target: "192.0.2.1:9".to_owned(), steps, planned: 8, is_cancelled, found }
    }

    #[test]
    fn the_sentence_blames_the_path_for_nothing_that_was_not_seen() {
        use Carried::{Lossy, NotSent, Well};
        let cases = [
            (sweep(&[Well; 3], Found::All, true), "Cancelled after 3 of 8 rates."),
            (sweep(&[Well, Lossy, Well], Found::All, false), "up to 400 probes a second, but for"),
            (
                sweep(&[Well, Lossy, Lossy], Found::Knee(0), false),
                "carries 100 probes a second; at 200",
            ),
            (
                sweep(&[Well, NotSent], Found::Sender(1), false),
                "could not send 200 probes a second",
            ),
            (
                sweep(&[Well, Lossy], Found::Unsure(1), false),
                "200 probes a second were not carried",
            ),
        ];
        for (sweep, part) in cases {
            let sentence = sweep.sentence();
            assert!(sentence.contains(part), "{sentence}");
        }
        let knees = |sweep: &Sweep| sweep.objects().filter(|it| it["is_knee"] == true).count();
        assert_eq!(knees(&sweep(&[Well; 3], Found::All, false)), 0);
        assert_eq!(knees(&sweep(&[Well, Lossy, Lossy], Found::Knee(0), false)), 1);
    }
}
