//! Flattens a TOML file into dotted keys, each with its values and its line.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Origin};

/// What stands behind one key.
pub(super) struct Entry {
    pub(super) values: Vec<String>,
    pub(super) is_list: bool,
    file: Arc<Path>,
    line: usize,
}

impl Entry {
    pub(super) fn origin(&self) -> Origin {
        Origin::File(self.file.to_path_buf(), self.line)
    }
}

/// The settings of one file, or of several.
#[derive(Default)]
pub(super) struct Entries {
    /// By dotted key.
    pub(super) settings: BTreeMap<String, Entry>,
    /// The tables in each table, by the dotted key of that: each by its name, with where it begins.
    pub(super) tables: BTreeMap<String, BTreeMap<String, Origin>>,
}

impl Entries {
    /// Takes in those of a later file, which win.
    pub(super) fn extend(&mut self, later: Self) {
        self.settings.extend(later.settings);
        for (key, tables) in later.tables {
            self.tables.entry(key).or_default().extend(tables);
        }
    }
}

/// Parses `text`; errors of the language go to `errors`, and what could be read is returned.
pub(super) fn parse(path: &Path, text: &str, errors: &mut Vec<ConfigError>) -> Entries {
    let (table, faults) = DeTable::parse_recoverable(text);
    let path = Arc::from(path);
    let mut flat = Flattened { path, text, entries: Entries::default(), errors };
    for fault in faults {
        let span = fault.span().unwrap_or(0..0);
        flat.refuse("", "", span, format!("not TOML: {}", fault.message()));
    }
    flat.table("", table.get_ref());
    flat.entries
}

struct Flattened<'a> {
    path: Arc<Path>,
    text: &'a str,
    entries: Entries,
    errors: &'a mut Vec<ConfigError>,
}

impl Flattened<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            match value.get_ref() {
                DeValue::Table(inner) => {
                    let begin = Origin::File(self.path.to_path_buf(), self.line(&name.span()));
                    let within = self.entries.tables.entry(prefix.to_owned()).or_default();
                    within.insert(name.get_ref().to_string(), begin);
                    self.table(&key, inner);
                }
                DeValue::Array(items) => self.list(&key, name.span(), items.iter()),
                scalar => self.scalar(key, name.span(), scalar),
            }
        }
    }

    fn scalar(&mut self, key: String, span: Range<usize>, value: &DeValue<'_>) {
        match scalar_text(value) {
            Some(text) => self.insert(key, span, vec![text], false),
            None => self.refuse(&key, "", span, format!("{} is not expected", value.type_str())),
        }
    }

    fn list<'i>(
        &mut self,
        key: &str,
        span: Range<usize>,
        items: impl Iterator<Item = &'i Spanned<DeValue<'i>>>,
    ) {
        let mut has_table = false;
        let texts: Option<Vec<_>> = items
            .inspect(|item| has_table |= matches!(item.get_ref(), DeValue::Table(_)))
            .map(|item| scalar_text(item.get_ref()))
            .collect();
        match texts {
            Some(values) => self.insert(key.to_owned(), span, values, true),
            None if has_table => {
                let problem = format!("tables here have names: [{key}.NAME], not [[{key}]]");
                self.refuse(key, "", span, problem);
            }
            None => self.refuse(key, "", span, "a list of plain values is expected".to_owned()),
        }
    }

    fn insert(&mut self, key: String, span: Range<usize>, values: Vec<String>, is_list: bool) {
        let (file, line) = (Arc::clone(&self.path), self.line(&span));
        self.entries.settings.insert(key, Entry { values, is_list, file, line });
    }

    fn refuse(&mut self, key: &str, value: &str, span: Range<usize>, problem: String) {
        let origin = Origin::File(self.path.to_path_buf(), self.line(&span));
        let (key, value) = (key.to_owned(), value.to_owned());
        self.errors.push(ConfigError { origin, key, value, problem });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

fn scalar_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
