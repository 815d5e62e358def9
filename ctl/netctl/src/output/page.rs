//! A report for people: lines and tables, one below the other.

use std::borrow::Cow;

use super::grid::Grid;
use crate::console::Look;

/// Columns of the longest line of a paragraph.
const LINE_WIDTH: usize = 100;

/// Text that grows downwards.
#[derive(Debug)]
pub(crate) struct Page {
    look: Look,
    text: String,
}

impl Page {
    pub(crate) fn new(look: Look) -> Self {
        Self { look, text: String::new() }
    }

    /// A line. Control characters in it are shown, not sent.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(&harmless(line.as_ref()));
        self.text.push('\n');
    }

    /// Sentences, broken between words where the line gets long.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let width = self.look.width.map_or(LINE_WIDTH, usize::from).min(LINE_WIDTH);
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                self.line(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(line);
    }

    /// An empty line, unless the page is empty or has one already.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A table.
    pub(crate) fn grid(&mut self, grid: &Grid) {
        self.text.push_str(&grid.render(self.look));
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// The text without what would act on a terminal: control characters other than tab and line
/// feed become U+FFFD.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c.is_control() && !matches!(c, '\t' | '\n');
    if text.contains(acts) {
        Cow::Owned(text.replace(acts, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
