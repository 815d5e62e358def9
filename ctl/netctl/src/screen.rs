//! A live screen: pictures of what goes on, drawn ten times a second by a thread of its own, and the
//! keys that are pressed meanwhile.
//!
//! 1. [`Screen::open`] takes the terminal over; it is given back however the program goes on, also
//!    when it panics (`terminal`).
//! 2. The thread takes in what is new, draws a [`Picture`], reads keys.
//! 3. What the person wants comes out of [`Screen::wish`].
//!
//! Never measures, never calls a daemon: nothing waits for a screen.

pub(crate) mod daemons;
mod keyboard;
pub(crate) mod probes;
mod shape;
mod terminal;
mod tint;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Paragraph};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::keyboard::Keyboard;
use self::terminal::Terminal;
pub(crate) use self::tint::Tint;

/// From one drawing to the next.
const REDRAW: Duration = Duration::from_millis(100);

/// What a screen shows. Cloned when it is frozen, so it must be bounded.
pub(crate) trait Picture: Clone + Send + 'static {
    /// Draws it on all of `area`.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, tint: Tint);

    /// What a person must know to read it, a line each.
    fn help(&self) -> Vec<String>;
}

/// What the person in front of it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The end, with what there is until then.
    End,
    /// What Ctrl-C means elsewhere.
    Interrupt,
}

/// A terminal that was taken over. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Screen {
    stop: Arc<AtomicBool>,
    wishes: UnboundedReceiver<Wish>,
    signals: Signals,
    thread: Option<JoinHandle<()>>,
}

/// What would otherwise end the process while it has the terminal.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves.
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

impl Screen {
    /// Takes the terminal over and shows `picture`, which `take_in` brings up to date before each
    /// drawing.
    ///
    /// # Errors
    /// The terminal does not allow it, signals cannot be caught, or there is no thread.
    pub(crate) fn open<P: Picture>(
        picture: P,
        take_in: impl FnMut(&mut P) + Send + 'static,
        tint: Tint,
    ) -> io::Result<Self> {
        let signals = Signals::catch()?;
        let (terminal, keyboard) = (Terminal::open()?, Keyboard::open()?);
        let (wish, wishes) = unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut painter = Painter {
            terminal,
            keyboard,
            tint,
            picture,
            take_in,
            frozen: None,
            explains: false,
            wish,
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new().name("screen".to_owned()).spawn(move || {
            if painter.paint().is_err() {
                // The terminal went away, and whoever was in front of it.
                painter.say(Wish::End);
            }
        })?;
        Ok(Self { stop, wishes, signals, thread: Some(thread) })
    }

    /// The next thing that the person wants, by a key or by a signal.
    pub(crate) async fn wish(&mut self) -> Wish {
        tokio::select! {
            Some(wish) = self.wishes.recv() => wish,
            () = self.signals.next() => Wish::Interrupt,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has given the terminal back before it said so.
            let _ = thread.join();
        }
    }
}

/// The thread of a screen.
struct Painter<P, F> {
    terminal: Terminal,
    keyboard: Keyboard,
    tint: Tint,
    picture: P,
    take_in: F,
    /// The picture as it was when it was frozen.
    frozen: Option<P>,
    explains: bool,
    wish: UnboundedSender<Wish>,
    stop: Arc<AtomicBool>,
}

impl<P: Picture, F: FnMut(&mut P)> Painter<P, F> {
    fn paint(&mut self) -> io::Result<()> {
        while !self.stop.load(Relaxed) {
            (self.take_in)(&mut self.picture);
            self.draw()?;
            let next = Instant::now() + REDRAW;
            while let Some(key) = self.keyboard.next(next)? {
                self.press(key);
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let picture = self.frozen.as_ref().unwrap_or(&self.picture);
        let (is_frozen, explains, tint) = (self.frozen.is_some(), self.explains, self.tint);
        self.terminal.draw(|frame| {
            let area = frame.area();
            picture.draw(frame, area, tint);
            if is_frozen {
                mark_frozen(frame, tint);
            }
            if explains {
                explain(frame, &picture.help(), tint);
            }
        })
    }

    fn press(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.say(Wish::Interrupt);
            }
            KeyCode::Char('q' | 'Q') => self.say(Wish::End),
            KeyCode::Char('p' | 'P' | ' ') => {
                self.frozen = match self.frozen.take() {
                    None => Some(self.picture.clone()),
                    Some(_) => None,
                }
            }
            KeyCode::Char('?' | 'h' | 'H') => self.explains = !self.explains,
            KeyCode::Esc if self.explains => self.explains = false,
            _ => {}
        }
    }

    fn say(&self, wish: Wish) {
        // Nobody listens any more where the end has come already.
        let _ = self.wish.send(wish);
    }
}

fn mark_frozen(frame: &mut Frame<'_>, tint: Tint) {
    const MARK: &str = " frozen: p goes on ";
    let area = frame.area();
    let width = (MARK.len() as u16).min(area.width);
    let place =
        Rect { x: area.right() - width, y: area.bottom().saturating_sub(1), width, height: 1 };
    frame.render_widget(Paragraph::new(MARK).style(tint.notice()), place.intersection(area));
}

/// The help over the middle of the picture.
fn explain(frame: &mut Frame<'_>, lines: &[String], tint: Tint) {
    let keys = ["", "q  ends it   p  freezes the picture   ?  closes this"];
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain(keys).collect();
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) = (widest as u16 + 4, lines.len() as u16 + 2);
    let area = frame.area();
    let place = area.centered(
        ratatui::layout::Constraint::Length(width.min(area.width)),
        ratatui::layout::Constraint::Length(height.min(area.height)),
    );
    let block = Block::bordered().title(" how to read it ").border_style(tint.accent());
    frame.render_widget(Clear, place);
    frame.render_widget(
        Paragraph::new(lines.join("\n"))
            .wrap(ratatui::widgets::Wrap { trim: false })
            .block(block.padding(ratatui::widgets::Padding::horizontal(1))),
        place,
    );
}
