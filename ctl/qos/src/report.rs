//! What is left of a measurement: rows for CSV and JSON, and a page to read.

mod csv;
mod detail;
mod flow;
mod html;
mod http_detail;
mod json;
mod made;
mod number;
mod prometheus;
mod raw;
mod row;
mod tcp_detail;
mod verdict;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::csv::{CsvError, append_csv, check_csv};
pub use self::detail::{Cost, Detail};
pub use self::flow::{BROKEN_OFF, FAILURES, Flow};
pub use self::html::html;
pub use self::http_detail::{ComparisonDetail, HttpDetail, Percentiles};
pub use self::json::json;
pub use self::made::Made;
pub use self::number::count;
pub use self::prometheus::{PrometheusError, prometheus, write_prometheus};
pub(crate) use self::raw::RawSample;
pub use self::raw::{Kept, RawError, read_raw, write_raw};
pub use self::row::{COLUMNS, Row, TOTAL_CLIENT};
pub use self::tcp_detail::{IntervalDetail, ResponsivenessDetail, TcpDetail};
pub use self::verdict::verdict;
use crate::analysis::{Analysis, Reordering};
use crate::compare::{Change, compare};
use crate::grade::{Grades, Profile};
use crate::load::total_time;
use crate::sample::Sample;
use crate::schedule::AT_ONCE;
use crate::session::{Ended, Pace, Peer, Run, UdpSpec};

/// What a measurement sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Test {
    /// Probes, each a datagram.
    Udp,
    /// Requests over TCP.
    Http,
    /// Streams from the server.
    #[serde(rename = "tcp_down")]
    TcpDown,
    /// Streams to the server.
    #[serde(rename = "tcp_up")]
    TcpUp,
    /// Streams both ways at once.
    #[serde(rename = "tcp_both")]
    TcpBoth,
    /// Responsiveness while streams come from the server.
    #[serde(rename = "rpm_down")]
    RpmDown,
    /// Responsiveness while streams go to the server.
    #[serde(rename = "rpm_up")]
    RpmUp,
}

impl Test {
    /// What the name of the target follows, such as `HTTP from`.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Udp => "UDP to",
            Self::Http => "HTTP from",
            Self::TcpDown => "TCP from",
            Self::TcpUp => "TCP to",
            Self::TcpBoth => "TCP both ways with",
            Self::RpmDown => "Responsiveness, load from",
            Self::RpmUp => "Responsiveness, load to",
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Udp => "udp",
            Self::Http => "http",
            Self::TcpDown => "tcp_down",
            Self::TcpUp => "tcp_up",
            Self::TcpBoth => "tcp_both",
            Self::RpmDown => "rpm_down",
            Self::RpmUp => "rpm_up",
        })
    }
}

/// One test against one target, by one or several clients, whatever the protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was tested.
    pub test: Test,
    /// Where: an address or a URL.
    pub target: String,
    /// Wall time that the samples count from.
    pub started_at: Timestamp,
    /// What a reader must know to judge the figures, in the order to print.
    pub conditions: Vec<Condition>,
    /// One for each client. Clients share the clock of the run.
    pub clients: Vec<Series>,
    /// The same probes sent straight to the other end, in turns with these, which went through a
    /// relay: what both differ by is what the relay costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub straight: Option<Box<Measurement>>,
    /// What was seen of requests or streams; `None` of datagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
}

/// A circumstance of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What, e.g. `size`.
    pub name: String,
    /// How much, with its unit, e.g. `172 B`.
    pub value: String,
}

/// The samples of one client, in send order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Who, e.g. `1`.
    pub client: String,
    /// One for each probe or request sent.
    pub samples: Vec<Sample>,
}

impl Measurement {
    /// The measurement that a UDP run was.
    #[must_use]
    pub fn udp(spec: &UdpSpec, mut run: Run) -> Self {
        let Some(straight) = spec.straight() else { return Self::of_run(spec, run) };
        let other = Run { target: straight, clients: run.clients.split_off(1), ..run.clone() };
        let mut measurement = Self::of_run(spec, run);
        let mut straight = Self::of_run(spec, other);
        let note = |way: &str, target: &str| {
            Condition::new("compared with", format!("the same probes {way} {target}, in turns"))
        };
        measurement.conditions.push(note("straight to", &straight.target));
        straight.conditions.push(note("through the relay at", &measurement.target));
        Self { straight: Some(Box::new(straight)), ..measurement }
    }

    fn of_run(spec: &UdpSpec, run: Run) -> Self {
        Self {
            test: Test::Udp,
            target: run.target.to_string(),
            started_at: run.started_at,
            conditions: udp_conditions(spec, &run),
            clients: (1..)
                .zip(run.clients)
                .map(|(number, client): (u32, _)| Series {
                    client: number.to_string(),
                    samples: client.samples,
                })
                .collect(),
            straight: None,
            flow: None,
        }
    }

    /// What the relay costs: every measure of the probes that went straight, of these, and the
    /// difference; `None` where none went straight.
    #[must_use]
    pub fn relay_cost(&self) -> Option<Vec<Change>> {
        self.straight.as_deref().map(|straight| compare(straight, self))
    }

    /// The figures of all clients together.
    #[must_use]
    pub fn total(&self) -> Analysis {
        let clients: Vec<&[Sample]> =
            self.clients.iter().map(|series| series.samples.as_slice()).collect();
        let mut total = self.known(Analysis::of_all(&clients));
        match &self.flow {
            Some(Flow::Tcp(run)) => flow::carry(run, &mut total),
            Some(Flow::Http(run)) => {
                total.take_total_time(total_time(run.clients.iter().flatten()))
            }
            None => {}
        }
        total
    }

    /// The figures of each client.
    fn each(&self) -> Vec<Analysis> {
        let figures = |series: &Series| self.known(Analysis::of(&series.samples));
        let mut each: Vec<Analysis> = self.clients.iter().map(figures).collect();
        if let Some(Flow::Http(run)) = &self.flow {
            let times = flow::times(run, self.is_by_verdict());
            each.iter_mut().zip(times).for_each(|(figures, time)| figures.take_total_time(time));
        }
        each
    }

    /// `figures` without what datagrams alone have. The samples of a flow begin when they were due: how late
    /// they left, only the flow itself can tell.
    fn known(&self, figures: Analysis) -> Analysis {
        match self.flow {
            None => figures,
            Some(_) => Analysis {
                duplicates: None,
                reordered: None,
                reordering: Reordering::default(),
                pacing: None,
                ..figures
            },
        }
    }

    /// Jain's fairness index of the clients' throughputs, (Σx)² / (n Σx²): 1 is served alike, 1/n is
    /// one that got everything (Jain, Chiu, Hawe 1984). `None` of fewer than two clients that sent,
    /// or where nobody got anything.
    #[must_use]
    pub fn fairness(&self) -> Option<f64> {
        let sent = self.each().into_iter().filter(|figures| figures.sent > 0);
        let throughputs: Vec<f64> =
            sent.map(|figures| figures.throughput_bps.unwrap_or(0.0)).collect();
        let (sum, squares) =
            throughputs.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        let is_comparison = throughputs.len() > 1 && squares > 0.0 && !self.is_by_verdict();
        is_comparison.then(|| sum * sum / (throughputs.len() as f64 * squares))
    }

    /// Whether all was sent at once or in bundles: such a run tells what a path takes, and nothing of
    /// what a call or a reader would get.
    #[must_use]
    pub fn is_flood(&self) -> bool {
        self.conditions.iter().any(|it| match it.name.as_str() {
            "pace" => it.value == FLOOD,
            "pattern" => it.value.contains(AT_ONCE),
            _ => false,
        })
    }

    /// The grades of these figures. Voice is rated only by datagrams: TCP repeats what is lost, and
    /// a request's latency holds the server's work, so the E-model knows neither.
    #[must_use]
    pub fn grades(&self, analysis: &Analysis, profile: &Profile) -> Grades {
        let grades = Grades::of(analysis, profile);
        match self.test {
            Test::Udp => grades,
            _ => Grades { voice: None, y1541: None, ..grades },
        }
    }

    /// A row for each client, if there are several, and one for the total, last; then those of what
    /// went straight, if something did.
    #[must_use]
    pub fn rows(&self, profile: &Profile) -> Vec<Row> {
        let row = |client: &str, analysis: &Analysis| {
            Row::new(self, client, analysis, &self.grades(analysis, profile))
        };
        let mut rows = Vec::with_capacity(self.clients.len() + 1);
        if self.clients.len() > 1 {
            let each = self.each();
            let each = self.clients.iter().zip(&each);
            rows.extend(each.map(|(series, figures)| row(&series.client, figures)));
        }
        let mut total = row(TOTAL_CLIENT, &self.total());
        total.detail.fairness = self.fairness();
        total.detail.relay_cost = self.relay_cost().map(|cost| cost.iter().map(Cost::of).collect());
        if let Some(flow) = &self.flow {
            total.detail.add_flow(flow);
        }
        rows.push(total);
        rows.extend(self.straight.iter().flat_map(|straight| straight.rows(profile)));
        rows
    }
}

impl Condition {
    /// A condition.
    #[must_use]
    pub fn new(name: &str, value: impl ToString) -> Self {
        Self { name: name.to_owned(), value: value.to_string() }
    }
}

/// The pace of a run that sends in bundles.
const FLOOD: &str = "flood: what is due leaves in bundles";

fn udp_conditions(spec: &UdpSpec, run: &Run) -> Vec<Condition> {
    let pace = match spec.pace() {
        Pace::Eco => "eco: sleeps to each deadline",
        Pace::Precise => "precise: spins before each deadline",
        Pace::Flood => FLOOD,
    };
    let mut conditions = vec![
        Condition::new("clients", run.clients.len()),
        Condition::new("probes per client", spec.schedule().count()),
        Condition::new("pattern", spec.schedule().describe()),
        Condition::new("size", format!("{} B of UDP payload", spec.size())),
        Condition::new("timeout", format!("{:?} after the last probe", spec.timeout())),
        Condition::new(made::PACE, pace),
        Condition::new(made::STAMPS, stamps(run)),
        Condition::new(made::ANSWERS, peers(run)),
        Condition::new(made::ENDED, ending(run.ended)),
    ];
    conditions.extend(anomalies(run));
    conditions.extend(limit(spec, run));
    conditions
}

/// Share of the time in which a thread that does nothing else can be said to be at its limit.
const BUSY_MAX: f64 = 0.95;

/// Whether the figures are of the machine that measured rather than of the path: it could not send
/// as fast as it was asked to.
fn limit(spec: &UdpSpec, run: &Run) -> Option<Condition> {
    let clients: Vec<&[Sample]> = run.clients.iter().map(|client| &client.samples[..]).collect();
    let late = Analysis::of_all(&clients).pacing.and_then(|pacing| pacing.fell_behind());
    // A sender that spins to each deadline, or that sends all it can, is busy by design.
    let is_busy =
        run.sender_busy > BUSY_MAX && spec.pace() == Pace::Eco && !spec.schedule().is_burst();
    let reasons = [
        late.map(|share| {
            format!("{:.1} % of the probes left when the next was due", share * 100.0)
        }),
        is_busy.then(|| {
            format!("the sending thread ran {:.0} % of the time", run.sender_busy * 100.0)
        }),
    ];
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    (!reasons.is_empty()).then(|| {
        let advice = "ask for fewer clients or a lower rate, or measure from several machines";
        Condition::new("generator", format!("was the limit: {}; {advice}", reasons.join("; ")))
    })
}

fn stamps(run: &Run) -> String {
    const KERNEL: &str = "kernel, as it took the datagram in";
    const USER: &str = "user space, after the receive call";
    match run.user_stamped() {
        (_, 0) => "none: nothing came back".to_owned(),
        (0, _) => KERNEL.to_owned(),
        (user, all) if user == all => USER.to_owned(),
        (user, all) => format!("{KERNEL}; {user} of {all} in {USER}"),
    }
}

fn peers(run: &Run) -> String {
    const KNOWN: [(Peer, &str); 4] = [
        (Peer::Authenticated, "STAMP reflector, authenticated"),
        (Peer::Reflector, "STAMP reflector"),
        (Peer::TwampLight, "TWAMP-Light reflector"),
        (Peer::Echo, "plain echo"),
    ];
    let has = |peer| run.clients.iter().any(|client| client.peer == Some(peer));
    let found: Vec<&str> =
        KNOWN.iter().filter(|(peer, _)| has(*peer)).map(|(_, name)| *name).collect();
    match found.as_slice() {
        [] => "none".to_owned(),
        ["plain echo"] => "plain echo: its residence time is part of the latency".to_owned(),
        [name] => format!("{name}: its residence time is not part of the latency"),
        several => format!("{} for some clients each", several.join(", ")),
    }
}

fn ending(ended: Ended) -> &'static str {
    match ended {
        Ended::Complete => "complete",
        Ended::Cancelled => "cancelled",
        Ended::Refused => "given up: nobody listens at the target",
    }
}

/// Counters that are zero in a sound run; only those that are not.
fn anomalies(run: &Run) -> impl Iterator<Item = Condition> {
    let sum =
        |counter: fn(&crate::session::ClientRun) -> u64| run.clients.iter().map(counter).sum();
    let counters: [(&str, u64); 8] = [
        ("probes not sent", sum(|client| client.unsent)),
        ("probes whose answers were not waited for", sum(|client| client.unawaited)),
        ("port unreachable (ICMP)", sum(|client| client.refused)),
        ("host or network unreachable (ICMP)", sum(|client| client.unreachable)),
        ("datagrams that answer no probe", sum(|client| client.foreign)),
        ("answers after the time-out, counted as lost", sum(|client| client.late)),
        ("answers dropped here for want of buffer", sum(|client| client.overruns.unwrap_or(0))),
        ("times the wall clock was set", run.clock_steps),
    ];
    counters
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| Condition::new(name, count))
}
