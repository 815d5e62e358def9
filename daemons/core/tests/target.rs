//! Which resource is a request for, under which key, and which file is that?

mod story;

use std::collections::HashMap;

use http::Uri;
use proptest::prelude::*;
use selat_core::cache::key::CacheKey;
use selat_core::cache::query::QueryRules;
use selat_core::http::target::{FilePath, PathError, Target, TargetError, resolve_same_origin};
use story::fields;

fn target(path: &str) -> Target<'_> {
    Target { secure: false, authority: "example.com", path, query: None }
}

#[test]
fn the_target_is_put_together_from_the_request_line_and_host() {
    let of = |uri: &str, request: &str| {
        let (uri, headers) = (uri.parse::<Uri>().expect("a URI"), fields(request));
        Target::of(&uri, &headers, false).map(|target| {
            let mut text = String::new();
            target.write_normalised(&mut text);
            text
        })
    };
    for (uri, request, expected) in [
        ("/a?b", "Host: example.com", Ok("http://example.com/a?b")),
        ("/a", "Host: EXAMPLE.com:80", Ok("http://example.com/a")),
        ("/a", "Host: example.com:", Ok("http://example.com/a")),
        ("/a", "Host: example.com:8080", Ok("http://example.com:8080/a")),
        ("/a", "Host: [::1]:80", Ok("http://[::1]/a")),
        ("/a", "Host: [2001:DB8::1]", Ok("http://[2001:db8::1]/a")),
        ("http://one.example/a", "Host: two.example", Ok("http://one.example/a")),
        ("http://one.example", "Host: one.example", Ok("http://one.example/")),
        ("/a?", "Host: h", Ok("http://h/a?")),
        ("/", "", Err(TargetError::HostMissing)),
        ("/", "Host: a\nHost: a", Err(TargetError::HostRepeated)),
        ("/", "Host:", Err(TargetError::HostInvalid)),
        ("/", "Host: a b", Err(TargetError::HostInvalid)),
        ("/", "Host: user@a", Err(TargetError::HostInvalid)),
        ("/", "Host: a/b", Err(TargetError::HostInvalid)),
        ("/", "Host: a:b", Err(TargetError::HostInvalid)),
        ("/", "Host: :80", Err(TargetError::HostInvalid)),
        ("/", "Host: [::1", Err(TargetError::HostInvalid)),
        ("/", "Host: ä", Err(TargetError::HostInvalid)),
        ("http://user@a/", "Host: a", Err(TargetError::HostInvalid)),
        ("*", "Host: a", Err(TargetError::PathMissing)),
    ] {
        assert_eq!(of(uri, request), expected.map(str::to_owned), "{uri} {request}");
    }
    let long = format!("Host: {}", "a".repeat(300));
    assert_eq!(of("/", &long), Err(TargetError::HostInvalid));
}

#[test]
fn spellings_of_one_uri_have_one_key() {
    for (path, normal) in [
        ("/", "/"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/../../a", "/a"),
        ("/a/b/../../../c", "/c"),
        ("/%7Ea/%2e%2e/b", "/b"),
        ("/%7ea", "/~a"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%zz%4", "/a%25zz%254"),
        ("/a%", "/a%25"),
        ("/%%411", "/%25A1"),
        ("//a//b", "//a//b"),
        ("/a//../b", "/a/b"),
        ("/.a/..b/c.", "/.a/..b/c."),
        ("/A", "/A"),
    ] {
        assert_eq!(target(path).normalised_path_and_query(), normal, "{path}");
    }
    let query = Target { query: Some("x=%7e%2f&..=/../"), ..target("/") };
    assert_eq!(query.normalised_path_and_query(), "/?x=~%2F&..=/../");
}

#[test]
fn keys_separate_schemes_hosts_and_routes() {
    let plain = CacheKey::new("site", &target("/a"));
    assert_eq!(plain.to_string(), "site http://example.com/a");
    assert_eq!((plain.namespace(), plain.uri()), ("site", "http://example.com/a"));
    let others = [
        CacheKey::new("other", &target("/a")),
        CacheKey::new("site", &Target { secure: true, ..target("/a") }),
        CacheKey::new("site", &Target { authority: "example.org", ..target("/a") }),
        CacheKey::new("site", &Target { query: Some(""), ..target("/a") }),
        CacheKey::from("site http://example.com/a device=mobile"),
    ];
    for other in &others {
        assert_ne!(*other, plain);
    }
    assert_eq!(others[4].uri(), plain.uri());
    let spaced = CacheKey::new("si te", &target("/a"));
    assert_eq!((spaced.namespace(), spaced.uri()), ("si", "http://example.com/a"));
}

#[test]
fn a_map_of_keys_is_searched_with_a_kept_buffer() {
    let map = HashMap::from([(CacheKey::new("site", &target("/a")), 1)]);
    let mut buffer = String::from("what was here before");
    CacheKey::write(&mut buffer, "site", &target("/x/../%61"));
    assert_eq!(map.get(buffer.as_str()), Some(&1));
}

#[test]
fn references_are_resolved_within_the_origin_only() {
    let base = Target { query: Some("q"), ..target("/a/b") };
    for (reference, expected) in [
        ("/c", Some(("/c", None))),
        ("c?d", Some(("/a/c", Some("d")))),
        ("../c", Some(("/a/../c", None))),
        ("?d", Some(("/a/b", Some("d")))),
        ("", Some(("/a/b", Some("q")))),
        ("#f", Some(("/a/b", Some("q")))),
        ("/c#f?g", Some(("/c", None))),
        ("http://EXAMPLE.com:80/c", Some(("/c", None))),
        ("http://example.com", Some(("/", None))),
        ("http://example.com?d", Some(("/", Some("d")))),
        ("//example.com/c", Some(("/c", None))),
        ("/c?u=http://other.example/", Some(("/c", Some("u=http://other.example/")))),
        ("https://example.com/c", None),
        ("http://other.example/c", None),
        ("http://example.com:8080/c", None),
        ("mailto:a@b", None),
    ] {
        let resolved = resolve_same_origin(&base, reference);
        let resolved = resolved.as_ref().map(|(path, query)| (path.as_ref(), *query));
        assert_eq!(resolved, expected, "{reference}");
    }
}

#[test]
fn a_file_path_never_leaves_the_root() {
    for (path, expected, directory) in [
        ("/", "", true),
        ("/a", "a", false),
        ("/a/", "a", true),
        ("/a/b.txt", "a/b.txt", false),
        ("/a%20b", "a b", false),
        ("/../../etc/passwd", "etc/passwd", false),
        ("/%2e%2e/%2E%2E/etc/passwd", "etc/passwd", false),
        ("/a/../../b", "b", false),
        ("/a/b/..", "a", true),
        ("/a/.", "a", true),
        ("//a//b", "a/b", false),
        ("/..%5c..%5cb", "..\\..\\b", false),
        ("/%zz", "%zz", false),
    ] {
        let decoded = FilePath::decode(path).expect("a path");
        assert_eq!(decoded.to_relative(), expected.as_bytes(), "{path}");
        assert_eq!(decoded.is_directory(), directory, "{path}");
    }
    for (path, error) in [
        ("/a%00b", PathError::Nul),
        ("/a%2fb", PathError::EncodedSlash),
        ("/..%2f..%2fetc/passwd", PathError::EncodedSlash),
        ("a", PathError::NotAbsolute),
        ("", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
    ] {
        assert_eq!(FilePath::decode(path), Err(error), "{path}");
    }
    assert!(FilePath::decode("/a/.git/config").expect("a path").is_hidden());
    assert!(FilePath::decode("/%2egit").expect("a path").is_hidden());
    assert!(!FilePath::decode("/a.b/./c").expect("a path").is_hidden());
    assert!(!FilePath::decode("/.well-known/security.txt").expect("a path").is_hidden());
    assert!(FilePath::decode("/.well-known/.git").expect("a path").is_hidden());
    assert!(FilePath::decode("/a/.well-known/b").expect("a path").is_hidden());
}

#[test]
fn parameters_that_do_not_matter_are_left_out_or_put_in_order() {
    let rules = |drop: &[&str], sort| QueryRules {
        drop: drop.iter().map(|name| (*name).to_owned()).collect(),
        sort,
    };
    let tracking = &["utm_*", "fbclid"][..];
    for (rules, query, expected) in [
        (rules(&[], false), "b=2&a=1", Some("b=2&a=1")),
        (rules(&[], true), "b=2&a=1&b=1", Some("a=1&b=2&b=1")),
        (rules(tracking, false), "utm_source=x&a=1&fbclid=y", Some("a=1")),
        (rules(tracking, false), "fbclid2=y&xutm_=1", Some("fbclid2=y&xutm_=1")),
        (rules(tracking, false), "utm_source=x", None),
        (rules(tracking, false), "", Some("")),
        (rules(&["*"], true), "a&b", None),
    ] {
        assert_eq!(rules.apply(query).as_deref(), expected, "{query}");
    }
    assert!(QueryRules::default().is_empty());
}

proptest! {
    #[test]
    fn normal_form_is_stable(path in "(/|%2[eEfF]|%[0-9a-fA-F]{2}|[.a~%]|%zz){0,12}", query in "[a%~/.0-9]{0,8}") {
        let path = format!("/{path}");
        let once = Target { query: Some(&query), ..target(&path) }.normalised_path_and_query();
        let (path, query) = once.split_once('?').expect("a query");
        let twice = Target { query: Some(query), ..target(path) }.normalised_path_and_query();
        prop_assert!(path.starts_with('/'));
        prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
        prop_assert_eq!(&twice, &once);
    }

    #[test]
    fn no_spelling_of_a_path_climbs_or_hides_a_separator(path in "(/|%2[eEfF]|%00|%5c|[.a]){0,16}") {
        if let Ok(decoded) = FilePath::decode(&format!("/{path}")) {
            for segment in decoded.segments() {
                prop_assert!(!segment.is_empty() && segment != b"." && segment != b"..");
                prop_assert!(!segment.contains(&b'/') && !segment.contains(&0));
            }
        }
    }

    #[test]
    fn any_reference_is_resolved_or_refused(reference in "\\PC{0,30}") {
        let _ = resolve_same_origin(&target("/a"), &reference);
    }
}
