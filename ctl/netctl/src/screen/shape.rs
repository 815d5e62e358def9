//! Pieces that several pictures are made of: a bar of one line, a strip, a framed run of small bars,
//! a scale with a round end.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Sparkline, SparklineBar};

use super::Tint;

/// Eighths of a cell, from below.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Steps that a bar of a [`sparkline`] is measured in.
const STEPS: f64 = 1e6;

/// A frame with a title; draws it and returns what is left inside.
pub(super) fn framed(frame: &mut Frame<'_>, area: Rect, title: Line<'_>, tint: Tint) -> Rect {
    let block =
        Block::bordered().border_type(BorderType::Rounded).border_style(tint.frame()).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// ` name  value `, as the title of a frame.
pub(super) fn title(name: &str, value: &str, tint: Tint) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!(" {name} "), tint.accent()),
        Span::styled(value.to_owned(), tint.strong()),
        Span::raw(" "),
    ])
}

/// ` name  value, value `, with as many of the values as have room in a frame of `width`: half a number
/// is another number.
pub(super) fn fitting(name: &str, values: &[String], width: u16, tint: Tint) -> Line<'static> {
    let room = usize::from(width).saturating_sub(2);
    let shown = (0..=values.len()).rev().map(|count| values[..count].join(", "));
    let fits = |value: &String| name.chars().count() + value.chars().count() + 2 <= room;
    match shown.into_iter().find(fits).unwrap_or_default() {
        value if value.is_empty() => Line::from(Span::styled(format!(" {name} "), tint.accent())),
        value => title(name, &value, tint),
    }
}

/// `share` of `width` cells, filled.
pub(super) fn bar(share: f64, width: u16, style: Style, tint: Tint) -> Vec<Span<'static>> {
    let eighths = (share.clamp(0.0, 1.0) * f64::from(width) * 8.0).round() as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let empty = usize::from(width).saturating_sub(full + usize::from(part > 0));
    let filled = "█".repeat(full);
    let edge = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(part).copied().unwrap_or_default();
    vec![
        Span::styled(format!("{filled}{edge}"), style),
        Span::styled("░".repeat(empty), tint.frame()),
    ]
}

/// One cell for each share of something bad: how much of it, or that there was none; blank where
/// nothing is known.
pub(super) fn strip(shares: &[Option<f64>], tint: Tint) -> Line<'static> {
    let cell = |share: &Option<f64>| match share {
        None => Span::raw(" "),
        Some(share) if *share <= 0.0 => Span::styled("─", tint.good()),
        Some(share) => {
            let eighths = (share.min(1.0) * 8.0).ceil() as usize;
            Span::styled(EIGHTHS.get(eighths).copied().unwrap_or("█"), tint.bad())
        }
    };
    Line::from(shares.iter().map(cell).collect::<Vec<_>>())
}

/// Small bars up to `highest`; a gap where nothing is known.
pub(super) fn sparkline(
    frame: &mut Frame<'_>,
    area: Rect,
    values: &[Option<f64>],
    highest: f64,
    style: Style,
) {
    let height = |value: f64| (value / highest.max(f64::MIN_POSITIVE) * STEPS) as u64;
    let bars = values.iter().map(|value| SparklineBar::from(value.map(height)));
    let bars: Vec<_> = bars.collect();
    frame.render_widget(Sparkline::default().data(bars).max(STEPS as u64).style(style), area);
}

/// The largest of the values that are known.
pub(super) fn largest(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().copied().fold(0.0, f64::max)
}

/// Ends of a scale, times a power of ten: so close that a curve never stays in the lower half.
const ENDS: [f64; 9] = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];

/// The smallest of [`ENDS`] times a power of ten that is at least `value`; 1 of zero.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let multiple = ENDS.into_iter().find(|it| it * power >= value * 0.999);
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
pub(super) mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::Picture;
    use super::*;

    /// What a picture looks like on a screen of this size, a line for each row.
    pub(in crate::screen) fn drawn(picture: &impl Picture, columns: u16, rows: u16) -> String {
        terminal(picture, columns, rows).backend().to_string()
    }

    fn terminal(picture: &impl Picture, columns: u16, rows: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| picture.draw(frame, frame.area(), Tint::Colours)).unwrap();
        terminal
    }

    /// Draws on screens of every size that matters; none may panic.
    pub(in crate::screen) fn every_size(picture: &impl Picture) {
        for columns in (0..130).step_by(3) {
            for rows in (0..50).step_by(2) {
                // Not as text, which a screen without columns has none of.
                let _ = terminal(picture, columns, rows);
            }
        }
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, end) in
            [(0.0, 1.0), (0.43, 0.5), (1.0, 1.0), (3.1, 4.0), (51.0, 60.0), (12.0, 15.0)]
        {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_bar_fills_its_width_whatever_the_share() {
        for share in [-1.0, 0.0, 0.03, 0.5, 0.99, 1.0, 7.0] {
            let spans = bar(share, 20, Style::new(), Tint::Plain);
            let cells: usize = spans.iter().map(|span| span.content.chars().count()).sum();
            assert_eq!(cells, 20, "{share}");
        }
    }

    #[test]
    fn a_strip_shows_the_least_loss() {
        let strip = strip(&[None, Some(0.0), Some(0.001), Some(1.0)], Tint::Plain);
        let cells: String = strip.spans.iter().map(|span| span.content.as_ref()).collect();
        assert_eq!(cells, " ─▁█");
    }
}
