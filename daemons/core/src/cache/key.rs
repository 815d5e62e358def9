//! The name under which responses are stored: what the client asked for, in normal form, within
//! the namespace of its route (RFC 9111 §2). Never what the origin was asked for: two sites behind
//! one origin must not share entries.

use std::borrow::Borrow;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::http::target::Target;

/// A primary cache key. Cloning it copies a pointer. It reads `namespace scheme://host/path?query`,
/// with each further part ([`super::key_parts`]) after another space.
///
/// The method is not part of it: only responses to GET (and to POST in place of GET) are stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    /// The key of a target. A namespace must not contain spaces; those that do are cut there.
    #[must_use]
    pub fn new(namespace: &str, target: &Target<'_>) -> Self {
        let mut text = String::new();
        Self::write(&mut text, namespace, target);
        Self(text.into())
    }

    /// Writes the text of a key over `to`, for a look-up that keeps its buffer: a map from
    /// `CacheKey` can be searched by `&str`.
    pub fn write(to: &mut String, namespace: &str, target: &Target<'_>) {
        to.clear();
        to.reserve(Self::capacity(namespace, target));
        to.push_str(namespace.split(' ').next().unwrap_or_default());
        to.push(' ');
        target.write_normalised(to);
    }

    /// Octets that the text of a key takes where nothing of its target has to be encoded.
    fn capacity(namespace: &str, target: &Target<'_>) -> usize {
        let query = target.query.map_or(0, str::len);
        namespace.len() + target.authority.len() + target.path.len() + query + 16
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace: the route's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Namespace and URI, without the parts: what all keys of one URI have in common.
    #[must_use]
    pub fn base(&self) -> &str {
        let parts: usize = self.parts().map(|part| part.len() + 1).sum();
        &self.0[..self.0.len() - parts]
    }

    /// The parts beside the URI.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').skip(2)
    }

    /// The URI, as a person would type it.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }
}

impl Display for CacheKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for CacheKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for CacheKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CacheKey {
    /// Takes the text of a key as it is, as read back from a listing or a disk.
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
