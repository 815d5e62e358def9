//! The values of a configuration as a person reads them, to say what a reload changes.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
};

/// Every key with its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<&'static str, String>);

/// One key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: &'static str,
    /// Its value before.
    pub from: String,
    /// Its value now.
    pub to: String,
}

impl Shown {
    /// What `next` says otherwise, in alphabetical order.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<Change> {
        next.0
            .iter()
            .filter_map(|(key, to)| {
                let from = self.0.get(key).cloned().unwrap_or_default();
                (from != *to).then(|| Change { key, from, to: to.clone() })
            })
            .collect()
    }

    pub(super) fn note(&mut self, key: &'static str, value: &impl Debug) {
        self.0.insert(key, format!("{value:?}"));
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is now {}", self.key, self.from, self.to)
    }
}
