//! The terminal while a screen has it: another page, no echo, no cursor. It is given back when the
//! screen is closed, and before anything is said of a panic, on whichever thread it comes.

use std::io::{self, Stderr, stderr};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The panic hook is the process's, and one is enough.
static HOOK: Once = Once::new();

/// The terminal, taken over. It is drawn to standard error, so that a report may go elsewhere.
pub(super) struct Terminal(ratatui::Terminal<CrosstermBackend<Stderr>>);

impl Terminal {
    /// Takes it over.
    ///
    /// # Errors
    /// It is none, or does not obey.
    pub(super) fn open() -> io::Result<Self> {
        HOOK.call_once(|| {
            let said = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                said(panic);
            }));
        });
        TAKEN.store(true, SeqCst);
        let opened = enable_raw_mode()
            .and_then(|()| execute!(stderr(), EnterAlternateScreen, Hide))
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(stderr())));
        opened.map(Self).inspect_err(|_| give_back())
    }

    /// Draws, unless the terminal was given back meanwhile.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn draw(&mut self, paint: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !TAKEN.load(SeqCst) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.0.draw(paint).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Best effort, once: there is nothing else to try where it fails.
fn give_back() {
    if TAKEN.swap(false, SeqCst) {
        let _ = disable_raw_mode();
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
    }
}
