//! What does a write spoil?

mod story;

use selat_core::cache::key::CacheKey;
use story::Story;

fn spoiled(method: &str, status: u16, response: &str) -> Vec<String> {
    let story = Story::answered(status, response).to(method, "http://example.com/dir/a?q");
    let keys = selat_core::cache::invalidate::invalidated(&story.exchange(), |target| {
        CacheKey::new("r", target)
    });
    keys.iter().map(|key| key.uri().to_owned()).collect()
}

#[test]
fn unsafe_and_unknown_methods_spoil_their_target() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO", "get"] {
        assert_eq!(spoiled(method, 200, ""), ["http://example.com/dir/a?q"], "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"] {
        assert!(spoiled(method, 200, "Location: /b").is_empty(), "{method}");
    }
}

#[test]
fn errors_spoil_nothing() {
    for status in [200, 201, 204, 302, 303] {
        assert_eq!(spoiled("POST", status, "").len(), 1, "{status}");
    }
    for status in [400, 404, 500, 503] {
        assert!(spoiled("POST", status, "Location: /b").is_empty(), "{status}");
    }
}

#[test]
fn what_the_response_names_is_spoiled_too_within_the_origin() {
    let target = "http://example.com/dir/a?q";
    let (b, c) = ("http://example.com/dir/b", "http://example.com/c");
    for (response, expected) in [
        ("Location: b\nContent-Location: /c", vec![target, b, c]),
        ("Location: http://example.com:80/c", vec![target, c]),
        ("Location: /c\nContent-Location: ./../c", vec![target, c]),
        ("Location: a?q", vec![target]),
        ("Location: http://other.example/c", vec![target]),
        ("Content-Location: https://example.com/c", vec![target]),
        ("Location: mailto:a@b", vec![target]),
    ] {
        assert_eq!(spoiled("PUT", 200, response), expected, "{response}");
    }
}
