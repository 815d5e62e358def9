//! The sample configurations that are packaged: every key behind a `#`, with its default.

/// The sample with its keys in force, for a check that they say the defaults.
#[must_use]
pub fn in_force(sample: &str) -> String {
    let is_key = |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase());
    sample
        .lines()
        .map(|line| line.strip_prefix('#').filter(|text| is_key(text)).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect()
}
