//! What was lost of probes, and what failed of requests: how much, when, on which way or why.

use std::time::Duration;

use crate::analysis::Analysis;
use crate::report::number::count;
use crate::report::{Measurement, Test};

/// Share of losses, %, that zero losses in n probes leave possible at 95 % confidence, times n
/// (the rule of three, Hanley and Lippman-Hand 1983).
const RULE_OF_THREE_PCT: f64 = 300.0;
/// A possible loss below this is not worth a word, %.
const UNSEEN_PCT: f64 = 1.0;

/// The sentence on a run that got no answer which counts.
pub(super) fn silence(measurement: &Measurement, total: &Analysis) -> String {
    let sent = count(total.sent);
    match measurement.test {
        Test::Udp | Test::Http if total.sent == 0 => "Nothing was sent.".to_owned(),
        _ if total.sent == 0 => "No probe was sent beside the load.".to_owned(),
        Test::Http => format!("{sent} of {sent} failed{}.", reasons(measurement)),
        Test::Udp => format!("Nothing came back: {sent} sent, not one answered."),
        _ => format!("Of {sent} probes beside the load not one was answered."),
    }
}

/// How much may be lost on a path of which no loss was seen, %, where that is worth a word.
pub(super) fn unseen_pct(total: &Analysis) -> Option<f64> {
    let unseen = RULE_OF_THREE_PCT / total.sent as f64;
    (total.lost == 0 && unseen > UNSEEN_PCT).then_some(unseen.min(100.0))
}

/// How many went unanswered or failed; `None` where nothing was sent.
pub(super) fn of(measurement: &Measurement, total: &Analysis) -> Option<String> {
    let pct = total.loss_pct?;
    if total.lost == 0 {
        return Some(none(measurement.test, total));
    }
    let runs = &total.loss_runs;
    let at = minutes(runs.longest_at.unwrap_or_default());
    let when = match (total.lost, runs.runs, runs.longest) {
        (1, _, _) => format!("at {at}"),
        (_, 1, _) => format!("all in a row at {at}"),
        (_, _, 1) => "never two in a row".to_owned(),
        (_, _, longest) => format!("up to {} in a row, at {at}", count(longest)),
    };
    let (became, why) = match measurement.test {
        Test::Http => ("failed", reasons(measurement)),
        Test::Udp => ("went unanswered", ways(total)),
        _ => ("probes went unanswered", String::new()),
    };
    let (lost, sent) = (count(total.lost), count(total.sent));
    Some(format!("{lost} of {sent} {became} ({pct:.2} %), {when}{why}"))
}

fn none(test: Test, total: &Analysis) -> String {
    let probes = if matches!(test, Test::Udp | Test::Http) { "" } else { " probes" };
    let all = match total.sent {
        1 => "the only one was answered".to_owned(),
        sent => format!("all {}{probes} were answered", count(sent)),
    };
    match unseen_pct(total) {
        Some(unseen) => format!("{all}, too few to rule out a loss of up to {unseen:.0} %"),
        None => all,
    }
}

/// What came of requests that failed, where that is known.
fn reasons(measurement: &Measurement) -> String {
    measurement.failures().map_or_else(String::new, |failures| format!(": {failures}"))
}

/// On which way probes were lost, where that is known.
fn ways(total: &Analysis) -> String {
    let parts = total.loss_direction.map_or_else(Vec::new, |lost| {
        [(lost.up, "on the way there"), (lost.down, "on the way back")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(lost, way)| format!("{} {way}", count(lost)))
            .collect()
    });
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

/// Minutes and seconds of a run, as a stopwatch shows them.
fn minutes(since_start: Duration) -> String {
    let seconds = since_start.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
