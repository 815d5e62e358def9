//! What became of each probe or request.

use rand_pcg::Pcg64;

use super::Measure;
use super::redraw::{Redraw, in_blocks, percentile};
use crate::analysis::ms;
use crate::report::{Measurement, Test};
use crate::sample::Sample;

/// The probes of all clients, one client after the other.
pub(super) struct Outcomes {
    list: Vec<Outcome>,
    /// What it is called that no good answer came.
    failing: Measure,
}

/// What became of a probe, ms.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    latency: Option<f64>,
    /// |latency(i) − latency(i−1)| from the answer before it.
    step: Option<f64>,
}

impl Outcomes {
    pub(super) fn of(measurement: &Measurement) -> Self {
        let clients = measurement.clients.iter().map(|series| series.samples.as_slice());
        let failing = match measurement.test {
            Test::Http => Measure::Errors,
            _ => Measure::Loss,
        };
        Self { list: clients.flat_map(outcomes).collect(), failing }
    }
}

impl Redraw for Outcomes {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn redraw(&self, draws: &mut Pcg64) -> Self {
        Self { list: in_blocks(&self.list, draws), failing: self.failing }
    }

    fn figures(&self) -> Vec<(Measure, Option<f64>)> {
        let mut latencies: Vec<f64> = self.list.iter().filter_map(|it| it.latency).collect();
        let (all, failed) = (self.list.len(), self.list.len() - latencies.len());
        let failed_pct = (all > 0).then(|| failed as f64 * 100.0 / all as f64);
        let steps: Vec<f64> = self.list.iter().filter_map(|it| it.step).collect();
        vec![
            (self.failing, failed_pct),
            (Measure::Mean, mean(&latencies)),
            (Measure::P50, percentile(&mut latencies, 50.0)),
            (Measure::P95, percentile(&mut latencies, 95.0)),
            (Measure::P99, percentile(&mut latencies, 99.0)),
            (Measure::Jitter, mean(&steps)),
        ]
    }
}

fn outcomes(samples: &[Sample]) -> impl Iterator<Item = Outcome> {
    let mut last = None;
    samples.iter().map(move |sample| {
        let latency = sample.latency().map(ms);
        let step = latency.zip(last).map(|(latency, last): (f64, f64)| (latency - last).abs());
        last = latency.or(last);
        Outcome { latency, step }
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
