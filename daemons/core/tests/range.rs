//! Which octets does a request want, and which are there?

mod story;

use http::{HeaderMap, Method};
use proptest::prelude::*;
use selat_core::cache::partial::{Combination, Coverage, Extent, are_apart, combine, combined};
use selat_core::cache::policy::Decision;
use selat_core::cache::reason::{MissReason, StoreRefusal};
use selat_core::cache::stored::StoredMeta;
use selat_core::http::conditional::EntityTag;
use selat_core::http::range::{
    ByteRange, ContentRange, RangeSpec, Requested, Resolved, if_range_holds,
};
use story::{Story, at, fields};

fn bytes(first: u64, last: u64) -> ByteRange {
    ByteRange { first, last }
}

fn part(first: u64, last: u64, length: u64) -> Extent {
    Extent::Part(ContentRange { range: bytes(first, last), complete_length: Some(length) })
}

#[test]
fn a_single_range_is_resolved_against_the_length() {
    let partial = |first, last| Resolved::Partial(bytes(first, last));
    for (value, length, expected) in [
        ("bytes=0-4", 10, partial(0, 4)),
        ("BYTES=0-4", 10, partial(0, 4)),
        ("bytes= 0-4 ", 10, partial(0, 4)),
        ("bytes=,0-4,", 10, partial(0, 4)),
        ("bytes=5-", 10, partial(5, 9)),
        ("bytes=5-99", 10, partial(5, 9)),
        ("bytes=-3", 10, partial(7, 9)),
        ("bytes=-99", 10, partial(0, 9)),
        ("bytes=0-99999999999999999999999", 10, partial(0, 9)),
        ("bytes=10-", 10, Resolved::Unsatisfiable),
        ("bytes=99999999999999999999999-", 10, Resolved::Unsatisfiable),
        ("bytes=-0", 10, Resolved::Unsatisfiable),
        ("bytes=0-", 0, Resolved::Unsatisfiable),
        ("bytes=-5", 0, Resolved::Unsatisfiable),
        ("bytes=5-4", 10, Resolved::Whole),
        ("bytes=0-1,3-4", 10, Resolved::Whole),
        ("bytes=a-b", 10, Resolved::Whole),
        ("bytes=+1-2", 10, Resolved::Whole),
        ("bytes=1 -2", 10, Resolved::Whole),
        ("bytes=-", 10, Resolved::Whole),
        ("bytes=", 10, Resolved::Whole),
        ("bytes 0-4", 10, Resolved::Whole),
        ("lines=0-4", 10, Resolved::Whole),
    ] {
        let requested = Requested::of(&fields(&format!("Range: {value}")));
        assert_eq!(requested.resolve(length), expected, "{value} of {length}");
    }
    let twice = Requested::of(&fields("Range: bytes=0-1\nRange: bytes=0-1"));
    assert_eq!(twice, Requested::Whole);
}

#[test]
fn if_range_compares_strongly() {
    let strong = EntityTag::parse(b"\"a\"");
    let weak = EntityTag::parse(b"W/\"a\"");
    let (modified, later) = (Some(at(0.0)), Some(at(5.0)));
    for (request, etag, date, holds) in [
        ("", None, later, true),
        ("If-Range: \"a\"", strong, later, true),
        ("If-Range: \"b\"", strong, later, false),
        ("If-Range: W/\"a\"", weak, later, false),
        ("If-Range: {0}", strong, later, true),
        ("If-Range: {0}", strong, modified, false),
        ("If-Range: {0}", strong, None, false),
        ("If-Range: {1}", strong, later, false),
        ("If-Range: junk", strong, later, false),
        ("If-Range: \"a\"\nIf-Range: \"a\"", strong, later, false),
    ] {
        assert_eq!(if_range_holds(&fields(request), etag, modified, date), holds, "{request}");
    }
}

#[test]
fn a_stored_part_answers_requests_for_less_of_it() {
    let story = Story::answered(206, "Cache-Control: max-age=60\nContent-Range: bytes 5-9/10");
    for request in ["bytes=5-9", "bytes=6-8", "bytes=6-", "bytes=-1", "bytes=-5", "bytes=7-99"] {
        assert!(story.then(&format!("Range: {request}"), 1.0).is_hit(), "{request}");
    }
    for request in ["bytes=4-", "bytes=0-1", "bytes=-6", "bytes=10-", "bytes=0-0,9-9"] {
        let decision = story.then(&format!("Range: {request}"), 1.0);
        assert!(!decision.is_hit(), "{request}");
    }
    let stale = story.then("Range: bytes=5-9", 100.0);
    assert_eq!(stale, Decision::Fetch(MissReason::Partial));
}

#[test]
fn a_part_of_unknown_length_answers_only_what_is_surely_in_it() {
    let story = Story::answered(206, "Cache-Control: max-age=60\nContent-Range: bytes 5-9/*");
    assert!(story.then("Range: bytes=6-8", 1.0).is_hit());
    assert!(!story.then("Range: bytes=6-", 1.0).is_hit());
    assert!(!story.then("Range: bytes=-1", 1.0).is_hit());
}

#[test]
fn a_part_that_begins_or_ends_the_whole_is_completed() {
    let fresh = "Cache-Control: max-age=60\nETag: \"a\"\nContent-Range: bytes";
    let completes = |range: &str, method: &Method| {
        let story = Story::answered(206, &format!("{fresh} {range}"));
        match story.then_by(method, "", 1.0) {
            Decision::Complete { range, if_range, .. } => {
                assert_eq!(if_range.expect("a strong validator"), "\"a\"");
                Some(range.to_string())
            }
            _ => None,
        }
    };
    assert_eq!(completes("0-4/10", &Method::GET).as_deref(), Some("bytes=5-"));
    assert_eq!(completes("0-4/*", &Method::GET).as_deref(), Some("bytes=5-"));
    assert_eq!(completes("5-9/10", &Method::GET).as_deref(), Some("bytes=0-4"));
    assert_eq!(completes("3-5/10", &Method::GET), None);
    assert_eq!(completes("0-4/10", &Method::HEAD), None);
}

#[test]
fn if_range_for_another_representation_wants_the_whole() {
    let part = "Cache-Control: max-age=60\nETag: \"a\"\nContent-Range: bytes 5-9/10";
    let story = Story::answered(206, part);
    assert!(story.then("Range: bytes=5-9\nIf-Range: \"a\"", 1.0).is_hit());
    assert!(!story.then("Range: bytes=5-9\nIf-Range: \"b\"", 1.0).is_hit());
}

#[test]
fn a_part_that_miscounts_its_end_is_believed_about_its_octets() {
    // Six octets announced, five framed: the part still begins at 4 and ends the whole.
    let extent = part(4, 9, 10).fit(5).expect("it fits");
    assert_eq!(extent, part(4, 8, 9));
    let wants = |spec| extent.slice(Requested::Range(spec), 5);
    assert_eq!(wants(RangeSpec::Suffix { length: 5 }), Resolved::Partial(bytes(4, 8)));
    assert_eq!(wants(RangeSpec::From { first: 6 }), Resolved::Partial(bytes(6, 8)));
    assert_eq!(wants(RangeSpec::Suffix { length: 1 }), Resolved::Partial(bytes(8, 8)));
    assert_eq!(part(4, 8, 20).fit(4), None);
    assert_eq!(part(4, 9, 10).fit(0), None);
    assert_eq!(Extent::Whole.fit(0), Some(Extent::Whole));
}

#[test]
fn a_part_that_is_everything_becomes_whole() {
    let fresh = "Cache-Control: max-age=60\nContent-Range: bytes";
    let received = |range: &str, body_bytes| {
        let story = Story::answered(206, &format!("{fresh} {range}"));
        let (mut meta, mut headers) = (story.stored(), story.stored_fields());
        meta.received_in_full(body_bytes)?;
        meta.make_whole_if_all(body_bytes, &mut headers);
        Ok((meta.extent(), meta.status().as_u16(), headers.contains_key("content-range")))
    };
    assert_eq!(received("0-9/10", 10), Ok((Extent::Whole, 200, false)));
    assert_eq!(received("0-4/10", 5), Ok((part(0, 4, 10), 206, true)));
    assert_eq!(received("0-4/10", 4), Err(StoreRefusal::Range));
    let odd = Story::answered(404, "Cache-Control: max-age=60\nContent-Range: x");
    let (mut meta, mut headers) = (odd.stored(), odd.stored_fields());
    meta.make_whole_if_all(0, &mut headers);
    assert_eq!((meta.status().as_u16(), headers.contains_key("content-range")), (404, true));
}

/// A stored part of a representation.
fn meta(tag: &str, range: &str) -> StoredMeta {
    let tag = format!("ETag: {tag}\nContent-Range: bytes {range}\nCache-Control: max-age=9");
    Story::answered(206, &tag).stored()
}

#[test]
fn parts_of_one_representation_are_combined() {
    let old = meta("\"a\"", "2-5/10");
    for (tag, range, expected) in [
        ("\"a\"", "6-9/10", Combination::Append { extent: part(2, 9, 10), skip: 0 }),
        ("\"a\"", "4-7/10", Combination::Append { extent: part(2, 7, 10), skip: 2 }),
        ("\"a\"", "0-1/10", Combination::Prepend { extent: part(0, 5, 10), keep: 2 }),
        ("\"a\"", "0-3/10", Combination::Prepend { extent: part(0, 5, 10), keep: 2 }),
        ("\"a\"", "3-4/10", Combination::Append { extent: part(2, 5, 10), skip: 2 }),
        ("\"a\"", "7-9/10", Combination::Distinct),
        ("\"a\"", "6-9/12", Combination::Distinct),
        ("\"b\"", "6-9/10", Combination::Distinct),
        ("W/\"a\"", "6-9/10", Combination::Distinct),
    ] {
        assert_eq!(combine(&old, &meta(tag, range)), expected, "{tag} {range}");
    }
    let whole = Combination::Append { extent: Extent::Whole, skip: 0 };
    assert_eq!(combine(&meta("\"a\"", "0-4/*"), &meta("\"a\"", "5-9/10")), whole);
    let mut completed = meta("\"a\"", "5-9/10");
    completed.set_extent(Extent::Whole, &mut HeaderMap::new());
    assert_eq!(completed.status(), 200);
}

#[test]
fn parts_of_one_representation_without_an_octet_in_common_stay_apart() {
    for (tag, range, apart) in [
        ("\"a\"", "4-9/10", true),
        ("\"a\"", "8-9/10", true),
        ("\"a\"", "2-5/10", false),
        ("\"a\"", "3-3/10", false),
        ("\"b\"", "8-9/10", false),
        ("W/\"a\"", "8-9/10", false),
        ("\"a\"", "8-9/12", false),
        ("\"a\"", "8-9/*", false),
    ] {
        let (one, other) = (meta("\"a\"", "0-3/10"), meta(tag, range));
        assert_eq!(are_apart(&one, &other), apart, "{tag} {range}");
        assert_eq!(are_apart(&other, &one), apart, "{tag} {range}");
    }
}

#[test]
fn a_combined_response_has_the_newer_fields_and_keeps_what_they_leave() {
    let old = Story::answered(
        206,
        "ETag: \"a\"\nContent-Range: bytes 0-4/10\nCache-Control: max-age=60\nX-Old: 1\nX-Both: 1",
    );
    let new = Story::answered(
        206,
        "ETag: \"a\"\nContent-Range: bytes 5-9/10\nCache-Control: max-age=9\nX-Both: 2\nAge: 3",
    );
    let both =
        |new: &Story| combined(&old.stored(), &old.stored_fields(), &new.exchange(), &new.options);
    let whole = both(&new).expect("they go together");
    assert_eq!(whole.combination, Combination::Append { extent: Extent::Whole, skip: 0 });
    assert_eq!((whole.meta.status().as_u16(), whole.meta.extent()), (200, Extent::Whole));
    assert_eq!(whole.meta.lifetime().duration.as_secs(), 9);
    assert_eq!(
        (&whole.headers["x-old"], &whole.headers["x-both"]),
        (&"1".parse().unwrap(), &"2".parse().unwrap())
    );
    assert!(!whole.headers.contains_key("content-range") && !whole.headers.contains_key("age"));
    let other =
        Story::answered(206, "ETag: \"b\"\nContent-Range: bytes 5-9/10\nCache-Control: max-age=9");
    assert_eq!(both(&other), None);
    // The stored validator does not vouch for a part that names none.
    let unnamed = Story::answered(206, "Content-Range: bytes 5-9/10\nCache-Control: max-age=9");
    assert_eq!(both(&unnamed), None);
    let forbidden =
        Story::answered(206, "ETag: \"a\"\nContent-Range: bytes 5-9/10\nCache-Control: no-store");
    assert_eq!(both(&forbidden), None);
}

proptest! {
    #[test]
    fn a_resolved_range_lies_within_the_representation(
        value in "bytes=[0-9]{0,4}-[0-9]{0,4}", length in 0_u64..3000,
    ) {
        if let Some(spec) = RangeSpec::parse(value.as_bytes()) {
            prop_assert_eq!(RangeSpec::parse(spec.to_string().as_bytes()), Some(spec));
            if let Some(range) = spec.resolve(length) {
                prop_assert!(range.first <= range.last && range.last < length);
                prop_assert_eq!(
                    ContentRange::parse(range.content_range(length).as_bytes()),
                    Some(ContentRange { range, complete_length: Some(length) })
                );
            }
        }
    }

    #[test]
    fn any_octets_are_a_range_or_none(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = RangeSpec::parse(&octets);
        let _ = ContentRange::parse(&octets);
    }

    #[test]
    fn what_a_part_covers_is_in_it(first in 0_u64..50, size in 1_u64..50, after in 0_u64..50,
                                   from in 0_u64..160, to in 0_u64..160) {
        let length = first + size + after;
        let extent = part(first, first + size - 1, length);
        let asked = Requested::Range(RangeSpec::FromTo { first: from.min(to), last: from.max(to) });
        if extent.coverage(asked) == Coverage::Covered {
            let Resolved::Partial(range) = extent.slice(asked, size) else {
                return Err(TestCaseError::fail("covered, but nothing to send"));
            };
            prop_assert!(range.first >= first && range.last < first + size);
        }
    }
}
