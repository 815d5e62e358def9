//! `netctl qos compare`: what changed between two runs, and whether it is more than noise.

use std::fmt;
use std::path::PathBuf;

use selat_qos::compare::{Change, Finding, Interval, Measure, compare};
use selat_qos::report::{Measurement, Test, read_raw};
use serde_json::{Value, json};

use super::grading::bandwidth;
use super::rounded;
use super::threshold::{Unmet, percent};
use crate::duration;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl qos udp --raw before.json        and again with --raw after.json
  netctl qos compare before.json after.json
  netctl qos compare before.json after.json --threshold loss=1%,p99=20ms
  netctl qos compare a.json b.json --threshold errors=0%,rate=50  of qos http
  netctl qos compare a.json b.json --threshold throughput=50M     of qos tcp

A change is more than noise where the interval of 95 % around it (a block bootstrap of both \
    runs) does not hold zero. With --threshold, ends with 4 where a measure got worse by more than \
    was allowed, and by more than noise where there are samples enough to tell.

Measures: mean, p50, p95, p99 (latency) and jitter of all tests; loss, but errors of requests; \
    rate, of requests answered; throughput, of streams both ways; rpm, of responsiveness. Loss and \
    errors are given in percentage points; of the others, a percentage is a share of what it was \
    before.";

/// The columns of a change, in JSON too.
const COLUMNS: [&str; 10] =
    ["test", "target", "measure", "unit", "before", "after", "change", "low", "high", "finding"];

/// Compare two runs that --raw kept
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run that was before
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The run that was after
    #[arg(value_name = "B")]
    after: PathBuf,
    /// How much worse a measure may get, such as loss=1%,p99=20ms
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = allowance)]
    threshold: Vec<Allowance>,
}

/// How much worse a measure may get.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allowance {
    measure: Measure,
    at_most: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// In the unit of the measure.
    Absolute(f64),
    /// Percent of what it was before.
    Share(f64),
}

/// Two runs that cannot be compared.
#[derive(Debug, thiserror::Error)]
enum Unlike {
    #[error("the runs are of different tests: {before} and {after}")]
    Tests { before: String, after: String },
}

/// A threshold that nothing can be held against.
#[derive(Debug, thiserror::Error)]
#[error("no run here has a figure for {measure}; what they have is {known}")]
pub(crate) struct NoFigure {
    measure: Measure,
    known: String,
}

/// What changed, for each test that the files hold.
struct Comparison {
    tests: Vec<Tested>,
}

struct Tested {
    test: Test,
    target: String,
    changes: Vec<Change>,
}

pub(super) fn run(args: &Args, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    let [before, after] = [&args.before, &args.after].map(|path| read_raw(path));
    let (before, after) = (before?.measurements, after?.measurements);
    let tests = |runs: &[Measurement]| {
        let names: Vec<String> = runs.iter().map(|run| run.test.to_string()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let (of_before, of_after) = (tests(&before), tests(&after));
    if of_before != of_after || before.is_empty() {
        return Err(Unlike::Tests { before: of_before, after: of_after }.into());
    }
    let pairs = before.iter().zip(&after);
    let comparison = Comparison { tests: pairs.map(|(a, b)| Tested::of(a, b)).collect() };
    comparison.check(&args.threshold)?;
    output.show(&comparison)?;
    let is_one = comparison.tests.len() == 1;
    let missed = comparison.tests.iter().flat_map(|tested| {
        let name = move || format!("{} {}", tested.test.heading(), tested.target);
        let missed = tested.changes.iter().filter_map(|it| exceeded(it, &args.threshold));
        missed.map(move |unmet| ((!is_one).then(name), unmet))
    });
    Unmet::all(missed.collect())?;
    Ok(Exit::Success)
}

impl Comparison {
    /// Refuses a threshold of which no run has the measure.
    fn check(&self, allowances: &[Allowance]) -> Result<(), NoFigure> {
        let measured = |measure: Measure| {
            let mut changes = self.tests.iter().flat_map(|tested| &tested.changes);
            changes.any(|change| change.measure == measure && change.before.is_some())
        };
        match allowances.iter().find(|allowed| !measured(allowed.measure)) {
            None => Ok(()),
            Some(allowed) => {
                let known: Vec<&str> = Measure::ALL
                    .into_iter()
                    .filter(|it| measured(*it))
                    .map(Measure::name)
                    .collect();
                Err(NoFigure { measure: allowed.measure, known: known.join(", ") })
            }
        }
    }
}

impl Tested {
    fn of(before: &Measurement, after: &Measurement) -> Self {
        let target = if before.target == after.target {
            before.target.clone()
        } else {
            format!("{} and {}", before.target, after.target)
        };
        Self { test: before.test, target, changes: compare(before, after) }
    }

    /// What changed by more than noise, for those who read no tables.
    fn sentence(&self) -> String {
        let found = |finding| {
            let changes = self.changes.iter();
            let found = changes.filter(move |it| it.finding() == Some(finding));
            found.map(|it| it.measure.name()).collect::<Vec<_>>().join(", ")
        };
        let (better, worse) = (found(Finding::Better), found(Finding::Worse));
        match (better.is_empty(), worse.is_empty()) {
            (true, true) => "Nothing changed by more than noise.".to_owned(),
            (false, true) => format!("Better by more than noise: {better}."),
            (true, false) => format!("Worse by more than noise: {worse}."),
            (false, false) => format!("More than noise: {worse} got worse, {better} better."),
        }
    }

    fn objects(&self) -> impl Iterator<Item = Value> {
        self.changes.iter().map(|change| {
            let interval = change.interval;
            json!({
                "test": self.test,
                "target": self.target,
                "measure": change.measure.name(),
                "unit": change.measure.unit(),
                "before": rounded(change.before),
                "after": rounded(change.after),
                "change": rounded(change.difference),
                "low": rounded(interval.map(|it| it.low)),
                "high": rounded(interval.map(|it| it.high)),
                "finding": change.finding().map(Finding::name),
            })
        })
    }
}

impl Report for Comparison {
    fn page(&self, page: &mut Page) {
        for tested in &self.tests {
            page.gap();
            page.line(format!("{} {}", tested.test.heading(), tested.target));
            page.gap();
            let mut grid = Grid::new(&[
                Column::Left("MEASURE"),
                Column::Right("BEFORE"),
                Column::Right("AFTER"),
                Column::Right("CHANGE"),
                Column::Right("95 % INTERVAL"),
                Column::Left("WHICH IS"),
            ]);
            tested.changes.iter().for_each(|change| grid.row(cells(change)));
            page.grid(&grid);
            page.gap();
            page.paragraph(&tested.sentence());
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        let changes: Vec<Value> = self.tests.iter().flat_map(Tested::objects).collect();
        Ok(json!({ "schema": 1, "changes": changes }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let mut records = Records::new(COLUMNS);
        self.tests.iter().flat_map(Tested::objects).for_each(|it| records.push_object(&it));
        Ok(records)
    }
}

fn cells(change: &Change) -> [Cell; 6] {
    let measure = change.measure;
    let shown = |value: Option<f64>| value.map_or(unit::NONE.to_owned(), |it| figure(measure, it));
    let signed = |value| signed(measure, value);
    let interval = |it: Interval| format!("{} to {}", signed(it.low), signed(it.high));
    let finding = change.finding().map_or(Cell::from(unit::NONE), |finding| {
        let tone = match finding {
            Finding::Better => Tone::Good,
            Finding::Noise => Tone::Faint,
            Finding::Worse => Tone::Bad,
        };
        Cell::toned(finding.name(), tone)
    });
    [
        measure.name().into(),
        shown(change.before).into(),
        shown(change.after).into(),
        Cell::toned(change.difference.map_or(unit::NONE.to_owned(), signed), Tone::Strong),
        change.interval.map_or(unit::NONE.to_owned(), interval).into(),
        finding,
    ]
}

fn figure(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Throughput => unit::bit_rate(value),
        _ => format!("{value:.3} {}", measure.unit()),
    }
}

fn signed(measure: Measure, value: f64) -> String {
    let sign = if value.is_sign_negative() { '-' } else { '+' };
    format!("{sign}{}", figure(measure, value.abs()))
}

/// Why a change is not allowed, if so. A measure that the second run could not take is worse than
/// any bound.
fn exceeded(change: &Change, allowances: &[Allowance]) -> Option<Unmet> {
    let allowed = allowances.iter().find(|allowed| allowed.measure == change.measure)?;
    let before = change.before?;
    let at_most = match allowed.at_most {
        Bound::Absolute(at_most) => at_most,
        Bound::Share(percent) => before.abs() * percent / 100.0,
    };
    let measured = match (change.worsening().zip(change.difference), change.finding()) {
        (Some((worse, value)), None | Some(Finding::Worse)) if worse > at_most => {
            signed(change.measure, value)
        }
        (None, _) => "not measured any more".to_owned(),
        _ => return None,
    };
    Some(Unmet::Change { measure: change.measure.name(), measured, bound: allowed.to_string() })
}

impl fmt::Display for Allowance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.measure.is_better_when_more() { '-' } else { '+' };
        match self.at_most {
            Bound::Absolute(at_most) => write!(out, "{sign}{at_most} {}", self.measure.unit()),
            Bound::Share(percent) => write!(out, "{sign}{percent} %"),
        }
    }
}

/// `loss=1%`, `p99=20ms`, `rate=50` or `throughput=10%`.
fn allowance(text: &str) -> Result<Allowance, String> {
    let (name, bound) = text.split_once('=').ok_or("write it as p99=20ms or loss=1%")?;
    let measure = Measure::ALL.into_iter().find(|measure| measure.name() == name.trim());
    let measure = measure.ok_or_else(|| {
        let names = Measure::ALL.map(Measure::name).join(", ");
        format!("{name:?} is none of {names}")
    })?;
    let at_most = match (measure, bound.trim().strip_suffix('%')) {
        (Measure::Loss | Measure::Errors, _) => Bound::Absolute(percent(bound)?),
        (_, Some(_)) => Bound::Share(percent(bound)?),
        (Measure::Throughput, None) => Bound::Absolute(bandwidth(bound)?),
        (Measure::Rate | Measure::Rpm, None) => Bound::Absolute(number(bound)?),
        _ => Bound::Absolute(duration::parse_with_unit(bound)?.as_secs_f64() * 1e3),
    };
    Ok(Allowance { measure, at_most })
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(number) if (0.0..=f64::MAX).contains(&number) => Ok(number),
        _ => Err("write it as a number of at least 0, or as a percentage".to_owned()),
    }
}
