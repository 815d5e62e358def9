//! What a cache saves, and whether that may be chance.

use crate::analysis::{Distribution, ms};
use crate::load::{Comparison, LoadFigures, LoadRun};
use crate::report::number::count;

/// Differences that chance makes less often than this are no accident.
const P_VALUE_MAX: f64 = 0.01;

/// The sentence on hits and misses; `None` where they were not asked for in turns.
pub(super) fn sentence(run: &LoadRun) -> Option<String> {
    if !run.clients.iter().flatten().any(|it| it.is_cold) {
        return None;
    }
    Some(match &LoadFigures::of(run).comparison {
        Some(comparison) => compared(comparison),
        None => {
            "Hits and misses cannot be compared: there are too few of one of them. See with netctl \
            fetch what the cache says of this URL, and whether it keeps it at all."
                .to_owned()
        }
    })
}

fn compared(comparison: &Comparison) -> String {
    let shift = comparison.shift;
    let median = |times: &Distribution| times.percentile(50.0).map_or(0.0, ms);
    let (hit, miss) = (median(&comparison.hits), median(&comparison.misses));
    let number = |times: &Distribution| count(times.sorted().len() as u64);
    let told_by = if comparison.is_labelled { "Cache-Status" } else { "what was asked for" };
    format!(
        "{}: {} hits took {hit:.3} ms at the median, {} misses {miss:.3} ms (told by {told_by}). \
         Difference {:+.3} ms, 95 % between {:+.3} and {:+.3}; a miss was the slower of a pair in \
         {:.1} % (Mann-Whitney p {}).",
        finding(comparison, hit, miss),
        number(&comparison.hits),
        number(&comparison.misses),
        shift.median_ms,
        shift.low_ms,
        shift.high_ms,
        shift.longer * 100.0,
        p_value(shift.p_value)
    )
}

/// Two tests have to agree before a difference is claimed: that of the ranks, and the interval of the
/// difference, which holds zero where chance alone could have made it.
fn finding(comparison: &Comparison, hit: f64, miss: f64) -> String {
    let shift = comparison.shift;
    let is_sure = shift.low_ms > 0.0 || shift.high_ms < 0.0;
    let likely = if is_sure { "" } else { "likely " };
    let doubt = if is_sure { "" } else { ", though the difference of the medians may be chance" };
    match (shift.p_value < P_VALUE_MAX, shift.median_ms > 0.0) {
        (false, _) => "No difference between hits and misses can be told".to_owned(),
        (true, true) if hit > 0.0 => {
            format!("A hit is {likely}{:.1} times as fast as a miss{doubt}", miss / hit)
        }
        (true, true) => format!("A hit is {likely}faster than a miss{doubt}"),
        (true, false) => format!("A hit is {likely}slower than a miss{doubt}"),
    }
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}
