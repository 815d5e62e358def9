//! Where a body goes, piece by piece; never the whole of it in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::console::Console;
use crate::output::{harmless, unit};

/// Most of a body that is shown, bytes.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// A place for a body.
#[derive(Debug)]
pub(super) struct Sink {
    place: Place,
    /// Bytes that were not shown.
    hidden: u64,
}

#[derive(Debug)]
enum Place {
    Nowhere,
    Screen(Screen),
    File { file: File, path: PathBuf },
    Stdout,
}

#[derive(Debug, Default)]
struct Screen {
    says_text: bool,
    /// Not known before the first piece.
    is_text: Option<bool>,
    shown: usize,
    /// The start of a character whose end has yet to come.
    carry: Vec<u8>,
    ends_line: bool,
}

impl Sink {
    /// Read and dropped.
    pub(super) fn nowhere() -> Self {
        Self { place: Place::Nowhere, hidden: 0 }
    }

    /// Shown as text.
    pub(super) fn screen() -> Self {
        Self { place: Place::Screen(Screen::default()), hidden: 0 }
    }

    /// Written to the output as it is.
    pub(super) fn stdout() -> Self {
        Self { place: Place::Stdout, hidden: 0 }
    }

    /// Written to a file, which is made or emptied.
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write the body to {}", path.display()))?;
        Ok(Self { place: Place::File { file, path: path.to_path_buf() }, hidden: 0 })
    }

    /// Written to a file if there is one, else dropped.
    pub(super) fn aside(path: Option<&Path>) -> anyhow::Result<Self> {
        path.map_or_else(|| Ok(Self::nowhere()), Self::file)
    }

    /// Whether what comes is seen at once.
    pub(super) fn is_screen(&self) -> bool {
        matches!(self.place, Place::Screen(_) | Place::Stdout)
    }

    /// Learns from the head what the body says to be.
    pub(super) fn begin(&mut self, headers: &HeaderMap) {
        if let Place::Screen(screen) = &mut self.place {
            let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
            screen.says_text = kind.is_some_and(|kind| kind.starts_with(b"text/"));
        }
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &[u8], console: &mut Console<'_>) -> anyhow::Result<()> {
        match &mut self.place {
            Place::Nowhere => {}
            Place::Screen(screen) => self.hidden += screen.take(piece, console)?,
            Place::Stdout => console.out.write_all(piece)?,
            Place::File { file, path } => file
                .write_all(piece)
                .with_context(|| format!("cannot write the body to {}", path.display()))?,
        }
        Ok(())
    }

    /// No piece will come any more.
    pub(super) fn end(&mut self, console: &mut Console<'_>) -> anyhow::Result<()> {
        match &self.place {
            Place::Screen(screen) if screen.shown > 0 && !screen.ends_line => console.print("\n"),
            Place::Stdout => Ok(console.out.flush()?),
            _ => Ok(()),
        }
    }

    /// What became of a body of so many bytes.
    pub(super) fn summary(&self, body_bytes: u64) -> String {
        let bytes = unit::bytes(body_bytes);
        match &self.place {
            _ if body_bytes == 0 => "none".to_owned(),
            Place::File { path, .. } => format!("{bytes}, written to {}", path.display()),
            Place::Screen(screen) if screen.is_text == Some(false) => {
                format!("{bytes}, not shown because it is no text; -O FILE keeps it")
            }
            Place::Screen(_) if self.hidden > 0 => {
                format!(
                    "{bytes}, the last {} not shown; -O FILE keeps all",
                    unit::bytes(self.hidden)
                )
            }
            Place::Nowhere | Place::Screen(_) | Place::Stdout => bytes,
        }
    }
}

impl Screen {
    /// Shows what may be shown of a piece; returns how many bytes may not.
    fn take(&mut self, piece: &[u8], console: &mut Console<'_>) -> anyhow::Result<u64> {
        let says_text = self.says_text;
        let is_text = *self.is_text.get_or_insert_with(|| looks_like_text(piece, says_text));
        let room = if is_text { SHOWN_BYTES_MAX - self.shown } else { 0 };
        let (shown, hidden) = piece.split_at(room.min(piece.len()));
        self.shown += shown.len();
        self.print(shown, console)?;
        Ok(hidden.len() as u64)
    }

    fn print(&mut self, bytes: &[u8], console: &mut Console<'_>) -> anyhow::Result<()> {
        self.carry.extend_from_slice(bytes);
        let split = self.carry.len() - unfinished(&self.carry);
        let rest = self.carry.split_off(split);
        let text = String::from_utf8_lossy(&self.carry).replace('\r', "");
        self.carry = rest;
        if let Some(last) = text.chars().next_back() {
            self.ends_line = last == '\n';
            console.print(&harmless(&text))?;
        }
        Ok(())
    }
}

/// Other text than UTF-8 is taken for text only if the server says that it is.
fn looks_like_text(first_piece: &[u8], says_text: bool) -> bool {
    let whole = &first_piece[..first_piece.len() - unfinished(first_piece)];
    !first_piece.contains(&0) && (says_text || std::str::from_utf8(whole).is_ok())
}

/// Bytes at the end that begin a character of UTF-8 and do not end it.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        // An error in the middle hides the end: only the last character counts.
        Err(_) => {
            let start = bytes.len().saturating_sub(3);
            (start..bytes.len())
                .find(|at| {
                    matches!(std::str::from_utf8(&bytes[*at..]),
                        Err(error) if error.error_len().is_none() && error.valid_up_to() == 0)
                })
                .map_or(0, |at| bytes.len() - at)
        }
        Ok(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]], content_type: &'static str) -> (String, String) {
        let mut out = Vec::new();
        let mut console = Console::plain(std::io::empty(), &mut out, std::io::sink());
        let mut sink = Sink::screen();
        let value = http::HeaderValue::from_static(content_type);
        sink.begin(&HeaderMap::from_iter([(CONTENT_TYPE, value)]));
        let mut bytes = 0;
        for piece in pieces {
            sink.take(piece, &mut console).unwrap();
            bytes += piece.len() as u64;
        }
        sink.end(&mut console).unwrap();
        drop(console);
        (String::from_utf8(out).unwrap(), sink.summary(bytes))
    }

    #[test]
    fn a_character_cut_by_a_piece_is_shown_whole() {
        let (text, _) = shown(&[b"selat \xe2\x86", b"\x92 jauh"], "text/plain");
        assert_eq!(text, "selat → jauh\n");
    }

    #[test]
    fn control_characters_of_a_body_do_not_reach_the_terminal() {
        let (text, _) = shown(&[b"a\x1b[31mred\x07\r\nb\tc\n"], "text/plain");
        assert_eq!(text, "a\u{fffd}[31mred\u{fffd}\nb\tc\n");
    }

    #[test]
    fn a_body_that_is_no_text_is_not_shown() {
        for (piece, kind) in
            [(&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg")]
        {
            let (text, summary) = shown(&[piece], kind);
            assert_eq!(text, "");
            assert!(summary.contains("not shown"), "{summary}");
        }
    }

    #[test]
    fn other_text_than_utf_8_is_shown_where_the_server_says_it_is_text() {
        assert_eq!(shown(&[b"caf\xe9!"], "text/plain; charset=iso-8859-1").0, "caf\u{fffd}!\n");
    }

    #[test]
    fn a_long_body_is_cut_and_says_so() {
        let piece = vec![b'x'; SHOWN_BYTES_MAX];
        let (text, summary) = shown(&[&piece, &piece], "text/plain");
        assert_eq!(text.len(), SHOWN_BYTES_MAX + 1);
        assert!(summary.contains("128 KiB, the last 64.0 KiB not shown"), "{summary}");
    }
}
