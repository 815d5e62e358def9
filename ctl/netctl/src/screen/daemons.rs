//! The picture of both daemons: for each who it is and how it fares, small curves of its rates, and
//! what happened last.

mod panel;

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Picture, Tint, shape};
use crate::cmd::top::{Happening, Pace, Reading};
use crate::output::{harmless, unit};

/// Looks that are kept: more than a screen has columns.
const LOOKS_MAX: usize = 512;
/// Events that are kept.
const HAPPENINGS_MAX: usize = 100;
/// Below this a screen has room for words only.
const DRAWN_MIN: (u16, u16) = (60, 16);

/// Something new for the picture.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A look at both.
    Reading(Box<Reading>),
    /// An event of one.
    Happening(Happening),
}

/// The picture of both daemons.
#[derive(Clone, Debug)]
pub(crate) struct Daemons {
    interval: Duration,
    reading: Option<Box<Reading>>,
    /// The rates of each look, the newest last.
    paces: VecDeque<Pace>,
    /// The newest first.
    happenings: VecDeque<Happening>,
}

impl Daemons {
    /// Nothing is known so far; looks come at this interval.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, reading: None, paces: VecDeque::new(), happenings: VecDeque::new() }
    }

    /// Takes in what is new.
    pub(crate) fn take_in(&mut self, news: News) {
        match news {
            News::Reading(reading) => {
                if self.reading.is_some() {
                    self.paces.push_back(Pace::between(self.reading.as_deref(), &reading));
                }
                self.reading = Some(reading);
                while self.paces.len() > LOOKS_MAX {
                    self.paces.pop_front();
                }
            }
            News::Happening(happening) => {
                self.happenings.push_front(happening);
                self.happenings.truncate(HAPPENINGS_MAX);
            }
        }
    }

    /// The newest value of each column, right-aligned, as a curve of `width` columns.
    fn curve(&self, width: u16, pick: impl Fn(&Pace) -> Option<f64>) -> Vec<Option<f64>> {
        let width = usize::from(width);
        let skipped = self.paces.len().saturating_sub(width);
        let known = self.paces.iter().skip(skipped).map(pick);
        let blank = width.saturating_sub(self.paces.len());
        std::iter::repeat_n(None, blank).chain(known).collect()
    }

    fn happened(&self, area: Rect, tint: Tint) -> Vec<Line<'static>> {
        if self.happenings.is_empty() {
            let nothing = Span::styled(" nothing since this screen was opened", tint.faint());
            return vec![Line::from(nothing)];
        }
        let shown = self.happenings.iter().take(usize::from(area.height));
        let line = |Happening { daemon, event }: &Happening| {
            let time = unit::time(event.time.as_ref());
            // `2026-08-22 14:31:05 UTC`: the day is known to who watches.
            let time = time.get(11..19).unwrap_or(unit::NONE).to_owned();
            Line::from(vec![
                Span::styled(format!(" {time} "), tint.faint()),
                Span::styled(format!("{:<8}", daemon.name()), tint.strong()),
                Span::styled(format!("{:<15}", event.kind), tint.accent()),
                Span::raw(harmless(&event.message).replace('\n', " ")),
            ])
        };
        shown.map(line).collect()
    }

    fn foot(&self, tint: Tint) -> Line<'static> {
        let every = unit::span(self.interval);
        let text = format!(" q ends   p freezes   ? explains     a look every {every}");
        Line::from(Span::styled(text, tint.faint()))
    }
}

impl Picture for Daemons {
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, tint: Tint) {
        let Some(reading) = &self.reading else {
            frame.render_widget(Paragraph::new(" asking both daemons…"), area);
            return;
        };
        let pace = self.paces.back().copied().unwrap_or_default();
        if area.width < DRAWN_MIN.0 || area.height < DRAWN_MIN.1 {
            let mut lines = panel::proxyd_words(reading, pace, area.width, tint);
            lines.extend(panel::websrvd_words(reading, pace, area.width, tint));
            frame.render_widget(Paragraph::new(lines), area);
            return;
        }
        let curves = if area.height >= 24 { 5 } else { 3 };
        let [proxyd, proxyd_curves, websrvd, websrvd_curves, events, foot] = Layout::vertical([
            Constraint::Length(3),
            Constraint::Length(curves),
            Constraint::Length(2),
            Constraint::Length(curves),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(area);
        frame.render_widget(
            Paragraph::new(panel::proxyd_words(reading, pace, area.width, tint)),
            proxyd,
        );
        panel::proxyd_curves(frame, proxyd_curves, self, pace, tint);
        frame.render_widget(
            Paragraph::new(panel::websrvd_words(reading, pace, area.width, tint)),
            websrvd,
        );
        panel::websrvd_curves(frame, websrvd_curves, self, pace, tint);
        let count = unit::count(self.happenings.len() as u64);
        let inner = shape::framed(frame, events, shape::title("events", &count, tint), tint);
        frame.render_widget(Paragraph::new(self.happened(inner, tint)), inner);
        frame.render_widget(Paragraph::new(self.foot(tint)), foot);
    }

    fn help(&self) -> Vec<String> {
        let lines = [
            "Right is now; a column is one look. The figure is that of the last look.",
            "hits: the share of requests that the origin was spared.",
            "to clients: bodies, from the cache and from origins.",
            "relayed: UDP datagrams both ways, with TCP's bytes in the rate.",
            "A gap in a curve: the daemon could not be reached, or began anew.",
        ];
        lines.map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use selat_proto::v1::TcpRelayStats;

    use super::*;
    use crate::cmd::top::reading::{Proxyd, Websrvd};
    use crate::screen::shape::tests::{drawn, every_size};

    fn news(at: Instant, hits: u64) -> News {
        let (mut proxyd, mut websrvd) = (Proxyd::default(), Websrvd::default());
        (proxyd.cache.hits, proxyd.cache.misses) = (hits * 3, hits);
        websrvd.web.requests = hits;
        News::Reading(Box::new(Reading { at, proxyd: Ok(proxyd), websrvd: Ok(websrvd) }))
    }

    fn picture() -> Daemons {
        let start = Instant::now();
        let mut picture = Daemons::new(Duration::from_secs(1));
        (0..200).for_each(|look| {
            picture.take_in(news(start + Duration::from_secs(look), look * 100));
        });
        picture
    }

    #[test]
    fn rates_ratio_and_events_are_shown() {
        let text = drawn(&picture(), 110, 30);
        for part in ["proxyd", "websrvd", "requests 400/s", "hits 75.0 %", "events", "q ends"] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }

    #[test]
    fn a_narrow_screen_leaves_whole_figures_out() {
        let (mut proxyd, websrvd) = (Proxyd::default(), Websrvd::default());
        proxyd.status.version = "0.1.0".to_owned();
        proxyd.status.connections_max = 10_000;
        proxyd.relay.tcp = Some(TcpRelayStats::default());
        let mut picture = Daemons::new(Duration::from_secs(1));
        let reading = Reading { at: Instant::now(), proxyd: Ok(proxyd), websrvd: Ok(websrvd) };
        picture.take_in(News::Reading(Box::new(reading)));
        for width in 60..110 {
            let text = drawn(&picture, width, 30);
            let proxyd = text.lines().next().unwrap_or_default();
            assert!(
                !proxyd.contains(" of ") || proxyd.contains("0 of 10,000 connections"),
                "{text}"
            );
            assert!(text.contains("TCP sessions no relay"), "{text}");
            assert!(text.contains(" requests –"), "{text}");
        }
        assert!(
            drawn(&picture, 110, 30).contains("0.1.0  up –  generation 0  0 of 10,000 connections")
        );
    }

    #[test]
    fn a_daemon_that_is_not_there_is_said_so_beside_the_other() {
        let mut picture = picture();
        let proxyd = Err("proxyd does not run: no such file".to_owned());
        let websrvd = Ok(Websrvd::default());
        let reading = Reading { at: Instant::now(), proxyd, websrvd };
        picture.take_in(News::Reading(Box::new(reading)));
        let text = drawn(&picture, 110, 30);
        assert!(text.contains("proxyd does not run") && text.contains("websrvd"), "{text}");
    }

    #[test]
    fn any_size_of_screen_can_be_drawn_on() {
        every_size(&picture());
        every_size(&Daemons::new(Duration::from_secs(1)));
    }
}
