//! What a measurement means, in sentences for someone who reads no tables: what it is good for, what was
//! lost, how long answers took, how a call would sound.

mod cache;
mod fitness;
mod losses;
mod streams;

use self::fitness::Fitness;
use super::{Flow, Measurement};
use crate::analysis::{Analysis, ms};
use crate::grade::Grades;
use crate::grade::tiphon::Index;

/// R-factor from which most are content with a call (ITU-T G.109: medium).
const R_CONTENT: f64 = 70.0;

/// A few sentences on the `total` of `measurement`; the first answers what was asked: how much the path
/// carries, what a cache saves, what the path is good for.
#[must_use]
pub fn verdict(measurement: &Measurement, total: &Analysis, grades: &Grades) -> String {
    let mut sentences = match &measurement.flow {
        Some(Flow::Tcp(run)) => streams::sentences(run),
        Some(Flow::Http(run)) => cache::sentence(run).into_iter().collect(),
        None => Vec::new(),
    };
    if total.received == 0 {
        sentences.push(losses::silence(measurement, total));
        return sentences.join(" ");
    }
    let fitness = fitness::of(measurement, total);
    sentences.extend(first(measurement, total, fitness));
    // Of streams it stands beside that of the idle path.
    sentences.extend(latency(total).filter(|_| measurement.bulk_figures().is_none()));
    sentences.extend(fitness.and_then(|fitness| voice(grades, fitness)));
    sentences.extend(tiphon(grades));
    sentences.join(" ")
}

/// What it is good for, and what was lost.
fn first(measurement: &Measurement, total: &Analysis, fitness: Option<Fitness>) -> Option<String> {
    let loss = losses::of(measurement, total)?;
    Some(match fitness {
        Some(fitness) => {
            let is_guess = losses::unseen_pct(total).is_some();
            format!("{}; {loss}.", fitness.sentence(is_guess))
        }
        None => format!("{}.", capitalized(&loss)),
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn latency(total: &Analysis) -> Option<String> {
    let half = ms(total.latency.percentile(50.0)?);
    let most = ms(total.latency.percentile(95.0)?);
    Some(format!("Half of the answers came within {half:.3} ms, 95 % within {most:.3} ms."))
}

/// The bounds of [`Fitness`] and the E-model are of different recommendations: where they differ, that
/// is said.
fn voice(grades: &Grades, fitness: Fitness) -> Option<String> {
    let voice = grades.voice?;
    let (mos, satisfaction, codec) = (voice.mos, voice.satisfaction(), voice.codec.name());
    let is_content = voice.r_factor >= R_CONTENT;
    let (call, still) = match (fitness.forbids_calls(), is_content) {
        (true, true) => ("By the E-model, which has no such bound, a voice call", "still "),
        (false, false) => ("Yet by the E-model a voice call", ""),
        _ => ("A voice call", ""),
    };
    Some(format!("{call} ({codec}) would {still}score MOS {mos:.2}: {satisfaction}."))
}

/// The mean, and beside it what it hides.
fn tiphon(grades: &Grades) -> Option<String> {
    let (mean, class) = grades.tiphon.mean.zip(grades.tiphon.overall())?;
    let named = |index: Index| format!("{} ({})", index.indonesian(), index.english());
    let worst = match grades.tiphon.worst_below(class) {
        Some((measure, worst)) => format!(", but {measure} {}", named(worst)),
        None => String::new(),
    };
    Some(format!("TIPHON (customary) index {mean:.2} of 4: {}{worst}.", named(class)))
}
