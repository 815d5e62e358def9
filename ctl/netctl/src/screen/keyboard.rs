//! The keys of a terminal. It is asked first whether it is still there: crossterm would read the end of a terminal that
//! was closed again and again, and never come back.

use std::fs::File;
use std::io::{self, IsTerminal, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The terminal that crossterm reads: stdin where that is one, else that of the process.
#[derive(Debug)]
pub(super) struct Keyboard(OwnedFd);

impl Keyboard {
    /// # Errors
    /// There is no terminal.
    pub(super) fn open() -> io::Result<Self> {
        let stdin = stdin();
        if stdin.is_terminal() {
            return stdin.as_fd().try_clone_to_owned().map(Self);
        }
        File::open("/dev/tty").map(|terminal| Self(terminal.into()))
    }

    /// The next key; `None` where none is pressed until then.
    ///
    /// # Errors
    /// The terminal was closed, or cannot be read.
    pub(super) fn next(&self, until: Instant) -> io::Result<Option<KeyEvent>> {
        loop {
            self.is_ready(Duration::ZERO)?;
            // What was read together with the key before waits within crossterm.
            while event::poll(Duration::ZERO)? {
                if let Event::Key(key) = event::read()? {
                    return Ok(Some(key));
                }
            }
            if !self.is_ready(until.saturating_duration_since(Instant::now()))? {
                return Ok(None);
            }
        }
    }

    /// Waits until something can be read, for `limit` at most.
    fn is_ready(&self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        let mut terminal = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut terminal, Some(&limit)) {
            Ok(_) => {}
            // A signal, such as that of another size: what is drawn next sees it.
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let seen = terminal[0].revents();
        if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(seen.contains(PollFlags::IN))
    }
}
