//! Error texts for callers, kept brief: gRPC carries them in a header field, percent-encoded, and clients take
//! 16 KiB of fields. What is longer reaches nobody but as an error of the protocol.

use std::borrow::Cow;

/// Octets of what an error is about.
const SUBJECT_BYTES_MAX: usize = 256;

/// Octets of an error text: three times as many where each has to be encoded.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What an error is about, such as a URL: where it is long, its beginning.
#[must_use]
pub fn subject(text: &str) -> Cow<'_, str> {
    begun(text, SUBJECT_BYTES_MAX)
}

/// An error text: where it is long, its first lines and how many there are more.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let whole = begun(text, TEXT_BYTES_MAX);
    match whole.rfind('\n') {
        Some(end) => {
            let more = text[end..].trim_matches('\n').lines().count();
            Cow::Owned(format!("{}\n… and {more} lines more", &text[..end]))
        }
        None => whole,
    }
}

/// The first octets of a text, at most so many of them, and that there are more.
fn begun(text: &str, bytes_max: usize) -> Cow<'_, str> {
    match text.len() {
        length if length <= bytes_max => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(bytes_max)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(subject("http://h/"), "http://h/");
        let long = "ä".repeat(SUBJECT_BYTES_MAX);
        assert_eq!(subject(&long), format!("{}…", "ä".repeat(SUBJECT_BYTES_MAX / 2)));
        let odd = format!("a{long}");
        assert_eq!(subject(&odd), format!("a{}…", "ä".repeat(SUBJECT_BYTES_MAX / 2 - 1)));
    }

    #[test]
    fn many_lines_are_counted_beyond_the_first() {
        let few = "one\ntwo";
        assert_eq!(text(few), few);
        let line = "x".repeat(1000);
        let many = [line.as_str(); 10].join("\n");
        let shown = text(&many);
        assert_eq!(shown.lines().filter(|it| *it == line).count(), 4, "{shown}");
        assert!(shown.ends_with("\n… and 6 lines more"), "{shown}");
        assert!(text(&"y".repeat(1 << 20)).len() < TEXT_BYTES_MAX + 8);
    }
}
