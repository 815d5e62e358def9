//! What it means that a test has no answers, by the kind of test.

use selat_qos::analysis::Analysis;
use selat_qos::report::{BROKEN_OFF, FAILURES, Flow, Measurement};

use super::threshold::Unmet;

/// Why `measurement` is no success, where nothing came back, or nothing that was good.
pub(super) fn why(measurement: &Measurement, total: &Analysis) -> Option<Unmet> {
    if total.received > 0 {
        return None;
    }
    let target = measurement.target.clone();
    let condition = |name: &str| {
        let found = measurement.conditions.iter().find(|condition| condition.name == name);
        found.map(|condition| condition.value.clone())
    };
    match (&measurement.flow, condition(FAILURES), condition(BROKEN_OFF)) {
        (None, ..) => Some(Unmet::Silent { target }),
        // The server answered before; what was measured until it was ended is shown.
        (Some(Flow::Tcp(run)), ..) if run.is_cancelled => None,
        (_, Some(reason), _) => Some(Unmet::Failed { target, reason }),
        (_, _, Some(reason)) => Some(Unmet::Broken { target, reason }),
        (Some(_), None, None) => Some(Unmet::Unanswered { target }),
    }
}
