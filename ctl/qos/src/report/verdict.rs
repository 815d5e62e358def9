//! What a measurement means, in sentences for someone who reads no tables: what it is good for, what was
//! lost, how long answers took, how a call would sound.

mod fitness;

use std::time::Duration;

use crate::analysis::{Analysis, ms};
use crate::grade::Grades;
use crate::report::Test;

/// Share of losses, %, that zero losses in n probes leave possible at 95 % confidence, times n
/// (the rule of three, Hanley and Lippman-Hand 1983).
const RULE_OF_THREE_PCT: f64 = 300.0;
/// A possible loss below this is not worth a word, %.
const UNSEEN_PCT: f64 = 1.0;

/// One to four sentences on the figures of `test`; the first says what the path is good for.
#[must_use]
pub fn verdict(test: Test, analysis: &Analysis, grades: &Grades) -> String {
    match (analysis.sent, analysis.received) {
        (0, _) => "Nothing was sent.".to_owned(),
        (sent, 0) => format!("Nothing came back: {sent} sent, not one answered."),
        _ => [first(test, analysis), latency(analysis), voice(grades), tiphon(grades)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// What it is good for, and what was lost.
fn first(test: Test, analysis: &Analysis) -> Option<String> {
    let loss = loss(analysis)?;
    Some(match fitness::of(test, analysis) {
        Some(fitness) => format!("{}; {loss}.", fitness.sentence(unseen_pct(analysis).is_some())),
        None => format!("{}.", capitalized(&loss)),
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How much may be lost on a path of which no loss was seen, %, where that is worth a word.
fn unseen_pct(analysis: &Analysis) -> Option<f64> {
    let unseen = RULE_OF_THREE_PCT / analysis.sent as f64;
    (analysis.lost == 0 && unseen > UNSEEN_PCT).then_some(unseen.min(100.0))
}

fn loss(analysis: &Analysis) -> Option<String> {
    let pct = analysis.loss_pct?;
    let (lost, sent, runs) = (analysis.lost, analysis.sent, &analysis.loss_runs);
    let ways = ways(analysis);
    Some(match (lost, runs.runs) {
        (0, _) => {
            let all = if sent == 1 {
                "the only one was answered".to_owned()
            } else {
                format!("all {sent} were answered")
            };
            match unseen_pct(analysis) {
                Some(unseen) => format!("{all}, too few to rule out a loss of up to {unseen:.0} %"),
                None => all,
            }
        }
        (1, _) => {
            let at = minutes(runs.longest_at.unwrap_or_default());
            format!("1 of {sent} went unanswered ({pct:.2} %), at {at}{ways}")
        }
        (_, 1) => {
            let at = minutes(runs.longest_at.unwrap_or_default());
            format!("{lost} of {sent} went unanswered ({pct:.2} %), all in a row at {at}{ways}")
        }
        _ if runs.longest == 1 => {
            format!("{lost} of {sent} went unanswered ({pct:.2} %), never two in a row{ways}")
        }
        _ => {
            let (longest, at) = (runs.longest, minutes(runs.longest_at.unwrap_or_default()));
            format!(
                "{lost} of {sent} went unanswered ({pct:.2} %), up to {longest} in a row, at {at}{ways}"
            )
        }
    })
}

/// On which way probes were lost, where that is known.
fn ways(analysis: &Analysis) -> String {
    let parts = analysis.loss_direction.map_or_else(Vec::new, |lost| {
        [(lost.up, "on the way there"), (lost.down, "on the way back")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, way)| format!("{count} {way}"))
            .collect()
    });
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

/// Minutes and seconds of a run, as a stopwatch shows them.
fn minutes(since_start: Duration) -> String {
    let seconds = since_start.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn latency(analysis: &Analysis) -> Option<String> {
    let half = ms(analysis.latency.percentile(50.0)?);
    let most = ms(analysis.latency.percentile(95.0)?);
    Some(format!("Half of the answers came within {half:.3} ms, 95 % within {most:.3} ms."))
}

fn voice(grades: &Grades) -> Option<String> {
    let voice = grades.voice?;
    let (mos, satisfaction, codec) = (voice.mos, voice.satisfaction(), voice.codec.name());
    Some(format!("A voice call ({codec}) would score MOS {mos:.2}: {satisfaction}."))
}

fn tiphon(grades: &Grades) -> Option<String> {
    let (mean, class) = grades.tiphon.mean.zip(grades.tiphon.overall())?;
    let (indonesian, english) = (class.indonesian(), class.english());
    Some(format!("TIPHON (customary) index {mean:.2} of 4: {indonesian} ({english})."))
}
