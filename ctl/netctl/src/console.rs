//! Where netctl reads and writes: the process's own terminal, or whatever its caller gives it.

use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use crate::exit;
use crate::screen::Tint;

/// Input, output, and a place for notes and errors.
pub struct Console<'a> {
    /// Where answers to questions come from.
    pub(crate) input: Box<dyn BufRead + 'a>,
    /// Where reports go.
    pub(crate) out: Box<dyn Write + 'a>,
    /// Where errors and progress go.
    pub(crate) notes: Box<dyn Write + 'a>,
    /// What was asked, as a person would type it; empty where nothing was.
    pub(crate) command_line: String,
    /// What may be done to make it pleasant.
    pub(crate) look: Look,
}

/// What may be done to the text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Whether questions may be asked with a cursor.
    pub(crate) interactive: bool,
    /// Whether a progress bar may be drawn.
    pub(crate) progress: bool,
    /// Whether to colour.
    pub(crate) colour: bool,
    /// How a live screen may be drawn, where one can be.
    pub(crate) screen: Option<Tint>,
    /// Columns of the screen, where there is one.
    pub(crate) width: Option<u16>,
}

impl Console<'static> {
    /// The process's standard input, output and error. Colours are for terminals, and only where
    /// `NO_COLOR` is empty or unset (no-color.org) and `TERM` is not `dumb`.
    #[must_use]
    pub fn stdio() -> Self {
        let (screen, progress) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let dumb = env::var_os("TERM").is_none_or(|value| value == "dumb");
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || dumb;
        let tint = if plain { Tint::Plain } else { Tint::Colours };
        let is_watched = io::stdin().is_terminal() && progress && !dumb;
        let width = tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col);
        let look = Look {
            interactive: io::stdin().is_terminal() && screen,
            progress,
            colour: screen && !plain,
            // Keys come from the input; it is drawn to standard error, as progress is.
            screen: is_watched.then_some(tint),
            width: width.filter(|columns| screen && *columns > 0),
        };
        Self {
            // Not locked: other threads of the process may print too.
            input: Box::new(BufReader::new(io::stdin())),
            out: Box::new(io::stdout()),
            notes: Box::new(io::stderr()),
            command_line: String::new(),
            look,
        }
    }
}

impl<'a> Console<'a> {
    /// Input from `input`, reports to `out`, notes and errors to `notes`, all as plain text.
    #[must_use]
    pub fn plain(input: impl BufRead + 'a, out: impl Write + 'a, notes: impl Write + 'a) -> Self {
        let look = Look::default();
        let command_line = String::new();
        let (input, out, notes) = (Box::new(input), Box::new(out), Box::new(notes));
        Self { input, out, notes, command_line, look }
    }

    /// Writes to the output.
    pub(crate) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes a line beside the output. Best effort: there is nowhere to complain to.
    pub(crate) fn note(&mut self, line: &str) {
        let _ = writeln!(self.notes, "{line}");
    }

    /// Says what failed, why, and what to do.
    pub(crate) fn complain(&mut self, error: &anyhow::Error) {
        self.note(&format!("netctl: {error:#}"));
        if let Some(hint) = exit::hint(error) {
            self.note(&format!("  try: {hint}"));
        }
    }
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("look", &self.look).finish_non_exhaustive()
    }
}
