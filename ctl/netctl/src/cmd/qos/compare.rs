//! `netctl qos compare`: what changed between two runs, and whether it is more than noise.

use std::fmt;
use std::path::PathBuf;

use selat_qos::compare::{Change, Difference, Finding, Measure, compare};
use selat_qos::report::{Measurement, read_raw};
use serde_json::{Value, json};

use super::threshold::Unmet;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl qos udp --raw before.json        and again with --raw after.json
  netctl qos compare before.json after.json
  netctl qos compare before.json after.json --threshold loss=1%,p99=20ms

A change is more than noise where the interval of 95 % around it (a block bootstrap of both runs)
does not hold zero. With --threshold, ends with 4 where a measure got worse by more than was
allowed, and by more than noise. Measures: loss, mean, p50, p95, p99 (latency), jitter.";

/// The columns of a change, in JSON too.
const COLUMNS: [&str; 9] =
    ["test", "target", "measure", "unit", "before", "after", "change", "low", "high"];

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

/// How much worse a measure may get, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allowance {
    measure: Measure,
    at_most: f64,
}

/// Two runs that cannot be compared.
#[derive(Debug, thiserror::Error)]
enum Unlike {
    #[error("the runs are of different tests: {before} and {after}")]
    Tests { before: String, after: String },
}

/// What changed, for each test that the files hold.
struct Comparison {
    tests: Vec<Tested>,
}

struct Tested {
    test: String,
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
    output.show(&comparison)?;
    let missed = comparison.tests.iter().flat_map(|tested| &tested.changes);
    let missed = missed.filter_map(|change| exceeded(change, &args.threshold)).next();
    missed.map_or(Ok(Exit::Success), |unmet| Err(unmet.into()))
}

impl Tested {
    fn of(before: &Measurement, after: &Measurement) -> Self {
        let target = if before.target == after.target {
            before.target.clone()
        } else {
            format!("{} and {}", before.target, after.target)
        };
        Self { test: before.test.to_string(), target, changes: compare(before, after) }
    }

    /// What changed by more than noise, for those who read no tables.
    fn sentence(&self) -> String {
        let found = |finding| {
            let changes = self.changes.iter();
            let found =
                changes.filter(move |it| it.difference.map(|it| it.finding()) == Some(finding));
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
            let difference = change.difference;
            json!({
                "test": self.test,
                "target": self.target,
                "measure": change.measure.name(),
                "unit": change.measure.unit(),
                "before": rounded(change.before),
                "after": rounded(change.after),
                "change": rounded(difference.map(|it| it.value)),
                "low": rounded(difference.map(|it| it.low)),
                "high": rounded(difference.map(|it| it.high)),
            })
        })
    }
}

/// To nanoseconds of a millisecond, as the other figures are.
fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1e6).round() / 1e6)
}

impl Report for Comparison {
    fn page(&self, page: &mut Page) {
        for tested in &self.tests {
            page.gap();
            page.line(format!("{} to {}", tested.test.to_uppercase(), tested.target));
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
    let unit = change.measure.unit();
    let figure = |value: Option<f64>| {
        value.map_or(unit::NONE.to_owned(), |value| format!("{value:.3} {unit}"))
    };
    let signed = |it: Difference| format!("{:+.3} {unit}", it.value);
    let interval = |it: Difference| format!("{:+.3} to {:+.3}", it.low, it.high);
    let shown =
        |show: &dyn Fn(Difference) -> String| change.difference.map_or(unit::NONE.to_owned(), show);
    let finding = match change.difference.map(|it| it.finding()) {
        Some(Finding::Better) => Cell::toned("better", Tone::Good),
        Some(Finding::Noise) => Cell::toned("noise", Tone::Faint),
        Some(Finding::Worse) => Cell::toned("worse", Tone::Bad),
        None => Cell::from(unit::NONE),
    };
    [
        change.measure.name().into(),
        figure(change.before).into(),
        figure(change.after).into(),
        Cell::toned(shown(&signed), Tone::Strong),
        shown(&interval).into(),
        finding,
    ]
}

/// Why a change is not allowed, if so. A measure that the second run could not take is worse than
/// any bound.
fn exceeded(change: &Change, allowances: &[Allowance]) -> Option<Unmet> {
    let allowed = allowances.iter().find(|allowed| allowed.measure == change.measure)?;
    let measured = match (change.difference, change.before, change.after) {
        (Some(it), ..) if it.value > allowed.at_most && it.finding() == Finding::Worse => {
            format!("{:+.3} {}", it.value, change.measure.unit())
        }
        (None, Some(_), None) => "not measured any more".to_owned(),
        _ => return None,
    };
    Some(Unmet::Change { measure: change.measure.name(), measured, bound: allowed.to_string() })
}

impl fmt::Display for Allowance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:+} {}", self.at_most, self.measure.unit())
    }
}

/// `loss=1%` or `p99=20ms`.
fn allowance(text: &str) -> Result<Allowance, String> {
    let (name, bound) = text.split_once('=').ok_or("write it as p99=20ms or loss=1%")?;
    let measure = Measure::ALL.into_iter().find(|measure| measure.name() == name.trim());
    let measure = measure.ok_or_else(|| {
        let names = Measure::ALL.map(Measure::name).join(", ");
        format!("{name:?} is none of {names}")
    })?;
    let at_most = match measure {
        Measure::Loss => percent_points(bound)?,
        _ => duration::parse(bound)?.as_secs_f64() * 1e3,
    };
    Ok(Allowance { measure, at_most })
}

fn percent_points(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').trim().parse() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("a percentage is 0 to 100".to_owned()),
    }
}
