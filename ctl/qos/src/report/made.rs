//! How a measurement was made and how it ended, in a word each, for programs. Read from its conditions,
//! which files of samples keep too.

use serde::Serialize;

use super::{Flow, Measurement};

/// Names of the conditions that this is read from.
pub(super) const PACE: &str = "pace";
pub(super) const STAMPS: &str = "receive times";
pub(super) const ANSWERS: &str = "answers";
pub(super) const ENDED: &str = "ended";

/// What a condition begins with, and the word for it.
type Words = [(&'static str, &'static str)];

const PACES: &Words = &[("eco", "eco"), ("precise", "precise"), ("flood", "flood")];
const SOURCES: &Words = &[("kernel", "kernel"), ("user space", "user")];
const PEERS: &Words = &[
    ("STAMP reflector, authenticated", "stamp_authenticated"),
    ("STAMP reflector", "stamp"),
    ("TWAMP-Light reflector", "twamp_light"),
    ("plain echo", "echo"),
];
const ENDS: &Words =
    &[("complete", "complete"), ("cancelled", "cancelled"), ("given up", "refused")];

/// How it was made; `None` where the test has no such thing, or nothing came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// `complete`, `cancelled`, or `refused` where nobody listened.
    pub ended: Option<&'static str>,
    /// `eco`, `precise` or `flood`; of datagrams only.
    pub pace: Option<&'static str>,
    /// Who took the receive times: `kernel`, `user`, or `mixed`; of datagrams only.
    pub stamps: Option<&'static str>,
    /// What answered: `stamp`, `stamp_authenticated`, `twamp_light`, `echo`, or `mixed`; of datagrams only.
    pub answers: Option<&'static str>,
}

impl Made {
    /// How `measurement` was made.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        let value = |name: &str| {
            let found = measurement.conditions.iter().find(|condition| condition.name == name);
            found.map(|condition| condition.value.as_str())
        };
        let ended = |is_cancelled| Some(if is_cancelled { "cancelled" } else { "complete" });
        match &measurement.flow {
            Some(Flow::Http(run)) => Self { ended: ended(run.is_cancelled), ..Self::default() },
            Some(Flow::Tcp(run)) => Self { ended: ended(run.is_cancelled), ..Self::default() },
            None => Self {
                ended: word(ENDS, value(ENDED)),
                pace: word(PACES, value(PACE)),
                stamps: word(SOURCES, value(STAMPS)),
                answers: word(PEERS, value(ANSWERS)),
            },
        }
    }
}

/// The word for `value`; `mixed` where it tells of several.
fn word(words: &Words, value: Option<&str>) -> Option<&'static str> {
    let value = value?;
    let (begins, word) = words.iter().find(|(begins, _)| value.starts_with(begins))?;
    let rest = &value[begins.len()..];
    let others = words.iter().filter(|(_, other)| other != word);
    let is_mixed = others.into_iter().any(|(begins, _)| rest.contains(begins));
    Some(if is_mixed { "mixed" } else { word })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_in_a_word() {
        let cases = [
            (PACES, "precise: spins before each deadline", Some("precise")),
            (SOURCES, "kernel, as it took the datagram in", Some("kernel")),
            (SOURCES, "user space, after the receive call", Some("user")),
            (SOURCES, "kernel, as it took it in; 3 of 9 in user space, after it", Some("mixed")),
            (SOURCES, "none: nothing came back", None),
            (
                PEERS,
                "STAMP reflector, authenticated: its residence time",
                Some("stamp_authenticated"),
            ),
            (PEERS, "STAMP reflector: its residence time is not", Some("stamp")),
            (PEERS, "STAMP reflector, plain echo for some clients each", Some("mixed")),
            (PEERS, "plain echo: its residence time is part", Some("echo")),
            (PEERS, "none", None),
            (ENDS, "given up: nobody listens at the target", Some("refused")),
        ];
        for (words, value, expected) in cases {
            assert_eq!(word(words, Some(value)), expected, "{value}");
        }
        assert_eq!(word(ENDS, None), None);
    }
}
