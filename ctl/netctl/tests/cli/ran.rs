//! Runs a command line in this process and keeps what it wrote.

use netctl::{Console, Exit};
use serde_json::Value;

/// What a command line did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) notes: String,
}

/// Runs `netctl arguments`.
pub(crate) fn netctl(arguments: &[&str]) -> Ran {
    netctl_with_input(arguments, "")
}

/// Runs `netctl arguments` with lines to read.
pub(crate) fn netctl_with_input(arguments: &[&str], input: &str) -> Ran {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let exit = {
        let mut console = Console::plain(input.as_bytes(), &mut out, &mut notes);
        netctl::run(["netctl"].iter().chain(arguments), &mut console)
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit, out: text(out), notes: text(notes) }
}

impl Ran {
    /// The output of a command that succeeded.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!(self.exit, Exit::Success, "{self:?}");
        self.out
    }

    /// The one document of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The complaint of a command that ended so; nothing else was written.
    #[track_caller]
    pub(crate) fn complaint(self, exit: Exit) -> String {
        assert_eq!((self.exit, self.out.as_str()), (exit, ""), "{self:?}");
        self.notes
    }
}

/// Asserts that `text` has every one of `parts`.
#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}
