//! The measurement that a run of streams was: its samples are the probes beside the load.

use std::collections::BTreeMap;

use super::super::{Condition, Measurement, Series, Test};
use super::Flow;
use crate::analysis::Analysis;
use crate::bulk::{BulkFigures, BulkRun, BulkSpec, Goodput, Plan, Probe, ProbeKind};
use crate::responsiveness::DRAFT;
use crate::sample::Sample;

/// Name of the condition that says how many streams broke off, and why.
pub const BROKEN_OFF: &str = "streams that broke off";

impl Measurement {
    /// The measurement that `run` was.
    #[must_use]
    pub fn tcp(test: Test, spec: &BulkSpec, run: BulkRun) -> Self {
        let is_counted = |it: &&Probe| (run.counted_at..run.ended_at).contains(&it.at);
        let foreign = run.probes.iter().filter(|it| it.kind == ProbeKind::Foreign);
        let samples = (0..).zip(foreign.filter(is_counted)).map(sample).collect();
        Self {
            test,
            target: spec.base.to_string(),
            started_at: run.started_at,
            conditions: conditions(spec, &run),
            clients: vec![Series { client: "1".to_owned(), samples }],
            straight: None,
            flow: Some(Flow::Tcp(run)),
        }
    }
}

/// A request on a connection of its own: it counts from when that was there.
fn sample((seq, probe): (u32, &Probe)) -> Sample {
    let opening = probe.connect.unwrap_or_default() + probe.tls.unwrap_or_default();
    let sent_at = probe.at + opening;
    Sample {
        received_at: probe.http.map(|time| sent_at + time),
        bytes: u64::from(probe.http.is_some()),
        ..Sample::sent(seq, sent_at, sent_at)
    }
}

/// Makes bytes, time and throughput of `total` those of the streams: probes carry next to nothing.
pub(in crate::report) fn carry(run: &BulkRun, total: &mut Analysis) {
    let figures = BulkFigures::of(run);
    let both = || [figures.down, figures.up].into_iter().flatten();
    let sum = |part: fn(&Goodput) -> f64| both().map(|it| part(&it)).sum::<f64>();
    let is_known = both().count() > 0;
    total.bytes = is_known.then(|| both().map(|it| it.bytes).sum());
    total.throughput_bps = is_known.then(|| sum(|it| it.bps));
    total.throughput_up_bps = figures.up.map(|it| it.bps);
    let counted = run.ended_at.saturating_sub(run.counted_at);
    total.duration = Some(counted).filter(|time| !time.is_zero());
}

/// `4: REASON`, or of several reasons each with its count.
fn broken_off(failures: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    failures.iter().for_each(|reason| *counts.entry(reason).or_default() += 1);
    let each = counts.iter().map(|(reason, count)| match counts.len() {
        1 => (*reason).to_owned(),
        _ => format!("{reason} × {count}"),
    });
    format!("{}: {}", failures.len(), each.collect::<Vec<_>>().join("; "))
}

fn conditions(spec: &BulkSpec, run: &BulkRun) -> Vec<Condition> {
    let protocol = spec.dialer.protocol().name();
    let (pattern, connections) = match spec.plan {
        Plan::Steady { warm_up, .. } => (
            format!("load for {:?}, the first {warm_up:?} left out", spec.duration),
            format!("{} each way; {protocol}", spec.streams),
        ),
        Plan::Responsiveness => (
            format!("{DRAFT}, an interval of {:?}, at most {:?}", spec.interval, spec.duration),
            format!("one more each interval; {protocol}"),
        ),
    };
    let mut conditions = vec![
        Condition::new("clients", 1),
        Condition::new("pattern", pattern),
        Condition::new("connections", connections),
        Condition::new("timeout", format!("{:?} for each probe", spec.timeout)),
        Condition::new("latency", "of small requests on connections of their own, beside the load"),
    ];
    if !run.failures.is_empty() {
        conditions.push(Condition::new(BROKEN_OFF, broken_off(&run.failures)));
    }
    if run.is_cancelled {
        conditions.push(Condition::new("ended", "cancelled"));
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_with_its_count() {
        let told = |reasons: &[&str]| {
            broken_off(&reasons.iter().map(|reason| (*reason).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(told(&["refused"]), "1: refused");
        assert_eq!(told(&["refused"; 4]), "4: refused");
        assert_eq!(told(&["slow", "cut", "slow"]), "3: cut × 1; slow × 2");
    }
}
