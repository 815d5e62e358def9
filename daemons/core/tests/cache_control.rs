//! What does a line of directives say?

mod story;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::prelude::*;
use selat_core::cache::options::CDN_CACHE_CONTROL;
use selat_core::http::cache_control::{
    DELTA_SECONDS_MAX, Delta, RequestDirectives, ResponseDirectives, Scope,
};
use selat_core::http::list;
use story::fields;

fn response(value: &str) -> ResponseDirectives {
    ResponseDirectives::cache_control(&fields(&format!("Cache-Control: {value}")))
}

#[test]
fn every_directive_is_known_in_any_case() {
    let said = response(
        "NO-STORE, Public, must-Revalidate, proxy-revalidate, must-understand, no-transform, \
         immutable, MAX-AGE=1, s-maxage=\"2\", stale-while-revalidate=3, stale-if-error=4, \
         no-cache, private, unknown=5, other",
    );
    let expected = ResponseDirectives {
        max_age: Some(Delta::Seconds(1)),
        s_maxage: Some(Delta::Seconds(2)),
        no_store: true,
        no_cache: Scope::Whole,
        private: Scope::Whole,
        public: true,
        must_revalidate: true,
        proxy_revalidate: true,
        must_understand: true,
        no_transform: true,
        immutable: true,
        stale_while_revalidate: Some(Delta::Seconds(3)),
        stale_if_error: Some(Delta::Seconds(4)),
    };
    assert_eq!(said, expected);
}

#[test]
fn field_names_narrow_a_directive_and_anything_unreadable_widens_it() {
    let names = |names: &[&'static str]| {
        Scope::Fields(names.iter().map(|name| HeaderName::from_static(name)).collect())
    };
    for (value, expected) in [
        ("no-cache=\"a\"", names(&["a"])),
        ("no-cache=\"A, b\"", names(&["a", "b"])),
        ("no-cache=\"a\", no-cache=\"b\"", names(&["a", "b"])),
        ("no-cache=\"a\", no-cache", Scope::Whole),
        ("no-cache, no-cache=\"a\"", Scope::Whole),
        ("no-cache=a", Scope::Whole),
        ("no-cache=\"\"", Scope::Whole),
        ("no-cache=\"a b\"", Scope::Whole),
        ("no-cache=\"a", Scope::Whole),
        ("no-cache =\"a\"", names(&["a"])),
        ("x-no-cache", Scope::Absent),
    ] {
        assert_eq!(response(value).no_cache, expected, "{value}");
    }
}

#[test]
fn seconds_are_clamped_and_contradictions_are_invalid() {
    for (value, expected) in [
        ("max-age=0", Delta::Seconds(0)),
        ("max-age=2147483648", Delta::Seconds(DELTA_SECONDS_MAX)),
        ("max-age=4294967296", Delta::Seconds(DELTA_SECONDS_MAX)),
        ("max-age=99999999999999999999999999999", Delta::Seconds(DELTA_SECONDS_MAX)),
        ("max-age=5, max-age=5", Delta::Seconds(5)),
        ("max-age=5, max-age=6", Delta::Invalid),
        ("max-age=5, max-age=x, max-age=5", Delta::Invalid),
        ("max-age=\"5", Delta::Invalid),
        ("max-age=0x10", Delta::Invalid),
        ("max-age=+5", Delta::Invalid),
    ] {
        assert_eq!(response(value).max_age, Some(expected), "{value}");
    }
}

#[test]
fn a_request_is_read_only_as_far_as_it_can_be() {
    let of = |lines: &str| RequestDirectives::of(&fields(lines));
    let expected = RequestDirectives {
        max_age: Some(1),
        max_stale: Some(2),
        min_fresh: Some(3),
        no_cache: true,
        no_store: true,
        only_if_cached: true,
        stale_if_error: Some(4),
    };
    let all = "Cache-Control: max-age=1, max-stale=2, min-fresh=3, no-cache, no-store\n\
               Cache-Control: Only-If-Cached, stale-if-error=4, foo";
    assert_eq!(of(all), expected);
    assert_eq!(of("Cache-Control: max-stale").max_stale, Some(u32::MAX));
    assert_eq!(of("Cache-Control: max-age=9, max-age=3").max_age, Some(3));
    assert_eq!(of("Cache-Control: min-fresh=9, min-fresh=3").min_fresh, Some(9));
    assert_eq!(of("Cache-Control: max-age=-1, min-fresh=x"), RequestDirectives::default());
    assert_eq!(of(""), RequestDirectives::default());
}

#[test]
fn a_targeted_field_is_a_structured_dictionary_or_nothing() {
    let of = |lines: &str| ResponseDirectives::targeted(&fields(lines), &CDN_CACHE_CONTROL);
    let some = of("CDN-Cache-Control: max-age=60;x, must-revalidate, no-cache=\"a\"\n\
                   CDN-Cache-Control: stale-if-error=5, unknown=(1 2)")
    .expect("a dictionary");
    assert_eq!(some.max_age, Some(Delta::Seconds(60)));
    assert_eq!(some.stale_if_error, Some(Delta::Seconds(5)));
    assert!(some.must_revalidate);
    assert_eq!(some.no_cache.fields(), ["a"]);
    for line in ["MAX-AGE=5", "max-age=5, &", ",", ""] {
        assert_eq!(of(&format!("CDN-Cache-Control: {line}")), None, "{line}");
    }
    assert_eq!(of("Cache-Control: max-age=5"), None);
}

#[test]
fn a_targeted_directive_of_the_wrong_type_does_not_do_away_with_the_others() {
    let of = |value: &str| {
        let headers = fields(&format!("CDN-Cache-Control: {value}"));
        ResponseDirectives::targeted(&headers, &CDN_CACHE_CONTROL).expect("a dictionary")
    };
    for wrong in ["max-age=1.5", "max-age=\"5\"", "max-age=-1", "max-age", "max-age=(1 2)"] {
        let directives = of(&format!("no-store, {wrong}"));
        assert!(directives.no_store, "{wrong}");
        assert_eq!(directives.max_age, Some(Delta::Invalid), "{wrong}");
    }
    assert!(of("no-store=5").no_store && of("no-store=()").no_store && !of("no-store=?0").no_store);
    assert!(!of("public=5").public);
    assert_eq!(of("private=5").private, Scope::Whole);
    assert_eq!(of("private=(a)").private, Scope::Whole);
}

#[test]
fn lists_are_split_at_commas_outside_quotes() {
    for (value, members) in [
        ("a, b ,c", &["a", "b", "c"][..]),
        (",, a,,", &["a"]),
        ("\"a, b\", c", &["\"a, b\"", "c"]),
        ("\"a\\\", b\", c", &["\"a\\\", b\"", "c"]),
        ("\"a, b", &["\"a", "b"]),
        ("", &[]),
    ] {
        let split: Vec<_> = list::split(value.as_bytes()).collect();
        let members: Vec<_> = members.iter().map(|member| member.as_bytes()).collect();
        assert_eq!(split, members, "{value}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_directives(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&octets) {
            headers.append(header::CACHE_CONTROL, value.clone());
            headers.append(CDN_CACHE_CONTROL, value);
        }
        let _ = RequestDirectives::of(&headers);
        let _ = ResponseDirectives::cache_control(&headers);
        let _ = ResponseDirectives::targeted(&headers, &CDN_CACHE_CONTROL);
    }

    #[test]
    fn an_open_quote_hides_nothing(before in "[a-z=0-9 ,]{0,20}", after in "[a-z=0-9 ,]{0,20}") {
        let value = format!("{before}\"{after}, no-store, {after}");
        prop_assert!(response(value.trim()).no_store, "{}", value);
    }

    #[test]
    fn numbers_are_read_as_written(seconds in 0_u32..=DELTA_SECONDS_MAX, zeros in 0_usize..5) {
        let value = format!("{}{seconds}", "0".repeat(zeros));
        prop_assert_eq!(Delta::parse(value.as_bytes()), Delta::Seconds(seconds));
    }
}
