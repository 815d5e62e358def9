//! What a measurement found: tables with units, and a sentence that says what it means.

mod clients;

use std::time::Duration;

use selat_qos::analysis::{Analysis, Pacing, ms};
use selat_qos::grade::emodel::Codec;
use selat_qos::grade::tiphon::{Index, Tiphon};
use selat_qos::grade::y1541::{Basis, Y1541};
use selat_qos::grade::{Grades, Language, Profile};
use selat_qos::report::{self, COLUMNS, Condition, Measurement, Row, Test, verdict};
use serde_json::Value;

use super::calibrate;
use super::cost;
use super::files::Files;
use super::flows;
use super::grading::Grading;
use super::threshold::{Thresholds, Unmet};
use super::unanswered;
use crate::exit::Exit;
use crate::output::{Cell, Column, Grid, Output, Page, Records, Report, Tone, unit};

/// Names of the conditions that say what made a measurement.
const MEASURED_BY: &str = "measured by";
const COMMAND: &str = "command";

/// What becomes of a measurement: how it is graded, where it goes, what it must keep.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Ending {
    #[command(flatten)]
    pub(super) grading: Grading,
    #[command(flatten)]
    pub(super) files: Files,
    #[command(flatten)]
    pub(super) thresholds: Thresholds,
}

impl Ending {
    /// Concludes what `failure` ended before it was complete: what there is until then is shown and written,
    /// and the failure stands.
    pub(super) fn conclude_after(
        &self,
        failure: anyhow::Error,
        measurements: Vec<Measurement>,
        codec: Codec,
        output: &mut Output<'_, '_>,
    ) -> anyhow::Result<Exit> {
        if !measurements.is_empty()
            && let Err(unmet) = self.conclude(measurements, codec, output)
        {
            output.console.complain(&unmet);
        }
        Err(failure)
    }

    /// Shows what this command measured, graded as for `codec`, writes the files, and compares with the
    /// thresholds.
    pub(super) fn conclude(
        &self,
        measurements: Vec<Measurement>,
        codec: Codec,
        output: &mut Output<'_, '_>,
    ) -> anyhow::Result<Exit> {
        self.conclude_also(measurements, codec, Vec::new(), output)
    }

    /// The same, where bounds of the command's own are `missed`, each with the test that it is of.
    pub(super) fn conclude_also(
        &self,
        measurements: Vec<Measurement>,
        codec: Codec,
        missed: Vec<(Option<String>, Unmet)>,
        output: &mut Output<'_, '_>,
    ) -> anyhow::Result<Exit> {
        let results = Results::of(measurements, self.grading.profile(codec));
        Results { missed, ..results }.conclude(&self.files, &self.thresholds, output)
    }
}

/// What was measured.
pub(super) struct Results {
    measurements: Vec<Measurement>,
    profile: Profile,
    kind: Kind,
    /// Bounds that are exceeded, each with the test that it is of where that has to be named.
    missed: Vec<(Option<String>, Unmet)>,
}

/// Where results come from, and what they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// This command measured them.
    Own,
    /// This command measured the floor of this machine.
    Floor,
    /// Another command measured them.
    Kept,
}

impl Results {
    /// Of what this command measured.
    pub(super) fn of(measurements: Vec<Measurement>, profile: Profile) -> Self {
        Self { measurements, profile, kind: Kind::Own, missed: Vec::new() }
    }

    /// Of this machine alone.
    pub(super) fn floor(measurement: Measurement) -> Self {
        Self { kind: Kind::Floor, ..Self::of(vec![measurement], Profile::default()) }
    }

    /// Of what another command measured and kept.
    pub(super) fn kept(measurements: Vec<Measurement>, profile: Profile) -> Self {
        Self { measurements, profile, kind: Kind::Kept, missed: Vec::new() }
    }

    /// Shows them, writes the files, and compares with the thresholds.
    pub(super) fn conclude(
        mut self,
        files: &Files,
        thresholds: &Thresholds,
        output: &mut Output<'_, '_>,
    ) -> anyhow::Result<Exit> {
        if self.kind != Kind::Kept {
            self.sign(&output.console.command_line);
        }
        output.show(&self)?;
        files.write(&self.measurements, &self.profile, output.console)?;
        let is_one = self.measurements.len() == 1;
        for measurement in &self.measurements {
            let total = measurement.total();
            if let Some(unmet) = unanswered::why(measurement, &total) {
                return Err(unmet.into());
            }
            let name = || format!("{} {}", measurement.test.heading(), measurement.target);
            let exceeded = thresholds.exceeded(&total);
            self.missed.extend(exceeded.map(|unmet| ((!is_one).then(name), unmet)));
        }
        Unmet::all(self.missed)?;
        Ok(Exit::Success)
    }

    /// Notes beside each measurement what made it.
    fn sign(&mut self, command_line: &str) {
        const VERSION: &str = concat!("netctl ", env!("CARGO_PKG_VERSION"));
        for measurement in &mut self.measurements {
            measurement.conditions.push(Condition::new(MEASURED_BY, VERSION));
            measurement.conditions.push(Condition::new(COMMAND, command_line));
        }
    }

    fn rows(&self) -> Vec<Row> {
        self.measurements.iter().flat_map(|measured| measured.rows(&self.profile)).collect()
    }
}

impl Report for Results {
    fn page(&self, page: &mut Page) {
        for measurement in &self.measurements {
            page.gap();
            let total = measurement.total();
            let grades = measurement.grades(&total, &self.profile);
            page.line(title(measurement, &total));
            page.gap();
            if self.kind == Kind::Floor {
                calibrate::figures(measurement, page);
                worth_knowing(measurement, page);
                continue;
            }
            if measurement.clients.len() > 1 {
                page.grid(&clients::grid(measurement.test, &measurement.rows(&self.profile)));
                if let Some(fairness) = measurement.fairness() {
                    page.line(format!("fairness (Jain, of throughput): {fairness:.3} of 1"));
                }
                page.gap();
            }
            page.grid(&measures(measurement, &total, &grades, self.profile.language));
            page.gap();
            flows::sections(measurement, page);
            page.paragraph(&verdict(measurement, &total, &grades));
            worth_knowing(measurement, page);
            cost::show(measurement, page);
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&report::json(&self.rows())?)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        let mut records = Records::new(COLUMNS);
        for row in self.rows() {
            records.push_object(&serde_json::to_value(row)?);
        }
        Ok(records)
    }
}

fn title(measurement: &Measurement, total: &Analysis) -> String {
    let test = measurement.test.heading();
    let clients = match measurement.clients.len() {
        1 => String::new(),
        _ if measurement.is_by_verdict() => String::new(),
        clients => format!(" by {clients} clients"),
    };
    let sent = unit::plural(total.sent, noun(measurement.test), nouns(measurement.test));
    let duration = total.duration.map_or(String::new(), |time| format!(" in {}", unit::span(time)));
    format!("{test} {}: {sent}{clients}{duration}", measurement.target)
}

fn noun(test: Test) -> &'static str {
    match test {
        Test::Http => "request",
        _ => "probe",
    }
}

fn nouns(test: Test) -> &'static str {
    match test {
        Test::Http => "requests",
        _ => "probes",
    }
}

/// The figures of all clients together, each with its grade.
pub(super) fn measures(
    measurement: &Measurement,
    total: &Analysis,
    grades: &Grades,
    language: Language,
) -> Grid {
    let is_graded = grades.tiphon != Tiphon::default();
    let mut grid = Grid::new(&[
        Column::Left("MEASURE"),
        Column::Right("VALUE"),
        Column::Left("DETAIL"),
        Column::Left(if is_graded { "TIPHON" } else { "" }),
    ]);
    let tiphon = &grades.tiphon;
    let measure = |name, value, detail, grade| measure(name, value, detail, grade, language);
    let loss = total.loss_pct.map_or(unit::NONE.to_owned(), unit::percent);
    grid.row(measure("loss", loss, lost(measurement.test, total), tiphon.loss));
    let latency = flows::latency(measurement);
    grid.row(measure(latency, time(total.latency.mean()), latencies(total), tiphon.delay));
    grid.row(measure("jitter", figure_ms(total.jitter.mean_ms), rfc3550(total), tiphon.jitter));
    let throughput = total.throughput_bps.map_or(unit::NONE.to_owned(), unit::bit_rate);
    let received = total.bytes.map_or(String::new(), |bytes| {
        format!("{} {}", unit::bytes(bytes), flows::carried(measurement))
    });
    grid.row(measure("throughput", throughput, received, tiphon.throughput));
    if let Some((name, value, detail)) = flows::measure(measurement) {
        grid.row(measure(name, value, detail, None));
    }
    if let Some(one_way) = &total.one_way {
        let up = time(one_way.up.percentile(50.0));
        let error = ms(one_way.error);
        let back = time(one_way.down.percentile(50.0));
        let detail = format!("there, p50 ±{error:.3}; back {back}");
        grid.row(measure("one way", up, detail, None));
    }
    if let (Some(duplicates), Some(reordered)) = (total.duplicates, total.reordered) {
        let extra = "answers that came twice".to_owned();
        grid.row(measure("duplicates", unit::count(duplicates), extra, None));
        let late = match total.reordering.extent_max {
            Some(extent) => format!("answers that were overtaken, by up to {extent}"),
            None => "answers that were overtaken".to_owned(),
        };
        grid.row(measure("reordered", unit::count(reordered), late, None));
    }
    if let Some(pacing) = total.pacing.as_ref().filter(|_| !is_graded) {
        grid.row(measure("lateness", time(pacing.error.percentile(50.0)), late(pacing), None));
    }
    if let Some(voice) = grades.voice {
        let value = format!("MOS {:.2}", voice.mos);
        let detail =
            format!("R {:.1} ({}): {}", voice.r_factor, voice.codec.name(), voice.satisfaction());
        grid.row(measure("voice call", value, detail, None));
    }
    if let Some(y1541) = &grades.y1541 {
        grid.row(measure("network", format!("class {}", y1541.class()), objectives(y1541), None));
    }
    grid
}

/// The figures that a class of ITU-T Y.1541 is told by.
fn objectives(y1541: &Y1541) -> String {
    let basis = match y1541.basis {
        Basis::OneWay => "one way",
        Basis::RoundTrip => "round trip",
    };
    let doubt = if y1541.is_sound() { "" } else { "; too few packets to be sure" };
    let loss = if y1541.iplr > 0.0 { format!("{:.1e}", y1541.iplr) } else { "0".to_owned() };
    format!(
        "Y.1541, {basis}: mean {:.3}, IPDV {:.3} ms, loss {loss}{doubt}",
        y1541.iptd_ms, y1541.ipdv_ms
    )
}

fn measure(
    name: &str,
    value: String,
    detail: String,
    grade: Option<Index>,
    language: Language,
) -> [Cell; 4] {
    let grade = grade.map_or(Cell::from(""), |index| {
        Cell::toned(format!("{} {}", index.number(), index.name(language)), tone(index))
    });
    [name.into(), Cell::toned(value, Tone::Strong), Cell::toned(detail, Tone::Faint), grade]
}

fn lost(test: Test, total: &Analysis) -> String {
    let became = if test == Test::Http { "failed" } else { "lost" };
    match total.lost {
        0 => format!("{} of {} answered", unit::count(total.received), unit::count(total.sent)),
        lost => format!(
            "{} of {} {became}, at most {} in a row{}",
            unit::count(lost),
            unit::count(total.sent),
            total.loss_runs.longest,
            ways(total)
        ),
    }
}

/// On which way, where the reflector's count tells.
fn ways(total: &Analysis) -> String {
    total.loss_direction.map_or(String::new(), |lost| {
        let unknown = match lost.unknown {
            0 => String::new(),
            unknown => format!(", {} unknown", unit::count(unknown)),
        };
        format!("; {} there, {} back{unknown}", unit::count(lost.up), unit::count(lost.down))
    })
}

fn latencies(total: &Analysis) -> String {
    let latency = &total.latency;
    let figure = |name: &str, time: Option<Duration>| {
        time.map_or(format!("{name} {}", unit::NONE), |time| format!("{name} {:.3}", ms(time)))
    };
    [
        figure("min", latency.min()),
        figure("p50", latency.percentile(50.0)),
        figure("p95", latency.percentile(95.0)),
        figure("p99", latency.percentile(99.0)),
        figure("max", latency.max()),
    ]
    .join("  ")
}

/// How late probes left, beside the median.
fn late(pacing: &Pacing) -> String {
    let figure =
        |time: Option<Duration>| time.map_or(unit::NONE.to_owned(), |it| format!("{:.3}", ms(it)));
    format!(
        "of probes that left  p50 {}  p99 {}  max {}; {} when the next was due",
        figure(pacing.error.percentile(50.0)),
        figure(pacing.error.percentile(99.0)),
        figure(pacing.error.max()),
        unit::count(pacing.late)
    )
}

fn rfc3550(total: &Analysis) -> String {
    match total.jitter.rfc3550 {
        Some(jitter) => format!("RFC 3550: {:.3} ms, at most {:.3}", jitter.last_ms, jitter.max_ms),
        None => String::new(),
    }
}

/// Conditions that change how the figures are to be read.
fn worth_knowing(measurement: &Measurement, page: &mut Page) {
    for condition in &measurement.conditions {
        let (name, value) = (condition.name.as_str(), condition.value.as_str());
        if !USUAL_CONDITIONS.contains(&name) && value != "complete" {
            page.paragraph(&format!("{name}: {value}"));
        }
    }
}

/// Conditions that the page of a terminal leaves to the report.
const USUAL_CONDITIONS: [&str; 12] = [
    MEASURED_BY,
    COMMAND,
    "clients",
    "probes per client",
    "requests per client",
    "pattern",
    "size",
    "timeout",
    "pace",
    "receive times",
    "connections",
    "latency",
];

fn time(time: Option<Duration>) -> String {
    time.map_or(unit::NONE.to_owned(), unit::ms)
}

fn figure_ms(ms: Option<f64>) -> String {
    ms.map_or(unit::NONE.to_owned(), |ms| format!("{ms:.3} ms"))
}

fn tone(index: Index) -> Tone {
    match index {
        Index::VeryGood | Index::Good => Tone::Good,
        Index::Fair => Tone::Warning,
        Index::Poor => Tone::Bad,
    }
}
