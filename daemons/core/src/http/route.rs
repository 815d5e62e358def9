//! Which route a request takes: by its host and the beginning of its path, both in normal form, so
//! that no other way to write them leads elsewhere than the cache's key does.
//!
//! Of the routes that fit, the one with the most exact host wins (`www.example.org`, then
//! `*.example.org`, then any), and of those the one with the longest path.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use super::target::Target;

/// Octets of a host, or of the beginning of a path.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// The hosts that a route is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Every host.
    Any,
    /// All names below this one, such as `example.org` for `*.example.org`; not itself.
    Below(String),
    /// This one.
    Exact(String),
}

impl HostPattern {
    /// Reads a host name or address, without a port, or `*.` and a name.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            "a host is expected, such as www.example.org or *.example.org, without a port";
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_literal = name.starts_with('[') && name.ends_with(']') && !below;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let fits_literal = |byte: u8| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte);
        let is_good = !name.is_empty()
            && name.len() <= PATTERN_BYTES_MAX
            && !name.starts_with('.')
            && name.bytes().all(|byte| if is_literal { fits_literal(byte) } else { fits(byte) });
        let name = name.to_ascii_lowercase();
        match (is_good, below) {
            (false, _) => Err(expected.to_owned()),
            (true, true) => Ok(Self::Below(name)),
            (true, false) => Ok(Self::Exact(name)),
        }
    }
}

impl Display for HostPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any host"),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

/// The beginning of paths that a route is for, in normal form: whole segments, so that `/img` is for
/// `/img` and `/img/a` but not for `/imgs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Every path.
    #[must_use]
    pub fn any() -> Self {
        Self("/".to_owned())
    }

    /// Reads the beginning of a path.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let target = Target { secure: false, authority: "", path: text, query: None };
        let is_good = text.starts_with('/')
            && text.len() <= PATTERN_BYTES_MAX
            && text.bytes().all(|octet| octet.is_ascii_graphic() && !b"?#*".contains(&octet));
        if is_good {
            Ok(Self(target.normalised_path().into_owned()))
        } else {
            Err("the beginning of a path is expected, such as /img/, without * or ?".to_owned())
        }
    }

    /// Whether a path in normal form begins so.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.0.as_str());
        rest.is_some_and(|rest| self.0.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    }
}

impl Display for PathPrefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is where: a `T` for each of some hosts and paths. It is made once and then only read.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    exact: HashMap<String, Paths<T>>,
    below: HashMap<String, Paths<T>>,
    any: Paths<T>,
}

/// Longest first.
type Paths<T> = Vec<(PathPrefix, T)>;

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), below: HashMap::new(), any: Vec::new() }
    }
}

impl<T> RouteTable<T> {
    /// Adds one.
    ///
    /// # Errors
    /// With what is there for the same host and path.
    pub fn insert(&mut self, host: HostPattern, path: PathPrefix, value: T) -> Result<(), &T> {
        let paths = match host {
            HostPattern::Any => &mut self.any,
            HostPattern::Below(name) => self.below.entry(name).or_default(),
            HostPattern::Exact(name) => self.exact.entry(name).or_default(),
        };
        let length = path.0.len();
        match paths.iter().position(|(other, _)| *other == path) {
            Some(taken) => Err(&paths[taken].1),
            None => {
                let place = paths.partition_point(|(other, _)| other.0.len() >= length);
                paths.insert(place, (path, value));
                Ok(())
            }
        }
    }

    /// What the request for a target comes to; `None` where nothing fits.
    #[must_use]
    pub fn find(&self, target: &Target<'_>) -> Option<&T> {
        if self.exact.is_empty() && self.below.is_empty() && self.any.is_empty() {
            return None;
        }
        let (host, path) = (target.normalised_host(), target.normalised_path());
        let mut parents = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        let exact = self.exact.get(&*host);
        exact
            .and_then(|paths| longest(paths, &path))
            .or_else(|| parents.find_map(|name| longest(self.below.get(name)?, &path)))
            .or_else(|| longest(&self.any, &path))
    }
}

fn longest<'t, T>(paths: &'t Paths<T>, path: &str) -> Option<&'t T> {
    paths.iter().find(|(prefix, _)| prefix.fits(path)).map(|(_, value)| value)
}
