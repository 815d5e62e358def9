//! The fields that describe a file: its type, its validators, how long copies may be used.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};
use selat_core::http::{
    conditional::{EntityTag, Validators},
    date,
};

use super::resolve::OpenFile;

/// What is not known to be anything else.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Types that the table of `mime_guess` has older or other names for.
const TYPES: [(&str, &str); 4] = [
    // RFC 9239 §6
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    // What browsers load as a source map.
    ("map", "application/json"),
    ("toml", "application/toml"),
];

/// Time in which two changes may leave one and the same time stamp on a file, generously: file
/// systems stamp by the clock tick, some by the second.
const STAMP_RESOLUTION: Duration = Duration::from_secs(1);

/// The validators of a file, as they are sent.
#[derive(Debug)]
pub(super) struct FileValidators {
    etag: String,
    modified: SystemTime,
}

impl FileValidators {
    /// Of a file that was opened at `now`.
    pub(super) fn of(file: &OpenFile, now: SystemTime) -> Self {
        // RFC 9110 §8.8.2.1: never later than the response.
        let modified = date::whole_second(file.modified.min(now));
        Self { etag: etag(file, now), modified }
    }

    /// As preconditions compare them.
    pub(super) fn compared(&self) -> Validators<'_> {
        Validators { etag: self.entity_tag(), last_modified: Some(self.modified) }
    }

    /// The entity tag.
    pub(super) fn entity_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::parse(self.etag.as_bytes())
    }

    /// When the file was modified, to the second.
    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Writes both fields.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(header::LAST_MODIFIED, date::header_value(self.modified));
    }
}

/// An entity tag of a file's length and its time of change (`st_ctime`).
///
/// Unlike the time of modification, no program can set that one back: archives that give each file
/// the same date, and a version put in place of another with its dates kept, still get another tag.
/// It is a strong tag (RFC 9110 §8.8.1), but for a file that was changed just now: another change
/// could leave the same stamp.
fn etag(file: &OpenFile, now: SystemTime) -> String {
    let stamp = file.changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let settled = now.duration_since(file.changed).is_ok_and(|age| age > STAMP_RESOLUTION);
    let weakness = if settled { "" } else { "W/" };
    format!("{weakness}\"{stamp:x}-{:x}\"", file.length)
}

/// The media type of a file by its name, with a charset where the type has text.
pub(super) fn content_type(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default();
    let ours = TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    let essence = match ours {
        Some((_, essence)) => essence,
        None => mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN_TYPE),
    };
    if !has_text(essence) {
        return HeaderValue::from_static(essence);
    }
    HeaderValue::from_str(&format!("{essence}; charset=utf-8"))
        .unwrap_or(HeaderValue::from_static(UNKNOWN_TYPE))
}

fn has_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || ["json", "xml", "javascript", "toml"].iter().any(|syntax| {
            let before = essence.strip_suffix(syntax);
            before.is_some_and(|before| before.ends_with(['/', '+']))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_browsers_expect() {
        let cases = [
            ("index.html", "text/html; charset=utf-8"),
            ("STYLE.CSS", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("app.js.map", "application/json; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("site.webmanifest", "application/manifest+json; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("notes.md", "text/markdown; charset=utf-8"),
            ("module.wasm", "application/wasm"),
            ("photo.avif", "image/avif"),
            ("font.woff2", "font/woff2"),
            ("archive.tar.gz", "application/gzip"),
            ("LICENSE", "application/octet-stream"),
            ("a.nosuchtype", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_tag_is_weak_only_while_another_change_could_leave_it_as_it_is() {
        let file = tempfile::tempfile().expect("a file");
        let changed = UNIX_EPOCH + Duration::from_secs(1_000);
        let file = OpenFile { file, length: 26, modified: UNIX_EPOCH, changed };
        let at = |seconds| etag(&file, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_002), "\"e8d4a51000-1a\"");
        assert_eq!(at(1_001), "W/\"e8d4a51000-1a\"");
        assert_eq!(at(999), "W/\"e8d4a51000-1a\"", "a clock that was set back");
    }
}
