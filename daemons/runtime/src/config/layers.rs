//! The layers of settings: the most specific one that knows a key wins.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::{Debug, Display},
    path::{Path, PathBuf},
};

use super::{
    ConfigError, ConfigErrors, Origin, Shown, SourceFile, Written,
    file::{self, Entries},
    source_file::{self, Unreadable},
    written,
};

/// Where a daemon's settings are. Reading them again is what a reload begins with.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    file_is_optional: bool,
    /// The file and its drop-ins as they were, once they are held.
    held: Option<Vec<SourceFile>>,
    variable_prefix: String,
    flags: BTreeMap<String, Vec<String>>,
    passed: PassedSockets,
}

/// The sockets that are passed in, as far as that is known before they are taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedSockets {
    /// Those of these roles.
    Of(Vec<String>),
    /// Those of the process before, whichever they are.
    AllOfPredecessor,
}

impl Default for PassedSockets {
    fn default() -> Self {
        Self::Of(Vec::new())
    }
}

impl Sources {
    /// Settings of the program `name`: the file `/etc/selat/NAME.toml` if it is there, its drop-ins
    /// `/etc/selat/NAME.d/*.toml`, and variables `NAME_KEY` in capitals.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self {
            file: Some(PathBuf::from(format!("/etc/selat/{name}.toml"))),
            file_is_optional: true,
            held: None,
            variable_prefix: name.to_uppercase(),
            flags: BTreeMap::new(),
            passed: PassedSockets::default(),
        }
    }

    /// Says which sockets are passed in: what they serve needs no address.
    #[must_use]
    pub fn with_passed(mut self, passed: PassedSockets) -> Self {
        self.passed = passed;
        self
    }

    /// Takes `file` instead of the one in `/etc`; it must then be there. Its drop-ins are in the directory beside it
    /// that has `.d` for its ending.
    #[must_use]
    pub fn with_file(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self.file_is_optional = false;
        self
    }

    /// Reads no file.
    #[must_use]
    pub fn without_file(mut self) -> Self {
        self.file = None;
        self
    }

    /// Sets `key` as the command line does; no values leave it unset.
    #[must_use]
    pub fn with_flag(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.flags.insert(key.to_owned(), values);
        }
        self
    }

    /// The same with the files as they are now, so that what is read from them is what [`Sources::files`] has. Where one
    /// cannot be read, all are tried again by [`Sources::read`], which tells why.
    #[must_use]
    pub fn held(&self) -> Self {
        Self { held: self.read_files().ok(), ..self.clone() }
    }

    /// The same with `files` in place of those on disk.
    #[must_use]
    pub fn with_files(&self, files: Vec<SourceFile>) -> Self {
        Self { held: Some(files), ..self.clone() }
    }

    /// The files that are held, if they are: the later one wins.
    #[must_use]
    pub fn files(&self) -> Option<&[SourceFile]> {
        self.held.as_deref()
    }

    fn read_files(&self) -> Result<Vec<SourceFile>, Unreadable> {
        match (&self.held, &self.file) {
            (Some(held), _) => Ok(held.clone()),
            (None, Some(path)) => source_file::with_drop_ins(path, self.file_is_optional),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// The file that is read, whether it is there or not.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Collects the settings. What cannot be read becomes an error of [`Layers::finish`].
    #[must_use]
    pub fn read(&self) -> Layers<'_> {
        let (mut entries, mut errors) = (Entries::default(), Vec::new());
        match self.read_files() {
            Ok(files) => {
                for SourceFile { path, text } in &files {
                    entries.extend(file::parse(path, text, &mut errors));
                }
            }
            Err(Unreadable { path, fault }) => errors.push(ConfigError {
                origin: Origin::File(path, 0),
                key: String::new(),
                value: String::new(),
                problem: format!("cannot be read: {fault}"),
            }),
        }
        Layers {
            sources: self,
            entries,
            table: String::new(),
            asked: BTreeSet::new(),
            shown: Shown::default(),
            errors,
        }
    }

    fn variable(&self, key: &str) -> String {
        format!("{}_{}", self.variable_prefix, key.to_uppercase().replace(['.', '-'], "_"))
    }
}

/// What the winning layer says of a key.
struct Given {
    values: Vec<String>,
    is_list: bool,
    origin: Origin,
}

/// Settings being read; see the module's steps.
pub struct Layers<'s> {
    sources: &'s Sources,
    entries: Entries,
    /// The table that keys are in, with a dot at its end; empty for the file as a whole.
    table: String,
    asked: BTreeSet<String>,
    shown: Shown,
    errors: Vec<ConfigError>,
}

impl Layers<'_> {
    /// The value of `key`, or `default`.
    pub fn one<T: Debug + Written>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
        default: T,
    ) -> T {
        let value = self.parsed_one(key, parse);
        let is_given = value.is_some();
        let value = value.unwrap_or(default);
        self.note(key, &value, is_given, T::written);
        value
    }

    /// The value of `key`, if it is given.
    pub fn optional<T: Debug>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.parsed_one(key, parse);
        self.note(key, &value, value.is_some(), |_| String::new());
        value
    }

    fn parsed_one<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.given(key)?;
        match given.values.as_slice() {
            [value] if !given.is_list => self.parsed(key, value, &given.origin, &parse),
            values => {
                let problem = "one plain value is expected, not a list".to_owned();
                let key = self.full(key);
                self.push(given.origin.clone(), &key, &values.join(", "), problem);
                None
            }
        }
    }

    /// The values of `key`, or `default`. An empty list is a value too: none.
    pub fn many<T: Debug + Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
        default: Vec<T>,
    ) -> Vec<T> {
        let given = self.given(key);
        let is_given = given.is_some();
        let values = match given {
            Some(given) => given
                .values
                .iter()
                .filter_map(|value| self.parsed(key, value, &given.origin, &parse))
                .collect(),
            None => default,
        };
        self.note(key, &values, is_given, |values| {
            written::list(&values.iter().map(T::to_string).collect::<Vec<_>>())
        });
        values
    }

    /// The names of the tables in `table`, such as `a` for `[table.a]`, as `parse` takes them.
    pub fn tables<T>(
        &mut self,
        table: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let found = self.entries.tables.get(table).cloned().unwrap_or_default();
        let mut names = Vec::new();
        for (name, begin) in found {
            match parse(&name) {
                Ok(name) => names.push(name),
                Err(problem) => {
                    let key = format!("{table}.{name}");
                    self.push(begin, &key, "", problem);
                    // Its keys are not unknown: they are of no table.
                    let within = format!("{key}.");
                    let keys = self.entries.settings.keys().filter(|it| it.starts_with(&within));
                    self.asked.extend(keys.cloned());
                }
            }
        }
        names
    }

    /// Reads keys of the table of this dotted name, where a value that is not given is taken from elsewhere:
    /// it is not shown.
    pub fn within<T>(&mut self, table: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.table, format!("{table}."));
        let read = read(self);
        self.table = before;
        read
    }

    /// Refuses the value of `key` for a reason that concerns more than its text.
    pub fn refuse(&mut self, key: &'static str, problem: impl Into<String>) {
        let (origin, value) = match self.given(key) {
            Some(given) => (given.origin, given.values.join(", ")),
            None => (self.place().cloned().unwrap_or(Origin::Default), String::new()),
        };
        let key = self.full(key);
        self.push(origin, &key, &value, problem.into());
    }

    /// Whether a value of `key` was refused already: what is missing then is not missing for want of one.
    #[must_use]
    pub fn is_refused(&self, key: &str) -> bool {
        let key = self.full(key);
        self.errors.iter().any(|error| error.key == key)
    }

    /// Whether a socket of this role is passed in.
    #[must_use]
    pub fn is_passed(&self, role: &str) -> bool {
        match &self.sources.passed {
            PassedSockets::Of(roles) => roles.iter().any(|passed| passed == role),
            PassedSockets::AllOfPredecessor => true,
        }
    }

    /// Every key that was asked for so far, with its value.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Every key that was asked for, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }

    /// Gives `config` if nothing was wrong.
    ///
    /// # Errors
    /// Every error found, unknown keys among them.
    pub fn finish<T>(mut self, config: T) -> Result<T, ConfigErrors> {
        let unknown: Vec<_> = self
            .entries
            .settings
            .iter()
            .filter(|(key, _)| !self.asked.contains(key.as_str()))
            .map(|(key, entry)| (key.clone(), entry.origin()))
            .collect();
        for (key, origin) in unknown {
            let problem = match (self.of_all(&key), nearest(&key, &self.asked)) {
                (Some(of_all), _) => format!("unknown key; {of_all}"),
                (None, Some(known)) => format!("unknown key; did you mean {known}?"),
                (None, None) => "unknown key".to_owned(),
            };
            self.push(origin, &key, "", problem);
        }
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }

    /// Where a key belongs that stands in one of several tables, but is not for these.
    fn of_all(&self, key: &str) -> Option<String> {
        let (table, rest) = key.split_once('.')?;
        let (name, rest) = rest.split_once('.')?;
        let is_table = self.entries.tables.get(table).is_some_and(|it| it.contains_key(name));
        let is_known = is_table && self.asked.contains(rest);
        is_known.then(|| match rest.rsplit_once('.') {
            Some((table, _)) => format!("{rest} is for all and belongs in [{table}]"),
            None => format!("{rest} is for all and belongs before any table"),
        })
    }

    fn given(&mut self, key: &'static str) -> Option<Given> {
        let key = self.full(key);
        self.asked.insert(key.clone());
        if let Some(values) = self.sources.flags.get(&key) {
            let is_list = values.len() > 1;
            let origin = Origin::Flag(format!("--{}", key.replace(['.', '_'], "-")));
            return Some(Given { values: values.clone(), is_list, origin });
        }
        let variable = self.sources.variable(&key);
        if let Ok(text) = env::var(&variable) {
            let values: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            let is_list = values.len() > 1;
            return Some(Given { values, is_list, origin: Origin::Environment(variable) });
        }
        let entry = self.entries.settings.get(&key)?;
        let origin = entry.origin();
        Some(Given { values: entry.values.clone(), is_list: entry.is_list, origin })
    }

    fn parsed<T>(
        &mut self,
        key: &str,
        value: &str,
        origin: &Origin,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                let key = self.full(key);
                self.push(origin.clone(), &key, value, problem);
                None
            }
        }
    }

    /// The dotted key of `key`, which is in the table that is being read.
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.table)
    }

    /// Where the table begins that is being read.
    fn place(&self) -> Option<&Origin> {
        let (parent, name) = self.table.strip_suffix('.')?.rsplit_once('.')?;
        self.entries.tables.get(parent)?.get(name)
    }

    /// Notes a value as it is given, or a default as it is `written`.
    fn note<T: Debug>(
        &mut self,
        key: &'static str,
        value: &T,
        is_given: bool,
        written: impl Fn(&T) -> String,
    ) {
        if is_given || self.table.is_empty() {
            let given = self.given(key).filter(|_| is_given);
            let written = given.map_or_else(|| written(value), |it| written::list(&it.values));
            self.shown.note(self.full(key), value, written);
        }
    }

    fn push(&mut self, origin: Origin, key: &str, value: &str, problem: String) {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.errors.push(ConfigError { origin, key, value, problem });
    }
}

/// The known key that differs least from `key`, if it is near enough to be what was meant.
fn nearest<'k>(key: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (distance(key, candidate), candidate.as_str()))
        .filter(|(edits, _)| *edits <= 1 + key.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insertion, removal, replacement of a byte) between two keys, by Levenshtein.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
