//! The values of a configuration as a person reads them, to say what a reload changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug},
};

/// Every key with its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<String, Value>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Value {
    /// Tells values apart, however they are written.
    exact: String,
    /// As a person writes it.
    written: String,
}

/// One key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value before; empty where it was not given.
    pub from: String,
    /// Its value now; empty where it is no longer given.
    pub to: String,
}

impl Shown {
    /// What `next` says otherwise, in alphabetical order.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<Change> {
        let keys: BTreeSet<&String> = self.0.keys().chain(next.0.keys()).collect();
        let exact = |of: &Self, key: &str| of.0.get(key).map(|value| value.exact.clone());
        let written =
            |of: &Self, key: &str| of.0.get(key).map_or(String::new(), |it| it.written.clone());
        keys.into_iter()
            .filter(|key| exact(self, key) != exact(next, key))
            .map(|key| Change {
                key: key.clone(),
                from: written(self, key),
                to: written(next, key),
            })
            .collect()
    }

    pub(super) fn note(&mut self, key: String, value: &impl Debug, written: String) {
        self.0.insert(key, Value { exact: format!("{value:?}"), written });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to } = self;
        match (from.as_str(), to.as_str()) {
            ("", to) => write!(f, "{key}: is now {to}"),
            (from, "") => write!(f, "{key}: {from} is gone"),
            (from, to) => write!(f, "{key}: {from} is now {to}"),
        }
    }
}
