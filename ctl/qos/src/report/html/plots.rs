//! The plots of one measurement. Each returns the drawing only; the page adds title and caption.
//! However many samples there are, a drawing stays within a few thousand points.

use std::collections::BTreeSet;
use std::fmt::Write;

use maud::{Markup, html};

use super::chart::{BOTTOM, LEFT, RIGHT, Scale, TOP, axis_below, axis_left, coordinate, plot};
use super::number::plain;
use crate::analysis::{Distribution, ms};
use crate::sample::Sample;

/// Dots of the plot over time stand on a grid of this many units: no more can be told apart.
const DOT_GRID: f64 = 1.5;
/// Bars of the histogram.
const BINS: usize = 40;
/// The histogram ends at this percentile: one slow answer must not squeeze all others.
const HISTOGRAM_END_PERCENT: f64 = 99.0;
/// Points of the distribution curve.
const CURVE_POINTS: u32 = 200;
/// Cells of the loss strip.
const CELLS: usize = 100;
/// Boxes of the comparison of clients.
pub(super) const BOXES: usize = 30;

const STRIP_HEIGHT: f64 = 34.0;
const BOX_ROW_HEIGHT: f64 = 22.0;

/// Latency of each answer at the time when its probe was sent; losses as ticks above.
pub(super) fn over_time(samples: &[&Sample], latency: &Distribution) -> Markup {
    let end_s = samples.iter().map(|sample| sample.sent_at.as_secs_f64()).fold(0.0, f64::max);
    let start_s = samples.iter().map(|sample| sample.sent_at.as_secs_f64()).fold(end_s, f64::min);
    let x = Scale::horizontal(0.0, end_s - start_s);
    let y = Scale::vertical(0.0, latency.max().map_or(1.0, ms) * 1.05);
    let at = |sample: &Sample| x.at(sample.sent_at.as_secs_f64() - start_s);
    let median = latency.percentile(50.0).map(|median| y.at(ms(median)));
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "sent after, s"))
        path.dots d=(dots(samples, at, &y)) {}
        @if let Some(median) = median {
            line.mark x1=(LEFT) x2=(RIGHT) y1=(coordinate(median)) y2=(coordinate(median)) {}
        }
        path.lost d=(loss_ticks(samples, at)) {}
    };
    plot("Latency of each answer over the time of sending", &content)
}

/// A dot for each answer; those that fall on the same spot are drawn once.
fn dots(samples: &[&Sample], at: impl Fn(&Sample) -> f64, y: &Scale) -> String {
    let spot = |position: f64| (position / DOT_GRID).round() as u32;
    let spots: BTreeSet<(u32, u32)> = samples
        .iter()
        .filter_map(|sample| Some((spot(at(sample)), spot(y.at(ms(sample.latency()?))))))
        .collect();
    spots.iter().fold(String::new(), |mut path, (x, y)| {
        let (x, y) = (f64::from(*x) * DOT_GRID, f64::from(*y) * DOT_GRID);
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x} {y}h0");
        path
    })
}

/// A tick above the data for each loss; those that fall on the same spot are drawn once.
fn loss_ticks(samples: &[&Sample], at: impl Fn(&Sample) -> f64) -> String {
    let lost = samples.iter().filter(|sample| sample.is_lost());
    let ticks: BTreeSet<u32> = lost.map(|sample| at(sample) as u32).collect();
    ticks.iter().fold(String::new(), |mut path, x| {
        let _ = write!(path, "M{x} 2V{}", TOP - 8.0);
        path
    })
}

/// How many answers took how long, up to [`HISTOGRAM_END_PERCENT`].
pub(super) fn histogram(latency: &Distribution) -> Option<Markup> {
    let low = ms(latency.min()?);
    let high = ms(latency.percentile(HISTOGRAM_END_PERCENT)?);
    let x = Scale::horizontal(low, high);
    let mut bins = vec![0_u64; BINS];
    let bin_width = (RIGHT - LEFT) / BINS as f64;
    for value in latency.sorted().iter().copied().map(ms).take_while(|value| *value <= high) {
        let bin = ((x.at(value) - LEFT) / bin_width) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    let y = Scale::vertical(0.0, bins.iter().copied().max()? as f64);
    let content = html! {
        (axis_left(&y))
        @for (left, count) in (0..BINS).map(|i| LEFT + i as f64 * bin_width).zip(&bins) {
            @let top = y.at(*count as f64);
            rect.bar x=(coordinate(left + 0.5)) width=(coordinate(bin_width - 1.0))
                y=(coordinate(top)) height=(coordinate(BOTTOM - top)) {}
        }
        (axis_below(&x, "latency, ms"))
    };
    Some(plot("Histogram of latency", &content))
}

/// Which share of the answers took at most how long.
pub(super) fn cumulative(latency: &Distribution) -> Option<Markup> {
    let x = Scale::horizontal(ms(latency.min()?), ms(latency.max()?));
    let y = Scale::vertical(0.0, 100.0);
    let mut path = String::new();
    for point in 0..=CURVE_POINTS {
        let percent = 100.0 * f64::from(point) / f64::from(CURVE_POINTS);
        let command = if point == 0 { 'M' } else { 'L' };
        let at = coordinate(x.at(ms(latency.percentile(percent)?)));
        let _ = write!(path, "{command}{at} {}", coordinate(y.at(percent)));
    }
    let content = html! {
        (axis_left(&y))
        (axis_below(&x, "latency, ms"))
        path.curve d=(path) {}
    };
    Some(plot("Cumulative distribution of latency", &content))
}

/// Losses along the run: each cell stands for the same number of consecutive probes.
pub(super) fn loss_strip(samples: &[&Sample]) -> Markup {
    let size = samples.len().div_ceil(CELLS).max(1);
    let cells = samples.len().div_ceil(size);
    let width = super::chart::WIDTH / cells.max(1) as f64;
    html! {
        svg.strip preserveAspectRatio="none" viewBox={ "0 0 " (super::chart::WIDTH) " " (STRIP_HEIGHT) } role="img"
            aria-label="Losses along the run" {
            @for (index, cell) in samples.chunks(size).enumerate() {
                @let lost = cell.iter().filter(|sample| sample.is_lost()).count();
                // A cell without loss is full of green; each loss takes its share in red.
                @let red = STRIP_HEIGHT * lost as f64 / cell.len() as f64;
                @let x = coordinate(index as f64 * width);
                g {
                    title { (lost) " of " (cell.len()) " lost" }
                    rect.cell x=(x) y="0" width=(coordinate(width - 0.6))
                        height=(coordinate(STRIP_HEIGHT - red)) {}
                    rect.cell.bad x=(x) y=(coordinate(STRIP_HEIGHT - red))
                        width=(coordinate(width - 0.6)) height=(coordinate(red)) {}
                }
            }
        }
    }
}

/// One box for each client: minimum, quartiles, median, 95th percentile.
pub(super) fn boxes(clients: &[(&str, &Distribution)]) -> Markup {
    let height = clients.len() as f64 * BOX_ROW_HEIGHT + TOP;
    let p95 = |latency: &Distribution| latency.percentile(95.0).map_or(0.0, ms);
    let slowest = clients.iter().map(|(_, latency)| p95(latency)).fold(0.0, f64::max);
    let x = Scale::horizontal(0.0, slowest * 1.02);
    let rows = (0..).map(|row| TOP + f64::from(row) * BOX_ROW_HEIGHT).zip(clients);
    html! {
        svg viewBox={ "0 0 " (super::chart::WIDTH) " " (height + 34.0) } role="img"
            aria-label="Latency of each client" {
            @for (top, (client, latency)) in rows { (one_box(client, latency, &x, top)) }
            g transform={ "translate(0 " (height - BOTTOM) ")" } { (axis_below(&x, "")) }
        }
    }
}

fn one_box(client: &str, latency: &Distribution, x: &Scale, top: f64) -> Markup {
    let at = |percent| latency.percentile(percent).map(|value| x.at(ms(value)));
    let points = (at(0.0), at(25.0), at(50.0), at(75.0), at(95.0));
    let middle = coordinate(top + BOX_ROW_HEIGHT / 2.0);
    let (above, below) = (coordinate(top + 4.0), coordinate(top + BOX_ROW_HEIGHT - 4.0));
    html! {
        text.end x=(LEFT - 8.0) y=(coordinate(top + BOX_ROW_HEIGHT / 2.0 + 4.0)) { (client) }
        @if let (Some(min), Some(q1), Some(median), Some(q3), Some(p95)) = points {
            g {
                title { "client " (client) ": median " (plain(latency.percentile(50.0).map_or(0.0, ms))) " ms" }
                line.whisker x1=(coordinate(min)) x2=(coordinate(p95)) y1=(middle) y2=(middle) {}
                rect.box x=(coordinate(q1)) width=(coordinate((q3 - q1).max(0.5))) y=(above)
                    height=(coordinate(BOX_ROW_HEIGHT - 8.0)) {}
                line.median x1=(coordinate(median)) x2=(coordinate(median)) y1=(above) y2=(below) {}
            }
        }
    }
}
