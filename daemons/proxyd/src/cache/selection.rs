//! Which stored responses are meant: one question with the same answer for what is stored and for
//! what is still on its way.

use std::{fmt, sync::Arc};

use regex::{Regex, RegexBuilder};
use selat_core::cache::key::CacheKey;

use super::tags::{Tag, Tags};
use crate::route::Routes;

/// Octets of a pattern.
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// Bytes of memory of a compiled pattern, and again of its lazily built states.
const PATTERN_MEMORY_BYTES_MAX: usize = 1 << 20;

/// Which responses: of one route or of all, and which of those. Cloning it copies at most two short texts.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Only of the route of this name.
    pub(super) route: Option<Box<str>>,
    pub(super) which: Which,
}

/// Which responses of a route.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// All.
    All,
    /// Those of one URL, whatever else is in their keys: every key with this base.
    Resource(CacheKey),
    /// Those whose normalised URL starts so.
    Prefix(Box<str>),
    /// Those that their origin gave this tag.
    Tag(Tag),
    /// Those whose URL the pattern finds itself in. The time that takes grows linearly with the URL.
    Pattern(Regex),
    /// Those under keys that no request has by these routes.
    Unreachable(Arc<Routes>),
}

impl From<Which> for Selection {
    fn from(which: Which) -> Self {
        Self { route: None, which }
    }
}

impl Selection {
    /// Everything.
    pub(crate) fn all() -> Self {
        Which::All.into()
    }

    /// Everything stored for the URL of `key`, in its route.
    pub(crate) fn resource(key: &CacheKey) -> Self {
        Which::Resource(CacheKey::from(key.base())).into()
    }

    /// What starts so.
    pub(crate) fn prefix(prefix: &str) -> Self {
        Which::Prefix(prefix.into()).into()
    }

    /// What has this tag.
    pub(crate) fn tag(tag: &str) -> Self {
        Which::Tag(tag.into()).into()
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
        Ok(Which::Pattern(regex).into())
    }

    /// What no request finds by these routes: it was stored by others.
    pub(crate) fn unreachable(routes: Arc<Routes>) -> Self {
        Which::Unreachable(routes).into()
    }

    /// Of these only those of one route.
    pub(crate) fn within(self, route: &str) -> Self {
        Self { route: Some(route.into()), ..self }
    }

    /// Whether it may mean any of more than one URL.
    pub(crate) fn is_of_many(&self) -> bool {
        !matches!(self.which, Which::Resource(_))
    }

    /// Whether everything is meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.route.is_none() && matches!(self.which, Which::All)
    }

    /// Whether it means what is stored, and nothing that is on its way: who stores that asks the routes itself.
    pub(super) fn is_of_the_past(&self) -> bool {
        matches!(self.which, Which::Unreachable(_))
    }

    /// What can be remembered and asked by requests: the same, or more.
    pub(super) fn cheapened(&self) -> Self {
        match self.which {
            // A compiled pattern may be large, and no request is to run one.
            Which::Pattern(_) => Self { route: self.route.clone(), which: Which::All },
            _ => self.clone(),
        }
    }

    /// Whether any variant under `key` may be meant.
    pub(crate) fn may_match(&self, key: &CacheKey) -> bool {
        let is_in_route = self.route.as_deref().is_none_or(|route| route == key.namespace());
        is_in_route
            && match &self.which {
                Which::All | Which::Tag(_) => true,
                Which::Resource(base) => base.as_str() == key.base(),
                Which::Prefix(prefix) => key.uri().starts_with(&**prefix),
                Which::Pattern(pattern) => pattern.is_match(key.uri()),
                Which::Unreachable(routes) => !routes.reach(key),
            }
    }

    /// Whether a response under `key` with these tags is meant.
    pub(crate) fn matches(&self, key: &CacheKey, tags: &Tags) -> bool {
        let has_tag = match &self.which {
            Which::Tag(tag) => tags.contains(tag),
            _ => true,
        };
        has_tag && self.may_match(key)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::All => f.write_str("everything"),
            Which::Resource(base) => write!(f, "url {}", base.uri()),
            Which::Prefix(prefix) => write!(f, "prefix {}", prefix.escape_debug()),
            Which::Tag(tag) => write!(f, "tag {}", tag.escape_debug()),
            Which::Pattern(pattern) => write!(f, "pattern {}", pattern.as_str().escape_debug()),
            Which::Unreachable(_) => f.write_str("what no request finds any more"),
        }?;
        match &self.route {
            Some(route) => write!(f, " of route {}", route.escape_debug()),
            None => Ok(()),
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
    fn a_route_narrows_whatever_is_selected() {
        let prefix = Selection::prefix("http://host/a");
        assert!(prefix.may_match(&key("/a/b")) && !prefix.may_match(&key("/b")));
        assert!(prefix.clone().within("default").may_match(&key("/a/b")));
        assert!(!prefix.within("other").may_match(&key("/a/b")));
        assert!(!Selection::all().within("other").may_match(&key("/")));
        let everything = [Selection::all(), Selection::all().within("default")];
        assert_eq!(everything.map(|one| one.is_everything()), [true, false]);
    }

    #[test]
    fn a_resource_is_all_keys_of_its_url() {
        let resource = Selection::resource(&key("/a device=mobile"));
        for (path, is_meant) in [
            ("/a", true),
            ("/a device=bot", true),
            ("/a device=bot cookie:x", true),
            ("/ab", false),
        ] {
            assert_eq!(resource.may_match(&key(path)), is_meant, "{path}");
        }
    }
}
