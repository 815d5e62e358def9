//! The latency of clients beside each other.

use maud::{Markup, html};

use crate::analysis::{Distribution, ms};
use crate::report::html::chart::{BOTTOM, LEFT, Scale, TOP, WIDTH, axis_below, coordinate};
use crate::report::html::number::plain;

/// Boxes that are drawn.
pub(in crate::report::html) const BOXES: usize = 30;
const ROW_HEIGHT: f64 = 22.0;

/// One box for each client, or whatever `who` says they are: minimum, quartiles, median, 95th percentile.
pub(in crate::report::html) fn boxes(who: &str, clients: &[(&str, &Distribution)]) -> Markup {
    let height = clients.len() as f64 * ROW_HEIGHT + TOP;
    let p95 = |latency: &Distribution| latency.percentile(95.0).map_or(0.0, ms);
    let slowest = clients.iter().map(|(_, latency)| p95(latency)).fold(0.0, f64::max);
    let x = Scale::horizontal(0.0, slowest * 1.02);
    let rows = (0..).map(|row| TOP + f64::from(row) * ROW_HEIGHT).zip(clients);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height + 34.0) } role="img"
            aria-label={ "Latency by " (who) "; the slowest 95th percentile is " (plain(slowest)) " ms" } {
            @for (top, (client, latency)) in rows { (one_box(client, latency, &x, top)) }
            g transform={ "translate(0 " (height - BOTTOM) ")" } { (axis_below(&x, "")) }
        }
    }
}

fn one_box(client: &str, latency: &Distribution, x: &Scale, top: f64) -> Markup {
    let at = |percent| latency.percentile(percent).map(|value| x.at(ms(value)));
    let points = (at(0.0), at(25.0), at(50.0), at(75.0), at(95.0));
    let middle = coordinate(top + ROW_HEIGHT / 2.0);
    let (above, below) = (coordinate(top + 4.0), coordinate(top + ROW_HEIGHT - 4.0));
    html! {
        text.end x=(LEFT - 8.0) y=(coordinate(top + ROW_HEIGHT / 2.0 + 4.0)) { (client) }
        @if let (Some(min), Some(q1), Some(median), Some(q3), Some(p95)) = points {
            g {
                title { (client) ": median " (plain(latency.percentile(50.0).map_or(0.0, ms))) " ms" }
                line.whisker x1=(coordinate(min)) x2=(coordinate(p95)) y1=(middle) y2=(middle) {}
                rect.box x=(coordinate(q1)) width=(coordinate((q3 - q1).max(0.5))) y=(above)
                    height=(coordinate(ROW_HEIGHT - 8.0)) {}
                line.median x1=(coordinate(median)) x2=(coordinate(median)) y1=(above) y2=(below) {}
            }
        }
    }
}
