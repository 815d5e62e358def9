//! Does a stored response answer a request with these fields?

mod story;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use selat_core::cache::policy::Decision;
use selat_core::cache::reason::MissReason;
use selat_core::cache::vary::{FIELDS_MAX, Vary};
use story::{Story, fields};

#[track_caller]
fn check(rows: &[(&str, &str, &str, bool)]) {
    assert!(!rows.is_empty());
    for (response, first, second, expected) in rows {
        let vary = Vary::of(&fields(response), &fields(first));
        assert_eq!(vary.matches(&fields(second)), *expected, "{response} | {first} | {second}");
    }
}

#[test]
fn what_varies_on_who_the_proxy_says_asks_is_for_that_client_alone() {
    let vary = Vary::of(&fields("Vary: Foo, X-Forwarded-For"), &fields("X-Forwarded-For: 1"));
    assert_eq!(vary, Vary::Anything);
}

#[test]
fn every_selecting_field_must_agree() {
    check(&[
        ("", "Foo: 1", "Foo: 2", true),
        ("Vary:", "Foo: 1", "Foo: 2", true),
        ("Vary: Foo", "Foo: 1", "Foo: 1", true),
        ("Vary: Foo", "Foo: 1", "Foo: 2", false),
        ("Vary: Foo", "", "Foo: 1", false),
        ("Vary: Foo", "Foo: 1", "", false),
        ("Vary: Foo", "Foo:", "", false),
        ("Vary: Foo", "", "", true),
        ("Vary: foo", "FOO: 1\nOther: 2", "Foo: 1\nOther: 3", true),
        ("Vary: Foo, Bar", "Foo: 1\nBar: abc", "Foo: 1\nBar: abc", true),
        ("Vary: Foo, Bar", "Foo: 1\nBar: abc", "Foo: 2\nBar: abc", false),
        ("Vary: Foo\nVary: Bar", "Foo: 1\nBar: abc", "Foo: 1\nBar: abd", false),
        ("Vary: Foo, Bar, Baz", "Foo: 1\nBaz: 789", "Foo: 1\nBaz: 789", true),
        ("Vary: Foo, Bar, Baz", "Foo: 1\nBar: abc4\nBaz: 7", "Foo: 1\nBar: abc\nBaz: 7", false),
    ]);
}

#[test]
fn a_star_in_any_spelling_never_matches() {
    for response in [
        "Vary: *",
        "Vary: *, *",
        "Vary: *\nVary: *",
        "Vary: , *",
        "Vary:\nVary: *",
        "Vary: *, Foo",
        "Vary: Foo, *",
        "Vary: Foo\nVary: *",
        "Vary: foo bar",
        "Vary: foo@",
    ] {
        assert_eq!(Vary::of(&fields(response), &HeaderMap::new()), Vary::Anything, "{response}");
    }
    assert!(!Vary::Anything.matches(&HeaderMap::new()));
}

#[test]
fn naming_too_many_fields_is_varying_on_anything() {
    let names = |count| (0..count).map(|n| format!("Vary: f{n}\n")).collect::<String>();
    let vary = |count| Vary::of(&fields(&names(count)), &HeaderMap::new());
    assert!(matches!(vary(FIELDS_MAX), Vary::Fields(_)));
    assert_eq!(vary(FIELDS_MAX + 1), Vary::Anything);
}

#[test]
fn white_space_and_lines_do_not_matter_but_order_does() {
    check(&[
        ("Vary: Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", true),
        ("Vary: Foo", "Foo: 1\nFoo: 2", "Foo: 1,2", true),
        ("Vary: Foo", "Foo: 1,2", "Foo:  1, 2 ", true),
        ("Vary: Foo", "Foo: 1, 2", "Foo: 2, 1", false),
        ("Vary: Foo", "Foo: a", "Foo: A", false),
        ("Vary: Foo", "Foo: \"1, 2\"", "Foo: \"1,2\"", false),
        // A quote left open in one line reaches into the next, in both requests alike.
        ("Vary: Foo", "Foo: \"1\nFoo: 2\", 3", "Foo: \"1\nFoo: 2\", 3", true),
    ]);
}

#[test]
fn preferences_are_compared_by_what_they_say() {
    check(&[
        ("Vary: Accept-Language", "Accept-Language: en, de", "Accept-Language: de, en", true),
        ("Vary: Accept-Language", "Accept-Language: en, de", "Accept-Language: eN,   De", true),
        ("Vary: Accept-Language", "Accept-Language: en;q=1.0", "Accept-Language: en", true),
        ("Vary: Accept-Language", "Accept-Language: en, de", "Accept-Language: en", false),
        ("Vary: Accept-Language", "Accept-Language: en, en", "Accept-Language: en, de", false),
        ("Vary: Accept-Language", "Accept-Language: en;q=0.5", "Accept-Language: en", false),
        ("Vary: Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br,GZIP", true),
        ("Vary: Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", false),
        ("Vary: Accept-Encoding", "Accept-Encoding: gzip;q=0", "Accept-Encoding: gzip", false),
    ]);
}

#[test]
fn the_language_that_is_liked_best_is_served_whatever_was_asked_before() {
    let german = "Vary: Accept-Language\nContent-Language: de";
    let first = "Accept-Language: en, de";
    check(&[
        (german, first, "Accept-Language: fr;q=0.5, de;q=1.0", true),
        (german, first, "Accept-Language: DE", true),
        (german, first, "Accept-Language: fr, de;q=0.9", false),
        (german, first, "Accept-Language: fr, de", false),
        (german, first, "Accept-Language: de;q=0", false),
        (german, first, "Accept-Language: de;q=junk", false),
        ("Vary: Accept-Language\nContent-Language: de, en", first, "Accept-Language: de", false),
        ("Vary: Accept-Language", first, "Accept-Language: de", false),
    ]);
}

#[test]
fn another_variant_is_a_miss_with_its_own_reason() {
    let story = Story::ok("Cache-Control: max-age=60\nVary: Foo").asked("Foo: 1");
    assert!(story.then("Foo: 1", 1.0).is_hit());
    assert_eq!(story.then("Foo: 2", 1.0), Decision::Fetch(MissReason::Variant));
}

proptest! {
    #[test]
    fn a_request_always_matches_the_response_to_itself(
        names in proptest::collection::vec("[a-z]{1,3}|accept-language|accept-encoding", 0..5),
        values in proptest::collection::vec("[ -~]{0,20}", 0..8),
    ) {
        let mut request = HeaderMap::new();
        for (at, value) in values.iter().enumerate() {
            let name = names.get(at % names.len().max(1)).map_or("x", String::as_str);
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            request.append(name, HeaderValue::from_str(value.trim()).expect("a value"));
        }
        let mut response = HeaderMap::new();
        response.insert("vary", HeaderValue::from_str(&names.join(",")).expect("a value"));
        prop_assert!(Vary::of(&response, &request).matches(&request));
    }
}
