//! The text format of Prometheus (0.0.4), read strictly: what its own linter objects to is refused as well.

use std::collections::{BTreeMap, BTreeSet};

/// Every value of a file, under its name and labels.
#[derive(Debug, Default)]
pub struct Exposition {
    values: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// A metric under way: its name, and whether it is a summary.
struct Family<'a> {
    name: &'a str,
    is_summary: bool,
}

/// Units that are not those which Prometheus counts in.
const FOREIGN_UNITS: [&str; 10] =
    ["bits", "bps", "kb", "mb", "ms", "milliseconds", "microseconds", "minutes", "percent", "pct"];

impl Exposition {
    /// Reads `text`.
    ///
    /// # Errors
    /// The line that is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        let mut families = BTreeSet::new();
        let mut family: Option<Family<'_>> = None;
        let mut lines = text.split_terminator('\n').peekable();
        while let Some(line) = lines.next() {
            let wrong = |why: &str| format!("{why}: {line:?}");
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').ok_or(wrong("no help"))?;
                let kind =
                    lines.next().and_then(|it| it.strip_prefix("# TYPE ")?.strip_prefix(name));
                let is_summary = match kind {
                    Some(" gauge") => false,
                    Some(" summary") => true,
                    _ => return Err(wrong("no type of a snapshot after its help")),
                };
                check_name(name).map_err(|why| wrong(&why))?;
                let is_new = families.insert(name.to_owned());
                let is_followed = lines.peek().is_some_and(|it| it.starts_with(name));
                if words.is_empty() || !is_new || !is_followed {
                    return Err(wrong("not one family of values with a help"));
                }
                family = Some(Family { name, is_summary });
                continue;
            }
            let family = family.as_ref().ok_or(wrong("a value without a type"))?;
            read.take(family, line).map_err(|why| wrong(&why))?;
        }
        if text.is_empty() || !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        Ok(read)
    }

    fn take(&mut self, family: &Family<'_>, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_once('{').ok_or("no labels")?;
        let (labels, value) = labels(rest)?;
        let value: f64 = value.parse().map_err(|_| "no number")?;
        let quantile = labels.get("quantile").map(|it| it.parse::<f64>());
        match (name.strip_prefix(family.name), quantile, family.is_summary) {
            (Some(""), Some(Ok(0.0..=1.0)), true)
            | (Some(""), None, false)
            | (Some("_sum" | "_count"), None, true) => {}
            _ => return Err("no value of this family".to_owned()),
        }
        match self.values.insert((name.to_owned(), labels), value) {
            None => Ok(()),
            Some(_) => Err("the same series twice".to_owned()),
        }
    }

    /// The value called `name` of which `labels` are among the labels; the only one.
    #[must_use]
    pub fn only(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let is_wanted = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|it| it == value))
        };
        let found: Vec<f64> = self
            .values
            .iter()
            .filter(|((of, found), _)| of == name && is_wanted(found))
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(found.len(), 1, "{name} {labels:?} in {self:#?}");
        found[0]
    }

    /// Whether there is any value called `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.keys().any(|(of, _)| of == name)
    }
}

/// A name of this program's metrics as Prometheus' conventions have it.
fn check_name(name: &str) -> Result<(), String> {
    let words: Vec<&str> = name.strip_prefix("selat_").ok_or("no prefix")?.split('_').collect();
    let is_plain = |word: &&str| !word.is_empty() && word.chars().all(|it| it.is_ascii_lowercase());
    if !words.iter().all(is_plain) {
        return Err("words of other letters".to_owned());
    }
    if let Some(unit) = words.iter().find(|it| FOREIGN_UNITS.contains(it)) {
        return Err(format!("{unit} is no base unit"));
    }
    match words.last() {
        Some(&("total" | "sum" | "count" | "bucket" | "gauge" | "summary")) => {
            Err("an ending that is of another type".to_owned())
        }
        _ => Ok(()),
    }
}

/// `name="value",…} 1` as its labels and what stands after them.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("no label")?;
        if name.is_empty() || !name.chars().all(|it| it.is_ascii_lowercase() || it == '_') {
            return Err(format!("{name:?} is no label"));
        }
        let (value, after) = quoted(after).ok_or("a value without an end")?;
        if value.is_empty() || labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} is empty or stands twice"));
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((labels, after.strip_prefix("} ").ok_or("no end of labels")?)),
        }
    }
}

/// The text up to the next quotation mark that is not escaped, and what stands after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        value.push(match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            },
            other => other,
        });
    }
    None
}
