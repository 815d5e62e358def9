//! The picture of a test while it runs: latency over time, losses, jitter, rate, lateness, clients.

mod course;
mod curve;
mod figures;
mod roll;
mod standing;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use selat_qos::session::{Feed, Load, Phase, Progress};

use self::standing::Standing;
use super::{Picture, Tint, shape};
use crate::output::unit;

/// Below this a screen has room for words only.
const DRAWN_MIN: (u16, u16) = (40, 10);
/// The time axis is at least so long, or as long as the test: a short past is not blown up.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// What is tested, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Such as `UDP to 127.0.0.1:9090`.
    pub(crate) title: String,
    /// One probe, and several: `probe`, `probes`.
    pub(crate) nouns: (&'static str, &'static str),
    /// One of those that send, and several: `client`, `clients`.
    pub(crate) crowd: (&'static str, &'static str),
    /// From the first probe that is due to the last.
    pub(crate) lasts: Duration,
}

/// The picture of a test.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    subject: Subject,
    standing: Standing,
}

impl Probes {
    /// A test that begins now.
    pub(crate) fn new(subject: Subject) -> Self {
        Self { subject, standing: Standing::new() }
    }

    /// Takes in what happened until `elapsed`.
    pub(crate) fn take_in(&mut self, elapsed: Duration, progress: &Progress, feed: &Feed) {
        feed.take().for_each(|event| self.standing.happen(event));
        self.standing.count(elapsed, progress.snapshot());
        self.standing.unseen = feed.unseen();
    }

    /// The time that the axes show, from zero.
    fn window(&self) -> Duration {
        self.standing.elapsed.max(self.subject.lasts.min(WINDOW_MIN))
    }

    /// How much is done, 0 to 1: of the probes where their number is known, else of the time.
    fn done(&self) -> f64 {
        let counters = self.standing.counters;
        let of_time = self.standing.elapsed.as_secs_f64() / self.subject.lasts.as_secs_f64();
        let done = match counters.planned {
            0 => of_time,
            planned => counters.sent as f64 / planned as f64,
        };
        if done.is_finite() { done.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn head(&self, width: u16, tint: Tint) -> [Line<'static>; 2] {
        let (subject, standing) = (&self.subject, &self.standing);
        let counters = standing.counters;
        let done = self.done();
        let left = subject.lasts.saturating_sub(standing.elapsed);
        let is_sent = counters.planned > 0 && counters.sent >= counters.planned;
        let when = match (is_sent, subject.lasts.is_zero()) {
            (true, _) => ", waiting for the last answers".to_owned(),
            (false, false) => format!(", {} to go", stopwatch(left)),
            // Nobody knows when the last answer of a closed loop is due.
            (false, true) => String::new(),
        };
        let title = format!(" {}", subject.title);
        let elapsed = stopwatch(standing.elapsed);
        let needed = title.chars().count() + elapsed.len() + when.chars().count() + 10;
        let when = if needed > usize::from(width) { "" } else { &when };
        let elapsed = format!("  {elapsed}{when}  ");
        let used = title.chars().count() + elapsed.chars().count() + 6;
        let room = usize::from(width).saturating_sub(used).min(60) as u16;
        let mut first = vec![Span::styled(title, tint.accent()), Span::raw(elapsed)];
        first.extend(shape::bar(done, room, tint.accent(), tint));
        first.push(Span::raw(format!(" {:3.0} %", done * 100.0)));
        let loss = counters.lost_so_far as f64 * 100.0 / counters.sent.max(1) as f64;
        let lost = format!("{} lost ({})", unit::count(counters.lost_so_far), unit::percent(loss));
        let style = if counters.lost_so_far > 0 { tint.bad() } else { tint.good() };
        let (one, many) = subject.nouns;
        let load = counters.load.as_ref().map_or(String::new(), load);
        let second = vec![
            Span::styled(load, tint.strong()),
            Span::raw(format!(" {} sent, ", unit::plural(counters.sent, one, many))),
            Span::raw(format!("{} answered, ", unit::count(counters.received))),
            Span::styled(lost, style),
        ];
        [Line::from(first), Line::from(second)]
    }

    fn foot(&self, tint: Tint) -> Line<'static> {
        let mut spans =
            vec![Span::styled(" q ends with the report   p freezes   ? explains", tint.faint())];
        if self.standing.unseen > 0 {
            let unseen = unit::count(self.standing.unseen);
            let text = format!("   {unseen} events too many to draw; the report has all");
            spans.push(Span::styled(text, tint.warning()));
        }
        Line::from(spans)
    }
}

impl Picture for Probes {
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, tint: Tint) {
        let head = self.head(area.width, tint);
        if area.width < DRAWN_MIN.0 || area.height < DRAWN_MIN.1 {
            let [first, second] = head;
            let lines = vec![first, second, figures::words(&self.standing)];
            frame.render_widget(Paragraph::new(lines), area);
            return;
        }
        let is_crowd = self.standing.clients.len() > 1;
        let heights = [
            Constraint::Length(2),
            Constraint::Min(6),
            Constraint::Length(if area.height >= 14 { 3 } else { 0 }),
            Constraint::Length(if area.height >= 20 { 5 } else { 0 }),
            if is_crowd && area.height >= 24 { Constraint::Min(6) } else { Constraint::Length(0) },
            Constraint::Length(1),
        ];
        let [top, middle, losses, row, roll, bottom] = Layout::vertical(heights).areas(area);
        frame.render_widget(Paragraph::new(head.to_vec()), top);
        curve::draw(frame, middle, &self.standing, self.window(), tint);
        figures::losses(frame, losses, &self.standing, self.window(), tint);
        figures::row(frame, row, &self.standing, self.window(), tint);
        roll::draw(frame, roll, &self.standing.clients, self.subject.crowd, tint);
        frame.render_widget(Paragraph::new(self.foot(tint)), bottom);
    }

    fn help(&self) -> Vec<String> {
        let lines = [
            "Left is the start. Right is where the test is to end, a minute on at most,",
            "  and now once that is past; a long test is compressed to fit.",
            "Round trip: the line is the mean, dots are the fastest and the slowest.",
            "Loss: a flat line is none; the taller a red bar, the larger its share.",
            "  An answer that comes late is taken out of the losses again.",
            "Jitter: the mean step from one answer to the next.",
            "Down, up: what streams carry; the probes are beside them.",
            "Late: how far this machine missed its own schedule; where it is",
            "  large, the fault is here and not on the path.",
        ];
        lines.map(str::to_owned).to_vec()
    }
}

/// ` warm-up, 4 streams, 2,083 RPM;`
fn load(load: &Load) -> String {
    let phase = match load.phase {
        Phase::Idle => return " idle path;".to_owned(),
        Phase::WarmUp => "warm-up",
        Phase::Loaded => "loaded",
    };
    let streams = unit::plural(load.streams.into(), "stream", "streams");
    let rpm = load.rpm.map_or(String::new(), |rpm| format!(", {} RPM", unit::count(rpm)));
    format!(" {phase}, {streams}{rpm};")
}

/// `01:07`, or `1:02:03`.
fn stopwatch(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes:02}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use selat_qos::session::Progress;

    use super::*;
    use crate::screen::shape::tests::{drawn, every_size};

    const MS: Duration = Duration::from_millis(1);

    /// A hundred probes by each of `clients`, one every 20 ms; every tenth fails.
    fn picture(clients: u32) -> Probes {
        let (progress, feed) = Progress::with_feed();
        progress.plan(100 * u64::from(clients));
        let subject = Subject {
            title: "UDP to 192.0.2.1:9".to_owned(),
            nouns: ("probe", "probes"),
            crowd: ("client", "clients"),
            lasts: 2000 * MS,
        };
        let mut picture = Probes::new(subject);
        for probe in 0..100 {
            for client in 1..=clients {
                progress.probe_sent(client, probe * 20 * MS, probe * 20 * MS + MS / 4);
                match probe % 10 {
                    9 => progress.probe_failed(client, probe * 20 * MS),
                    late => progress.probe_answered(client, probe * 20 * MS, late * MS, 172),
                }
            }
            picture.take_in(probe * 20 * MS, &progress, &feed);
        }
        picture
    }

    #[test]
    fn figures_stand_beside_their_curves() {
        let text = drawn(&picture(1), 100, 30);
        for part in [
            "UDP to 192.0.2.1:9",
            "100 probes sent, 90 answered, 10 lost (10.0 %)",
            "min 0.00",
            "max 8.00",
            "loss 10.0 %",
            "late ≤ 0.250 ms",
            "100 %",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }

    #[test]
    fn what_streams_carry_stands_beside_the_probes() {
        let (progress, feed) = Progress::with_feed();
        let mut picture = picture(1);
        for tick in 0..=20 {
            let up_bytes = (tick > 10).then(|| u64::from(tick - 10) * 125_000).or(Some(0));
            let phase = if tick > 10 { Phase::Loaded } else { Phase::Idle };
            progress.load(Load {
                phase,
                streams: 4,
                up_bytes,
                rpm: Some(2_083),
                ..Load::default()
            });
            picture.take_in(tick * 100 * MS, &progress, &feed);
            let head = drawn(&picture, 100, 30);
            assert_eq!(head.contains("idle path;"), tick <= 10, "{head}");
        }
        let text = drawn(&picture, 100, 30);
        assert!(text.contains("loaded, 4 streams, 2,083 RPM;"), "{text}");
        assert!(text.contains(" up 10.0 Mbit/s") && !text.contains(" down "), "{text}");
        assert!(!text.contains(" late ") && !text.contains(" answers "), "{text}");
    }

    #[test]
    fn a_narrow_screen_leaves_whole_figures_out() {
        let text = drawn(&picture(1), 60, 30);
        for part in ["p50 4.0", "p95 ", "last 8.00", "answers 45/s ", "late ≤ 0.250 ms", "100 %"]
        {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        assert!(!text.contains("answers 45/s,") && !text.contains("p99"), "{text}");
    }

    #[test]
    fn the_clients_of_a_crowd_have_a_row_each() {
        let text = drawn(&picture(20), 100, 40);
        assert!(text.contains("clients 20, the worst first"), "{text}");
        assert!(!drawn(&picture(1), 100, 40).contains("clients"));
    }

    #[test]
    fn any_size_of_screen_can_be_drawn_on() {
        let subject = Subject {
            title: String::new(),
            nouns: ("", ""),
            crowd: ("", ""),
            lasts: Duration::ZERO,
        };
        every_size(&Probes::new(subject));
        every_size(&picture(20));
    }
}
