//! How much was done in what time, and how many round trips would fit into a minute: more is better.

use std::time::Duration;

use rand_pcg::Pcg64;

use super::Measure;
use super::redraw::{Redraw, in_blocks};
use crate::bulk::BulkRun;
use crate::load::{Exchange, LoadRun};
use crate::responsiveness::ProbeTimes;

/// Steps of a run, each of which did something in some time.
pub(super) struct Pace {
    measure: Measure,
    steps: Vec<Step>,
}

#[derive(Clone, Copy)]
struct Step {
    done: f64,
    time_s: f64,
}

impl Pace {
    /// What ended, each in the time since the one before it: an answer is done, a failure took its time.
    pub(super) fn of_answers(run: &LoadRun) -> Self {
        let all = || run.clients.iter().flatten();
        let done = |it: &Exchange| if it.is_answered() { 1.0 } else { 0.0 };
        let mut ends: Vec<(Duration, f64)> = all().map(|it| (it.ended_at, done(it))).collect();
        ends.sort_unstable_by_key(|(end, _)| *end);
        let mut last = all().map(|it| it.due_at).min().unwrap_or_default();
        let step = |(end, done): (Duration, f64)| {
            let time = end.saturating_sub(last);
            last = end;
            Step { done, time_s: time.as_secs_f64() }
        };
        Self { measure: Measure::Rate, steps: ends.into_iter().map(step).collect() }
    }

    /// What streams carried in each interval that counts, bits.
    pub(super) fn of_streams(run: &BulkRun) -> Self {
        let steps = run.intervals.iter().filter(|it| it.counts_in(run)).map(|it| Step {
            done: it.bps() * it.length.as_secs_f64(),
            time_s: it.length.as_secs_f64(),
        });
        Self { measure: Measure::Throughput, steps: steps.collect() }
    }
}

impl Redraw for Pace {
    fn count(&self) -> usize {
        self.steps.len()
    }

    fn redraw(&self, draws: &mut Pcg64) -> Self {
        Self { measure: self.measure, steps: in_blocks(&self.steps, draws) }
    }

    fn figures(&self) -> Vec<(Measure, Option<f64>)> {
        let sum = |part: fn(&Step) -> f64| self.steps.iter().map(part).sum::<f64>();
        let time_s = sum(|step| step.time_s);
        vec![(self.measure, (time_s > 0.0).then(|| sum(|step| step.done) / time_s))]
    }
}

/// The round trips that responsiveness is of.
pub(super) struct RoundTrips(ProbeTimes);

impl RoundTrips {
    pub(super) fn of(run: &BulkRun) -> Self {
        Self(run.last_probe_times())
    }
}

impl Redraw for RoundTrips {
    fn count(&self) -> usize {
        self.0.http_foreign.len() + self.0.http_loaded.len()
    }

    fn redraw(&self, draws: &mut Pcg64) -> Self {
        let mut redrawn = |times: &[Duration]| in_blocks(times, draws);
        Self(ProbeTimes {
            tcp_foreign: redrawn(&self.0.tcp_foreign),
            tls_foreign: redrawn(&self.0.tls_foreign),
            http_foreign: redrawn(&self.0.http_foreign),
            http_loaded: redrawn(&self.0.http_loaded),
        })
    }

    fn figures(&self) -> Vec<(Measure, Option<f64>)> {
        vec![(Measure::Rpm, self.0.responsiveness().map(|it| it.rpm))]
    }
}
