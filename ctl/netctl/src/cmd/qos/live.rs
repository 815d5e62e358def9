//! How far a run is: on one line that is redrawn, or on a screen of its own; and what ends it early.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;
use selat_qos::session::{Cancel, Progress, Snapshot};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::threshold::Unmet;
use crate::console::{Console, Look};
use crate::exit::Misuse;
use crate::output::unit;
use crate::screen::probes::Probes;
pub(super) use crate::screen::probes::Subject;
use crate::screen::{Screen, Tint, Wish};

/// How often the line is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// What the line says once the run is told to end.
const ENDING: &str = "waits for the last replies; Ctrl-C again ends at once";

/// Columns from which there is room for a bar that tells percents.
const BAR_COLUMNS: u16 = 110;

/// How a run is watched.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Show {
    /// Show a live screen while it runs: curves, losses, clients; q ends it early with the results
    #[arg(long)]
    live: bool,
}

impl Show {
    /// Refuses a screen where there is none, before anything is measured.
    pub(super) fn check(self, console: &Console<'_>) -> Result<Self, Misuse> {
        const NO_SCREEN: &str = "--live draws on a terminal, and there is none to read keys from and \
            draw on (or TERM is dumb); without it a line shows how far the test is";
        if self.live && console.look.screen.is_none() { Err(Misuse(NO_SCREEN)) } else { Ok(self) }
    }
}

/// A run that is shown while it goes on.
pub(super) struct Watch {
    progress: Progress,
    display: Display,
}

enum Display {
    Line(Line),
    Screen(Screen),
}

/// A line that is redrawn.
struct Line {
    bar: ProgressBar,
    began: Instant,
    /// From the first probe that is due to the last.
    lasts: Duration,
    signals: Signals,
}

/// What ends a run early. Caught from before the run begins to its end: none that comes meanwhile is missed.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Watch {
    /// Begins to show a run that tells of itself in [`Watch::progress`].
    ///
    /// # Errors
    /// The terminal cannot be drawn on, or signals cannot be caught.
    pub(super) fn begin(show: Show, subject: Subject, look: Look) -> anyhow::Result<Self> {
        match look.screen.filter(|_| show.live) {
            Some(tint) => Self::screen(subject, tint),
            None => {
                let signals = Signals::catch().context("cannot catch signals")?;
                let (bar, began) = (bar(look), Instant::now());
                let line = Line { bar, began, lasts: subject.lasts, signals };
                Ok(Self { progress: Progress::default(), display: Display::Line(line) })
            }
        }
    }

    fn screen(subject: Subject, tint: Tint) -> anyhow::Result<Self> {
        let (progress, feed) = Progress::with_feed();
        let (began, counters) = (Instant::now(), progress.clone());
        let take_in = move |it: &mut Probes| it.take_in(began.elapsed(), &counters, &feed);
        let screen = Screen::open(Probes::new(subject), take_in, tint)
            .context("cannot draw on this terminal")?;
        Ok(Self { progress, display: Display::Screen(screen) })
    }

    /// Where the run is to tell how far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits for `run`. The first Ctrl-C cancels it and waits on for what is on its way; the second cuts
    /// that off, and gives up where nothing was sent yet, as the third does in any case.
    ///
    /// # Errors
    /// [`Unmet::Interrupted`].
    pub(super) async fn until<T>(
        mut self,
        run: impl Future<Output = T>,
        cancel: &Cancel,
    ) -> Result<T, Unmet> {
        let mut ticks = interval(REDRAW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(run);
        loop {
            let wish = tokio::select! {
                outcome = &mut run => return Ok(outcome),
                wish = self.display.wish() => wish,
                _ = ticks.tick() => {
                    if !cancel.is_cancelled() {
                        self.display.redraw(&self.progress.snapshot());
                    }
                    continue;
                }
            };
            match wish {
                _ if !cancel.is_cancelled() => {
                    cancel.cancel();
                    self.display.end();
                }
                Wish::End => {}
                Wish::Interrupt if cancel.is_cut_off() || self.progress.snapshot().sent == 0 => {
                    return Err(Unmet::Interrupted);
                }
                Wish::Interrupt => cancel.cut_off(),
            }
        }
    }
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Line {
    /// From now on the run is only waited for.
    fn end(&self) {
        if let Ok(style) = ProgressStyle::with_template(" {wide_msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(ENDING);
    }

    /// The bar is of the probes where their number is known, else of the time.
    fn show(&self, snapshot: &Snapshot) {
        let (sent, done, all) = match snapshot.planned {
            0 => {
                let elapsed = self.began.elapsed().min(self.lasts);
                (unit::count(snapshot.sent), millis(elapsed), millis(self.lasts))
            }
            planned => {
                let sent = format!("{} of {}", unit::count(snapshot.sent), unit::count(planned));
                (sent, snapshot.sent, planned)
            }
        };
        let lost = match snapshot.lost_so_far {
            0 => "nothing lost".to_owned(),
            lost => format!("{} lost", unit::count(lost)),
        };
        let answered = unit::count(snapshot.received);
        let last = snapshot.last_latency.map_or(unit::NONE.to_owned(), unit::ms);
        // Before anything is known nothing is done.
        self.bar.set_length(all.max(1));
        self.bar.set_position(done);
        self.bar.set_message(format!("{sent} sent, {answered} answered, {lost}, last {last}"));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Display {
    fn redraw(&self, snapshot: &Snapshot) {
        match self {
            Self::Line(line) => line.show(snapshot),
            // It draws itself.
            Self::Screen(_) => {}
        }
    }

    fn end(&self) {
        if let Self::Line(line) = self {
            line.end();
        }
    }

    /// The next thing that the person wants.
    async fn wish(&mut self) -> Wish {
        match self {
            Self::Line(line) => {
                line.signals.next().await;
                Wish::Interrupt
            }
            Self::Screen(screen) => screen.wish().await,
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Self::Line(line) = self {
            line.bar.finish_and_clear();
        }
    }
}

fn bar(look: Look) -> ProgressBar {
    if !look.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let columns = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    // What does not fit is cut: a line that wraps cannot be redrawn.
    let template = match columns {
        BAR_COLUMNS.. => " {bar:30.cyan/dim} {wide_msg}  {eta} to go",
        _ => " {bar:8.cyan/dim} {wide_msg}  {eta} to go",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    fn watch() -> Watch {
        let (title, nouns) = ("a test".to_owned(), ("probe", "probes"));
        let (crowd, lasts) = (("client", "clients"), Duration::from_secs(1));
        let subject = Subject { title, nouns, crowd, lasts };
        Watch::begin(Show::default(), subject, Look::default()).unwrap()
    }

    fn send(signal: Signal) {
        kill_process(getpid(), signal).unwrap();
    }

    /// Waits until `is_so`; a wait without end fails by the harness.
    async fn until(is_so: impl Fn() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    /// One test: signals reach every run of this process.
    #[tokio::test]
    async fn the_first_signal_cancels_the_second_cuts_off_and_the_third_gives_up() {
        // Nothing was looked at yet when it came.
        let (cancel, watched) = (Cancel::default(), watch());
        send(Signal::TERM);
        let run = async { until(|| cancel.is_cancelled()).await };
        assert_eq!(watched.until(run, &cancel).await, Ok(()));
        assert!(!cancel.is_cut_off());

        let (cancel, watched) = (Cancel::default(), watch());
        watched.progress().probe_sent(1, Duration::ZERO, Duration::ZERO);
        send(Signal::INT);
        let run = async {
            until(|| cancel.is_cancelled()).await;
            send(Signal::INT);
            until(|| cancel.is_cut_off()).await;
            "what there is"
        };
        assert_eq!(watched.until(run, &cancel).await, Ok("what there is"));

        let (cancel, watched) = (Cancel::default(), watch());
        watched.progress().probe_sent(1, Duration::ZERO, Duration::ZERO);
        send(Signal::INT);
        let run = async {
            until(|| cancel.is_cancelled()).await;
            send(Signal::INT);
            until(|| cancel.is_cut_off()).await;
            send(Signal::INT);
            std::future::pending::<()>().await;
        };
        assert_eq!(watched.until(run, &cancel).await, Err(Unmet::Interrupted));
    }
}
