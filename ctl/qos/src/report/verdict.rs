//! What a measurement means, in sentences for someone who reads no tables.

use std::time::Duration;

use crate::analysis::{Analysis, ms};
use crate::grade::Grades;

/// One to four sentences: what was lost, how long answers took, what a call would be like.
#[must_use]
pub fn verdict(analysis: &Analysis, grades: &Grades) -> String {
    match (analysis.sent, analysis.received) {
        (0, _) => "Nothing was sent.".to_owned(),
        (sent, 0) => format!("Nothing came back: {sent} sent, not one answered."),
        _ => [loss(analysis), latency(analysis), voice(grades), tiphon(grades)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn loss(analysis: &Analysis) -> Option<String> {
    let pct = analysis.loss_pct?;
    let (lost, sent, runs) = (analysis.lost, analysis.sent, &analysis.loss_runs);
    let ways = ways(analysis);
    Some(match (lost, runs.longest) {
        (0, _) => format!("All {sent} were answered."),
        (_, 1) => {
            format!("{lost} of {sent} went unanswered ({pct:.2} %), never two in a row{ways}.")
        }
        (_, longest) => {
            let at = minutes(runs.longest_at.unwrap_or_default());
            format!(
                "{lost} of {sent} went unanswered ({pct:.2} %), {longest} in a row at {at}{ways}."
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
