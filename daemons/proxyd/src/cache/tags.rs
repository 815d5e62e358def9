//! The tags that an origin gives a response so that it can be purged with others: `Surrogate-Key` and
//! `xkey`, divided by white space, and `Cache-Tag`, divided by commas. They are for caches, and no
//! client sees them.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Bytes that keeping a tag costs beside its text, in the object and in the index.
const TAG_OVERHEAD_BYTES: usize = 96;

/// Whether an octet stands between two tags.
type Divides = fn(&u8) -> bool;

/// The fields that tags are in, and what divides them.
static FIELDS: [(HeaderName, Divides); 3] = [
    (HeaderName::from_static("surrogate-key"), u8::is_ascii_whitespace),
    (HeaderName::from_static("xkey"), u8::is_ascii_whitespace),
    (HeaderName::from_static("cache-tag"), |octet| *octet == b','),
];

/// One tag, compared octet by octet.
pub(crate) type Tag = Arc<str>;

/// Tags, sorted, each once. Cloning them copies a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Option<Arc<Box<[Tag]>>>);

impl Tags {
    /// Takes the tags out of the fields of a response; `None` where it has no field for them.
    pub(crate) fn take(headers: &mut HeaderMap) -> Option<Self> {
        let (mut tags, mut has_field) = (Vec::new(), false);
        for (name, divides) in &FIELDS {
            for value in headers.get_all(name) {
                read(value, *divides, &mut tags);
            }
            has_field |= headers.remove(name).is_some();
        }
        has_field.then(|| Self::of(tags))
    }

    /// These tags, in any order.
    fn of(mut tags: Vec<Tag>) -> Self {
        tags.sort_unstable();
        tags.dedup();
        Self((!tags.is_empty()).then(|| Arc::new(tags.into())))
    }

    /// The tags of all of these.
    pub(crate) fn union<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = all.filter(|tags| tags.0.is_some());
        let Some(first) = all.next() else { return Self::default() };
        let mut others = all.filter(|tags| *tags != first).peekable();
        if others.peek().is_none() {
            return first.clone();
        }
        Self::of(first.iter().chain(others.flat_map(Self::iter)).cloned().collect())
    }

    /// Each of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter().flat_map(|tags| tags.iter())
    }

    /// Whether `tag` is one of them.
    pub(crate) fn contains(&self, tag: &str) -> bool {
        let tags = self.0.as_deref().map_or(&[][..], |tags| tags);
        tags.binary_search_by(|own| (**own).cmp(tag)).is_ok()
    }

    /// Bytes of memory that they take, here and in the index.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.iter().map(|tag| (tag.len() + TAG_OVERHEAD_BYTES) as u64).sum()
    }
}

fn read(value: &HeaderValue, divides: Divides, to: &mut Vec<Tag>) {
    let found = value.as_bytes().split(divides).map(<[u8]>::trim_ascii);
    // A tag that is no text cannot be asked for either: it is kept as it would be shown.
    to.extend(found.filter(|tag| !tag.is_empty()).map(|tag| String::from_utf8_lossy(tag).into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn texts(tags: &Tags) -> Vec<&str> {
        tags.iter().map(|tag| &**tag).collect()
    }

    #[test]
    fn tags_are_read_from_every_field_and_taken_out() {
        let mut response = headers(&[
            ("surrogate-key", "article  front"),
            ("xkey", "front\tlist"),
            ("cache-tag", " a b , list,,"),
            ("content-type", "text/plain"),
        ]);
        let tags = Tags::take(&mut response).unwrap_or_default();
        assert_eq!(texts(&tags), ["a b", "article", "front", "list"]);
        assert_eq!(response.len(), 1);
        assert!(tags.contains("list") && !tags.contains("lis"));
        assert_eq!(Tags::take(&mut response), None);
    }

    #[test]
    fn a_field_without_tags_is_taken_out_too() {
        let mut response = headers(&[("surrogate-key", " ")]);
        assert_eq!(Tags::take(&mut response), Some(Tags::default()));
        assert!(response.is_empty());
    }

    #[test]
    fn variants_share_their_tags() {
        let of =
            |text: &'static str| Tags::take(&mut headers(&[("xkey", text)])).unwrap_or_default();
        let (one, other) = (of("a b"), of("b c"));
        assert_eq!(
            texts(&Tags::union([&one, &Tags::default(), &other].into_iter())),
            ["a", "b", "c"]
        );
        assert_eq!(Tags::union([&one, &one].into_iter()), one);
    }
}
