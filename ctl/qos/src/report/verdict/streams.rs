//! What a path carried, how it felt meanwhile, and how responsive that is.

use crate::analysis::{Distribution, ms};
use crate::bulk::{BulkFigures, BulkRun, Goodput};
use crate::report::number::{bit_rate, count, plain};
use crate::responsiveness::class;

/// The sentences on `run`, in the order in which they matter.
pub(super) fn sentences(run: &BulkRun) -> Vec<String> {
    let figures = BulkFigures::of(run);
    let mut sentences = vec![carried(&figures)];
    sentences.extend(added(&figures));
    sentences.extend(responsiveness(run, &figures));
    sentences
}

fn carried(figures: &BulkFigures) -> String {
    let way = |word: &str, goodput: Option<Goodput>| {
        goodput.map(|it| format!("{} {word}", bit_rate(Some(it.bps))))
    };
    let ways: Vec<String> =
        [way("down", figures.down), way("up", figures.up)].into_iter().flatten().collect();
    match ways.as_slice() {
        [] => "Nothing was carried for long enough to tell how much.".to_owned(),
        ways => format!("The path carried {}.", ways.join(" and ")),
    }
}

fn added(figures: &BulkFigures) -> Option<String> {
    let median = |times: &Distribution| times.percentile(50.0).map(ms);
    let (idle, loaded) = (median(&figures.idle)?, median(&figures.loaded)?);
    Some(format!(
        "A small request took {idle:.3} ms while the path was idle and {loaded:.3} ms beside the load, \
         each at the median: {:+.3} ms added by the load.",
        loaded - idle
    ))
}

fn responsiveness(run: &BulkRun, figures: &BulkFigures) -> Option<String> {
    let [goodput, confidence] = run.confidence?;
    let Some(found) = figures.responsiveness else {
        return Some("Responsiveness: no probe was answered.".to_owned());
    };
    let rounded = |rpm: f64| count(rpm.round() as u64);
    let part = |name: &str, rpm: Option<f64>| match rpm {
        Some(rpm) => format!("{name} {}", rounded(rpm)),
        None => format!("{name} not measured"),
    };
    let idle = figures.idle_rpm.map_or(String::new(), |rpm| format!("; idle {}", rounded(rpm)));
    Some(format!(
        "Responsiveness: {} round trips a minute ({} ms; {}, {}{idle}): {}. Confidence: {}, in the goodput {}.",
        rounded(found.rpm),
        plain(60_000.0 / found.rpm),
        part("foreign", found.foreign_rpm),
        part("loaded", found.loaded_rpm),
        class(found.rpm),
        confidence.as_str(),
        goodput.as_str(),
    ))
}
