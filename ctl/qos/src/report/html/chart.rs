//! The ground that every plot stands on: a linear scale with round ticks, a frame, labels.

use maud::{Markup, html};

/// Size of every plot in its own units; the page scales it.
pub(super) const WIDTH: f64 = 560.0;
/// See [`WIDTH`].
pub(super) const HEIGHT: f64 = 250.0;
/// Where the area for data begins, from the left; room for tick labels.
pub(super) const LEFT: f64 = 58.0;
/// Where it ends, from the left.
pub(super) const RIGHT: f64 = WIDTH - 14.0;
/// Where it begins, from the top.
pub(super) const TOP: f64 = 22.0;
/// Where it ends, from the top; room for tick labels and the axis' name below.
pub(super) const BOTTOM: f64 = HEIGHT - 46.0;

/// Ticks that an axis has at most, about.
const TICKS: f64 = 5.0;

/// A linear scale from values to positions in the plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Left to right.
    pub(super) fn horizontal(low: f64, high: f64) -> Self {
        Self::new(low, high, LEFT, RIGHT)
    }

    /// Bottom to top.
    pub(super) fn vertical(low: f64, high: f64) -> Self {
        Self::new(low, high, BOTTOM, TOP)
    }

    fn new(low: f64, high: f64, start: f64, end: f64) -> Self {
        // A single value still needs a scale around it.
        let high = if high > low { high } else { low + low.abs().max(1e-3) };
        Self { low, high, start, end }
    }

    /// The value where it ends.
    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// The position of `value`; outside values stand at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.start + part * (self.end - self.start)
    }

    /// Multiples of 1, 2 or 5 times a power of ten within the scale, and their labels.
    fn ticks(&self) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / TICKS);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step).ceil();
        let last = (self.high / step).floor();
        let count = (last - first).clamp(0.0, 4.0 * TICKS) as u32;
        (0..=count)
            .map(|index| (first + f64::from(index)) * step)
            .map(|value| (self.at(value), format!("{value:.decimals$}")))
            .collect()
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|multiple| multiple * power >= step * 0.999);
    multiple.unwrap_or(10.0) * power
}

/// A plot of [`WIDTH`] × [`HEIGHT`] with this content; `label` and what it `shows` are what a screen
/// reader says.
pub(super) fn plot(label: &str, shows: &str, content: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (label) ". " (shows) } {
            (content)
        }
    }
}

/// The axis below the data.
pub(super) fn axis_below(scale: &Scale, name: &str) -> Markup {
    html! {
        line.frame x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
        @for (x, label) in scale.ticks() {
            line.frame x1=(coordinate(x)) x2=(coordinate(x)) y1=(BOTTOM) y2=(BOTTOM + 5.0) {}
            text.middle x=(coordinate(x)) y=(BOTTOM + 21.0) { (label) }
        }
        @if !name.is_empty() { text.end x=(RIGHT) y=(HEIGHT - 4.0) { (name) } }
    }
}

/// The axis on the left, with a grid line for each tick.
pub(super) fn axis_left(scale: &Scale) -> Markup {
    html! {
        @for (y, label) in scale.ticks() {
            line.frame x1=(LEFT) x2=(RIGHT) y1=(coordinate(y)) y2=(coordinate(y)) {}
            text.end x=(LEFT - 8.0) y=(coordinate(y + 4.0)) { (label) }
        }
    }
}

/// A coordinate with as many digits as can be seen.
pub(super) fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        Scale::horizontal(low, high).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_scale() {
        assert_eq!(labels(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(0.13, 0.27), ["0.15", "0.20", "0.25"]);
        assert_eq!(labels(0.0, 437.0), ["0", "100", "200", "300", "400"]);
    }

    #[test]
    fn a_single_value_has_a_scale() {
        for value in [0.0, 7.0] {
            let scale = Scale::horizontal(value, value);
            assert!(scale.at(value).is_finite() && !scale.ticks().is_empty());
        }
    }
}
