//! After a response that could not be stored: does a request wait for another's fetch?

mod story;

use std::time::Duration;

use http::StatusCode;
use selat_core::cache::hit_for_miss::HitForMiss;
use selat_core::cache::options::PolicyOptions;
use selat_core::cache::reason::StoreRefusal;
use story::{Story, at};

/// What is remembered at the beginning of the story of this response.
fn after(status: u16, response: &str, had_selected: bool) -> Option<HitForMiss> {
    let story = Story::answered(status, response);
    HitForMiss::of(story.refusal(), story.status, had_selected, at(0.0), &story.options)
}

#[test]
fn what_a_response_says_of_its_resource_is_remembered_for_two_minutes() {
    for (status, response, refusal) in [
        (200, "Cache-Control: no-store", StoreRefusal::NoStore),
        (200, "Cache-Control: private", StoreRefusal::Private),
        (200, "Cache-Control: max-age=60\nVary: *", StoreRefusal::VaryAny),
        (200, "Set-Cookie: a=b\nLast-Modified: {-100}", StoreRefusal::SetCookie),
        (200, "", StoreRefusal::Unusable),
        (302, "Location: /login", StoreRefusal::NotCacheable),
    ] {
        let said = after(status, response, false).expect(response);
        assert_eq!((said.refusal(), said.until()), (refusal, at(120.0)), "{response}");
        for (now, applies) in [(0.0, true), (119.0, true), (120.0, false)] {
            assert_eq!(said.applies(false, at(now)), applies, "{response} after {now} s");
        }
    }
}

#[test]
fn what_went_wrong_is_not_remembered() {
    for status in [400, 401, 403, 404, 500, 502, 503, 504] {
        assert_eq!(after(status, "Cache-Control: no-store", false), None, "{status}");
    }
}

#[test]
fn what_is_about_one_request_or_a_moment_is_not_remembered() {
    for refusal in [
        StoreRefusal::Authorization,
        StoreRefusal::RequestNoStore,
        StoreRefusal::Incomplete,
        StoreRefusal::NoRoom,
        StoreRefusal::Superseded,
    ] {
        let options = PolicyOptions::default();
        let said = HitForMiss::of(refusal, StatusCode::OK, false, at(0.0), &options);
        assert_eq!(said, None, "{refusal}");
    }
}

#[test]
fn nothing_is_remembered_where_that_is_off() {
    let options = PolicyOptions { hit_for_miss: Duration::ZERO, ..PolicyOptions::default() };
    let said = HitForMiss::of(StoreRefusal::Private, StatusCode::OK, false, at(0.0), &options);
    assert_eq!(said, None);
}

#[test]
fn a_stored_page_is_validated_by_one_for_all_whatever_others_are_answered() {
    for (had_selected, selects, applies) in
        [(false, false, true), (false, true, false), (true, false, true), (true, true, true)]
    {
        let said = after(200, "Cache-Control: private", had_selected).expect("it is private");
        assert_eq!(said.applies(selects, at(1.0)), applies, "{had_selected}, then {selects}");
    }
}
