//! Which stored responses are meant: one question with the same answer for what is stored and for
//! what is still on its way.

use std::fmt;

use regex::{Regex, RegexBuilder};
use selat_core::cache::key::CacheKey;

use super::tags::{Tag, Tags};

/// Octets of a pattern.
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// Bytes of memory of a compiled pattern, and again of its lazily built states.
const PATTERN_MEMORY_BYTES_MAX: usize = 1 << 20;

/// Which responses. Cloning it copies at most a short text.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// All.
    All,
    /// Every variant of one resource.
    Key(CacheKey),
    /// Those whose key starts so.
    Prefix(Box<str>),
    /// Those that their origin gave this tag.
    Tag(Tag),
    /// Those whose URL the pattern finds itself in. The time that takes grows linearly with the URL.
    Pattern(Regex),
}

impl Selection {
    /// Those of a namespace whose normalised URL starts with `prefix`.
    pub(crate) fn prefix(namespace: &str, prefix: &str) -> Self {
        Self::Prefix(format!("{namespace} {prefix}").into())
    }

    /// Those whose normalised URL `pattern` matches: in full, or anywhere where it is not anchored.
    ///
    /// # Errors
    /// Where the pattern is too long, too large once compiled, or none.
    pub(crate) fn pattern(pattern: &str, is_anchored: bool) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} octets"));
        }
        // On its own first: "a)|(b" is none, and must not become one by what is put around it.
        let regex = compile(pattern)?;
        let regex = if is_anchored { compile(&format!(r"\A(?:{pattern})\z"))? } else { regex };
        Ok(Self::Pattern(regex))
    }

    /// Whether any variant under `key` may be meant.
    pub(crate) fn may_match(&self, key: &CacheKey) -> bool {
        match self {
            Self::All | Self::Tag(_) => true,
            Self::Key(one) => one == key,
            Self::Prefix(prefix) => key.as_str().starts_with(&**prefix),
            Self::Pattern(pattern) => pattern.is_match(key.uri()),
        }
    }

    /// Whether a response under `key` with these tags is meant.
    pub(crate) fn matches(&self, key: &CacheKey, tags: &Tags) -> bool {
        match self {
            Self::Tag(tag) => tags.contains(tag),
            _ => self.may_match(key),
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Key(key) => write!(f, "url {}", key.uri()),
            Self::Prefix(prefix) => {
                let (_, prefix) = prefix.split_once(' ').unwrap_or(("", prefix));
                write!(f, "prefix {}", prefix.escape_debug())
            }
            Self::Tag(tag) => write!(f, "tag {}", tag.escape_debug()),
            Self::Pattern(pattern) => write!(f, "pattern {}", pattern.as_str().escape_debug()),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_MEMORY_BYTES_MAX)
        .dfa_size_limit(PATTERN_MEMORY_BYTES_MAX)
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> CacheKey {
        CacheKey::from(format!("default http://host{path}").as_str())
    }

    #[test]
    fn patterns_match_whole_urls_unless_asked_otherwise() {
        let whole = Selection::pattern("http://host/a|http://host/ab", true).unwrap();
        assert!(whole.may_match(&key("/a")) && whole.may_match(&key("/ab")));
        assert!(!whole.may_match(&key("/abc")));
        let anywhere = Selection::pattern(r"\.(png|jpg)$", false).unwrap();
        assert!(anywhere.may_match(&key("/x.png")) && !anywhere.may_match(&key("/x.png?y")));
        assert!(!Selection::pattern(r"\.png", true).unwrap().may_match(&key("/x.png")));
    }

    #[test]
    fn patterns_that_cost_too_much_are_refused() {
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        for pattern in ["a)|(b", "(", r"(\w{1000}){1000}", &long] {
            assert!(Selection::pattern(pattern, true).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_prefix_is_of_the_url_within_its_namespace() {
        let prefix = Selection::prefix("default", "http://host/a");
        assert!(prefix.may_match(&key("/a/b")) && !prefix.may_match(&key("/b")));
        assert!(!Selection::prefix("other", "http://host/a").may_match(&key("/a/b")));
    }
}
