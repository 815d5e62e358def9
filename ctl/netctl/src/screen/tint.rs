//! The colours of a screen, or what stands for them where there are none.

use ratatui::style::{Color, Modifier, Style};

/// How a screen may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    /// With the terminal's own colours, which its theme has chosen to be read.
    Colours,
    /// Without any (no-color.org): bold, faint and reversed.
    Plain,
}

impl Tint {
    /// Titles, and the curve that matters.
    pub(crate) fn accent(self) -> Style {
        self.either(Color::Cyan, Modifier::BOLD)
    }

    /// What is as it should be.
    pub(crate) fn good(self) -> Style {
        self.either(Color::Green, Modifier::empty())
    }

    /// What deserves a look.
    pub(crate) fn warning(self) -> Style {
        self.either(Color::Yellow, Modifier::BOLD)
    }

    /// What is lost or broken.
    pub(crate) fn bad(self) -> Style {
        self.either(Color::Red, Modifier::BOLD)
    }

    /// Words that matter less.
    pub(crate) fn faint(self) -> Style {
        Style::new().fg(Color::Reset).add_modifier(Modifier::DIM)
    }

    /// Frames, and dots in the background.
    pub(crate) fn frame(self) -> Style {
        self.either(Color::DarkGray, Modifier::DIM)
    }

    /// A figure, also where it stands in a frame.
    pub(crate) fn strong(self) -> Style {
        Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD)
    }

    /// A word over the picture.
    pub(crate) fn notice(self) -> Style {
        self.either(Color::Yellow, Modifier::empty()).add_modifier(Modifier::REVERSED)
    }

    fn either(self, colour: Color, modifier: Modifier) -> Style {
        match self {
            Self::Colours => Style::new().fg(colour),
            Self::Plain => Style::new().add_modifier(modifier),
        }
    }
}
