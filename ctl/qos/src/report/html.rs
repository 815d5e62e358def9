//! One self-contained page: inline style, inline drawings, no script, nothing from the network.
//! Everything that comes from outside is escaped by the templates.

mod chart;
mod cost;
mod overlaid;
mod plots;
mod requests;
mod streams;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::number::{self, bit_rate, milliseconds, plain, with_unit};
use super::{Measurement, Test, verdict};
use crate::analysis::{Analysis, Distribution};
use crate::grade::{Grades, Language, Profile};
use crate::sample::Sample;

const STYLE: &str = include_str!("html/style.css");

/// A page on `measurements`, in their order, graded under `profile`.
#[must_use]
pub fn html(measurements: &[Measurement], profile: &Profile) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title(measurements)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Quality of service" }
                    (overlaid::section(measurements))
                    @for measurement in measurements { (section(measurement, profile)) }
                }
                footer.muted {
                    "Written by netctl " (env!("CARGO_PKG_VERSION")) ". All times are by the clock of \
                     the machine that sent; a dash stands for what was not measured."
                }
            }
        }
    };
    page.into_string()
}

fn title(measurements: &[Measurement]) -> String {
    match measurements {
        [] => "Quality of service".to_owned(),
        [only] => format!("{} {}", only.test.heading(), only.target),
        several => format!("Quality of service: {} measurements", several.len()),
    }
}

fn section(measurement: &Measurement, profile: &Profile) -> Markup {
    let total = measurement.total();
    let grades = measurement.grades(&total, profile);
    markup! {
        section {
            h2 { (measurement.test.heading()) " " (measurement.target) }
            p.muted { (when(measurement, &total)) }
            p.verdict { (unbroken(&verdict(measurement, &total, &grades))) }
            (tiles(measurement, &total, &grades, profile.language))
            div.grid {
                (streams::panels(measurement))
                (drawings(measurement, &total))
                (requests::panels(measurement))
                div.panel.wide {
                    h3 { "Figures" }
                    (tables::figures(measurement, &total))
                }
                div.panel.wide {
                    h3 { "Grades" }
                    div.grades { (tables::grades(&total, &grades, profile)) }
                }
                @if let (Some(straight), Some(cost)) = (&measurement.straight, measurement.relay_cost()) {
                    div.panel.wide { (cost::table(&straight.target, &cost)) }
                }
                @if measurement.clients.len() > 1 {
                    div.panel.wide { (tables::clients(measurement, &measurement.rows(profile))) }
                }
            }
        }
    }
}

/// The text with each number and its unit on one line.
fn unbroken(text: &str) -> String {
    text.replace(" %", "\u{a0}%").replace(" ms", "\u{a0}ms")
}

/// When it began, and how long it took.
fn when(measurement: &Measurement, total: &Analysis) -> String {
    let began = measurement.started_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match total.duration {
        Some(took) => format!("Started {began}, took {} s", plain(took.as_secs_f64())),
        None => format!("Started {began}"),
    }
}

fn tiles(
    measurement: &Measurement,
    total: &Analysis,
    grades: &Grades,
    language: Language,
) -> Markup {
    let latency = &total.latency;
    let loss = match measurement.test {
        Test::Udp => "Packet loss",
        Test::Http => "Failed",
        _ => "Probes unanswered",
    };
    let median = match measurement.test {
        Test::Udp | Test::Http => "Latency, median",
        _ => "Latency under load, median",
    };
    let p95 = format!("p95 {}", milliseconds(latency.percentile(95.0)));
    let bytes = total.bytes.map_or_else(String::new, number::bytes);
    let lost = format!("{} of {}", number::count(total.lost), number::count(total.sent));
    // What a flood gets, no call would.
    let voice = grades.voice.filter(|_| !measurement.is_flood());
    markup! {
        div.tiles {
            (tile(loss, with_unit(total.loss_pct, "%"), lost))
            (tile(median, milliseconds(latency.percentile(50.0)), p95))
            (tile("Jitter", with_unit(total.jitter.mean_ms, "ms"), "mean step".to_owned()))
            (tile("Throughput", bit_rate(total.throughput_bps), bytes))
            (streams::tiles(measurement))
            @if let Some(voice) = voice {
                (tile("Voice, MOS", plain(voice.mos), voice.satisfaction().to_owned()))
            }
            (tile("TIPHON (customary)", with_unit(grades.tiphon.mean, "/ 4"), class(grades, language)))
        }
    }
}

fn tile(name: &str, value: String, note: String) -> Markup {
    markup! { div.tile { small { (name) } b { (value) } small { (note) } } }
}

/// What the index comes to, and the measure that is worse.
fn class(grades: &Grades, language: Language) -> String {
    let Some(class) = grades.tiphon.overall() else { return String::new() };
    match grades.tiphon.worst_below(class) {
        Some((measure, worst)) => {
            format!("{}, but {measure} {}", class.name(language), worst.name(language))
        }
        None => class.name(language).to_owned(),
    }
}

fn drawings(measurement: &Measurement, total: &Analysis) -> Markup {
    let clients = &measurement.clients;
    let mut samples: Vec<&Sample> =
        measurement.clients.iter().flat_map(|series| &series.samples).collect();
    samples.sort_by_key(|sample| sample.sent_at);
    let strip = markup! { (plots::loss_strip(&samples)) (plots::strip_times(&samples)) };
    let runs = plots::worst_runs(clients).unwrap_or_default();
    markup! {
        (over_time(&samples, total))
        @if let Some(histogram) = plots::histogram(&total.latency) {
            (figure("How often which latency", &histogram, &format!("Each bar counts the answers of its \
                width. One narrow hill is a steady path; two hills are two paths or two states of \
                one.{}", left_out(&total.latency))))
        }
        @if let Some((steps, beyond, all)) = plots::steps(clients) {
            (figure("Steps from one answer to the next, ms", &steps, &format!("The difference of each \
                answer's latency to that of the one before it (IPDV, RFC 5481): above zero is slower, \
                below is faster. The wider the band, the larger the buffer that a call needs.{}",
                at_edge(beyond, all))))
        }
        @if let Some(curve) = plots::cumulative(&total.latency) {
            (figure("Share of answers within, %", &curve, &format!("Read up from a latency to see which \
                share of the answers came within it. The steeper, the steadier.{}",
                plots::cut_off(&total.latency))))
        }
        (comparison(measurement))
        div.wide {
            (figure("Losses along the run", &strip, &format!("Left is the start. Each column stands \
                for the same number of probes: red is the share that was lost. Scattered red is random \
                loss, a block is an outage. {runs}")))
        }
        div.panel.wide { h3 { "Conditions" } (tables::conditions(&measurement.conditions)) }
    }
}

fn left_out(latency: &Distribution) -> String {
    match plots::beyond_histogram(latency) as u64 {
        0 => String::new(),
        slower => format!(" The slowest, {}, are not drawn here.", number::count(slower)),
    }
}

fn at_edge(beyond: usize, all: usize) -> String {
    match beyond as u64 {
        0 => String::new(),
        beyond => format!(
            " What is larger stands at the edge: {} of {}.",
            number::count(beyond),
            number::count(all as u64)
        ),
    }
}

fn over_time(samples: &[&Sample], total: &Analysis) -> Markup {
    let drawn = if total.received as usize > plots::DOTS_MAX {
        "There are too many answers to draw each: a band reaches from the fastest to the slowest of \
         its column, with a line at their median"
    } else {
        "Each dot is an answer at the time its probe was sent"
    };
    let beyond = match plots::latency_end(&total.latency) {
        (_, 0) => String::new(),
        (end, slower) => format!(
            " The axis ends at {} ms. What is slower stands at its end: {} of {}, up to {}.",
            plain(end),
            number::count(slower as u64),
            number::count(total.received),
            milliseconds(total.latency.max())
        ),
    };
    let caption = format!(
        "{drawn}; a red tick at the top is a loss. The dashed line is the median of all. A flat band \
         is a quiet path; a saw or a slope is a queue that fills.{beyond}"
    );
    let drawing = plots::over_time(samples, &total.latency);
    figure("Latency over time, ms", &drawing, &caption)
}

/// The slowest clients beside each other, if there are several.
fn comparison(measurement: &Measurement) -> Markup {
    let of = |samples: &[Sample]| {
        Distribution::new(samples.iter().filter_map(Sample::latency).collect())
    };
    let each: Vec<(&str, Distribution)> = measurement
        .clients
        .iter()
        .map(|series| (series.client.as_str(), of(&series.samples)))
        .collect();
    let mut clients: Vec<(&str, &Distribution)> =
        each.iter().map(|(client, latency)| (*client, latency)).collect();
    let is_cut = clients.len() > plots::BOXES;
    if is_cut {
        clients.sort_by_key(|(_, latency)| std::cmp::Reverse(latency.percentile(95.0)));
        clients.truncate(plots::BOXES);
    }
    let note = if is_cut { " Only the slowest are drawn; the table has all." } else { "" };
    let who = tables::who(measurement).0.to_lowercase();
    let alike = if measurement.is_by_verdict() {
        "What lies between the boxes is what the cache saves."
    } else {
        "Boxes that line up are clients served alike."
    };
    let caption = format!(
        "Line: fastest answer to 95th percentile. Box: the middle half. Thick: the median. {alike}{note}"
    );
    markup! {
        @if clients.len() > 1 {
            (figure(&format!("Latency by {who}, ms"), &plots::boxes(&who, &clients), &caption))
        }
    }
}

fn figure(title: &str, drawing: &Markup, caption: &str) -> Markup {
    markup! { figure.panel { h3 { (title) } (drawing) figcaption { (caption) } } }
}
