//! Is the client's copy current, and does its assumption hold?

mod story;

use http::Method;
use proptest::prelude::*;
use selat_core::http::conditional::{EntityTag, Precondition, Validators, evaluate, is_current};
use selat_core::http::date;
use story::{Story, at, fields};

const MODIFIED: f64 = -3000.0;

fn of<'a>(etag: Option<&'a [u8]>, modified: bool) -> Validators<'a> {
    Validators {
        etag: etag.and_then(EntityTag::parse),
        last_modified: modified.then(|| at(MODIFIED)),
    }
}

#[test]
fn entity_tags_are_parsed_as_written() {
    for (value, weak) in [
        (&b"\"a\""[..], Some(false)),
        (b"W/\"a\"", Some(true)),
        (b"\"\"", Some(false)),
        (b"\"a\xfc\"", Some(false)),
        (b"w/\"a\"", None),
        (b"W\\\"a\"", None),
        (b"a", None),
        (b"\"", None),
        (b"", None),
        (b"\"a b\"", None),
    ] {
        let parsed = EntityTag::parse(value).map(EntityTag::is_weak);
        assert_eq!(parsed, weak, "{}", value.escape_ascii());
    }
}

#[test]
fn a_copy_is_current_by_tag_or_else_by_date() {
    let strong = Some(&b"\"a\""[..]);
    let weak = Some(&b"W/\"a\""[..]);
    for (request, validators, current) in [
        ("", of(strong, true), false),
        ("If-None-Match: \"a\"", of(strong, true), true),
        ("If-None-Match: W/\"a\"", of(strong, true), true),
        ("If-None-Match: \"a\"", of(weak, true), true),
        ("If-None-Match: \"b\", \"a\", \"c\"", of(strong, true), true),
        ("If-None-Match: \"b\"\nIf-None-Match: \"a\"", of(strong, true), true),
        ("If-None-Match: \"b, \"", of(strong, true), false),
        ("If-None-Match: *", of(strong, true), true),
        ("If-None-Match: *", of(None, false), true),
        ("If-None-Match: \"b\"", of(strong, true), false),
        ("If-None-Match: \"a\"", of(None, true), false),
        ("If-None-Match: \"a\"\nIf-Modified-Since: {-9000}", of(strong, true), true),
        ("If-None-Match: \"b\"\nIf-Modified-Since: {0}", of(strong, true), false),
        ("If-Modified-Since: {-3000}", of(None, true), true),
        ("If-Modified-Since: {-2000}", of(strong, true), true),
        ("If-Modified-Since: {-3001}", of(strong, true), false),
        ("If-Modified-Since: junk", of(strong, true), false),
        ("If-Modified-Since: {0}\nIf-Modified-Since: {0}", of(strong, true), false),
        ("If-Modified-Since: {0}", of(strong, false), false),
    ] {
        assert_eq!(is_current(&fields(request), validators), current, "{request}");
    }
}

#[test]
fn preconditions_are_evaluated_in_order() {
    let validators = || of(Some(b"\"a\""), true);
    for (method, request, expected) in [
        (Method::GET, "", Precondition::Holds),
        (Method::PUT, "If-Match: \"a\"", Precondition::Holds),
        (Method::PUT, "If-Match: W/\"a\"", Precondition::Failed),
        (Method::PUT, "If-Match: \"b\"", Precondition::Failed),
        (Method::PUT, "If-Match: *", Precondition::Holds),
        (Method::PUT, "If-Match: \"a\"\nIf-Unmodified-Since: {-9000}", Precondition::Holds),
        (Method::GET, "If-Unmodified-Since: {-9000}", Precondition::Failed),
        (Method::GET, "If-Unmodified-Since: {-3000}", Precondition::Holds),
        (Method::GET, "If-Match: \"b\"\nIf-None-Match: \"a\"", Precondition::Failed),
        (Method::GET, "If-Match: \"a\"\nIf-None-Match: \"a\"", Precondition::NotModified),
        (Method::HEAD, "If-None-Match: \"a\"", Precondition::NotModified),
        (Method::PUT, "If-None-Match: *", Precondition::Failed),
        (Method::PUT, "If-None-Match: \"b\"", Precondition::Holds),
        (Method::PUT, "If-Modified-Since: {0}", Precondition::Holds),
        (Method::GET, "If-Modified-Since: {0}", Precondition::NotModified),
    ] {
        assert_eq!(evaluate(&method, &fields(request), validators()), expected, "{request}");
    }
}

#[test]
fn a_stored_response_without_last_modified_is_compared_by_its_date_and_lifetime() {
    let story = Story::ok("Cache-Control: max-age=100\nDate: {0}");
    let meta = story.stored();
    let current = |request: &str, now| is_current(&fields(request), meta.validators(at(now)));
    assert!(current("If-Modified-Since: {0}", 3.0));
    assert!(current("If-Modified-Since: {-90}", 3.0));
    assert!(!current("If-Modified-Since: {-98}", 3.0));
    // Once it is stale, only its own date counts.
    assert!(current("If-Modified-Since: {0}", 200.0));
    assert!(!current("If-Modified-Since: {-1}", 200.0));
}

#[test]
fn dates_that_are_out_of_bounds_are_no_dates() {
    for text in [
        "Thu, 31 Feb 2050 02:01:18 GMT",
        "Thu, 01 Jan 1950 00:00:00 GMT",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 02:01:18",
        "Thursday, 18 Aug 2050 02:01:18 GMT",
        "",
    ] {
        assert_eq!(date::parse(text.as_bytes()), None, "{text}");
    }
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(5);
    assert_eq!(date::format(before), "Thu, 01 Jan 1970 00:00:00 GMT");
}

proptest! {
    #[test]
    fn a_date_survives_being_written_in_any_case(seconds in 0_u64..253_402_300_800) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let text = date::format(time);
        prop_assert_eq!(date::parse(text.as_bytes()), Some(time));
        prop_assert_eq!(date::parse(text.to_lowercase().as_bytes()), Some(time));
        prop_assert_eq!(date::parse(text.to_uppercase().as_bytes()), Some(time));
    }

    #[test]
    fn any_octets_are_a_date_or_none(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = date::parse(&octets);
        let _ = EntityTag::parse(&octets);
    }

    #[test]
    fn nearly_a_date_is_a_date_or_none(
        text in "(Mon|Tuesday|Wed|Xyz)[, ]{1,2}[0-9]{1,2}[ -](Jan|feb|FOO)[ -][0-9]{2,4} [0-9:]{5,8} (GMT|UTC)"
    ) {
        let _ = date::parse(text.as_bytes());
    }
}
