//! Another implementation of the same rules, `http-cache-semantics`, must come to the same answer,
//! save where it departs from RFC 9111 in a way named here.

mod story;

use http::{HeaderMap, Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use story::{Story, at, fields};

/// Whether the other implementation serves a later GET without asking the origin.
fn served_by_the_other(story: &Story, later: &HeaderMap, seconds: f64) -> bool {
    let request = |headers: &HeaderMap| {
        let mut request = Request::new(());
        *request.uri_mut() = story.uri.clone();
        *request.headers_mut() = headers.clone();
        request
    };
    let mut response = Response::new(());
    *response.status_mut() = story.status;
    *response.headers_mut() = story.response.clone();
    let options = CacheOptions { shared: true, ..CacheOptions::default() };
    let first = request(&story.request);
    let policy = CachePolicy::new_options(&first, &response, story.times.response, options);
    let verdict = policy.before_request(&request(later), at(seconds));
    policy.is_storable() && matches!(verdict, BeforeRequest::Fresh(_))
}

/// Whether we do.
fn served_by_us(story: &Story, later: &str, seconds: f64) -> bool {
    match story.storability() {
        selat_core::cache::storage::Storability::Pass(_) => false,
        selat_core::cache::storage::Storability::Store(_) => story.then(later, seconds).is_hit(),
    }
}

fn response_directives() -> impl Strategy<Value = String> {
    let plain = vec!["no-store", "no-cache", "private", "public", "must-revalidate", "foo"];
    let seconds = || option::of(0_u32..100);
    (subsequence(plain, 0..3), seconds(), seconds()).prop_map(|(plain, max_age, s_maxage)| {
        let mut all: Vec<_> = plain.into_iter().map(str::to_owned).collect();
        all.extend(max_age.map(|seconds| format!("max-age={seconds}")));
        all.extend(s_maxage.map(|seconds| format!("s-maxage={seconds}")));
        all.join(", ")
    })
}

fn response_fields() -> impl Strategy<Value = String> {
    let offset = || option::of(-100_i32..100);
    let modified = option::of(-800_000_i32..0);
    let age = option::of(0_u32..50);
    (response_directives(), offset(), modified, age, any::<bool>()).prop_map(
        |(directives, expires, modified, age, vary)| {
            let mut lines = String::from("Date: {0}\nETag: \"a\"\n");
            if !directives.is_empty() {
                lines += &format!("Cache-Control: {directives}\n");
            }
            lines += &expires.map_or(String::new(), |at| format!("Expires: {{{at}}}\n"));
            lines += &modified.map_or(String::new(), |at| format!("Last-Modified: {{{at}}}\n"));
            lines += &age.map_or(String::new(), |age| format!("Age: {age}\n"));
            lines + if vary { "Vary: Foo\n" } else { "" }
        },
    )
}

fn request_fields() -> impl Strategy<Value = String> {
    let wish = select(vec![
        "",
        "Cache-Control: no-cache\n",
        "Cache-Control: max-age=20\n",
        "Cache-Control: min-fresh=20\n",
        "Pragma: no-cache\n",
    ]);
    (wish, option::of(0_u8..2)).prop_map(|(wish, value)| {
        let value = value.map_or(String::new(), |value| format!("Foo: {value}\n"));
        format!("{wish}{value}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn both_serve_the_same_responses(
        status in select(vec![200_u16, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501]),
        response in response_fields(),
        authorized in any::<bool>(),
        first in request_fields(),
        later in request_fields(),
        seconds in 0_u32..120,
    ) {
        let authorization = if authorized { "Authorization: x\n" } else { "" };
        let first = format!("{first}{authorization}");
        let story = Story::answered(status, &response).asked(&first);
        let seconds = f64::from(seconds);
        let other = served_by_the_other(&story, &fields(&later), seconds);
        prop_assert_eq!(served_by_us(&story, &later, seconds), other);
    }
}

/// Where the other implementation departs from the standard: what it does, and for which response
/// and later request three seconds after. Each row fails once it is mended there.
const DEPARTURES: &[(&str, &str, &str, bool)] = &[
    ("directive names are case-insensitive (RFC 9111 §5.2)", "Cache-Control: Max-Age=60", "", true),
    ("so no-store is no-store in any case", "Cache-Control: No-Store, max-age=60", "", false),
    ("Date adds to the age (RFC 9111 §4.2.3)", "Cache-Control: max-age=60\nDate: {-90}", "", false),
    ("the first Age counts (RFC 9111 §5.1)", "Cache-Control: max-age=60\nAge: 90, 0", "", false),
    (
        "proxy-revalidate concerns stale responses (RFC 9111 §5.2.2.8)",
        "Cache-Control: max-age=60, proxy-revalidate",
        "",
        true,
    ),
    ("immutable gives no freshness (RFC 8246 §2)", "Cache-Control: immutable", "", false),
    (
        "no-cache may name fields (RFC 9111 §5.2.2.4)",
        "Cache-Control: max-age=60, no-cache=\"foo\"",
        "",
        true,
    ),
    (
        "private may name fields (RFC 9111 §5.2.2.7)",
        "Cache-Control: max-age=60, private=\"foo\"",
        "",
        true,
    ),
    (
        "must-understand tempers no-store (RFC 9111 §5.2.2.3)",
        "Cache-Control: max-age=60, must-understand, no-store",
        "",
        true,
    ),
    (
        "quoted strings are opaque (RFC 9111 §5.2)",
        "Cache-Control: foo=\"a, max-age=60\"",
        "",
        false,
    ),
    (
        "Pragma means nothing in a response (RFC 9111 §5.4)",
        "Expires: {60}\nPragma: no-cache",
        "",
        true,
    ),
    (
        "Pragma gives way to Cache-Control (RFC 9111 §5.4)",
        "Cache-Control: max-age=60",
        "Pragma: no-cache\nCache-Control: foo",
        true,
    ),
    (
        "max-stale does not overrule no-cache (RFC 9111 §5.2.2.4)",
        "Cache-Control: max-age=60, no-cache\nETag: \"a\"",
        "Cache-Control: max-stale",
        false,
    ),
    (
        "max-stale does not overrule s-maxage (RFC 9111 §5.2.2.10)",
        "Cache-Control: s-maxage=1\nETag: \"a\"",
        "Cache-Control: max-stale",
        false,
    ),
    (
        "max-stale includes its bound (RFC 9111 §5.2.1.2)",
        "Cache-Control: max-age=1\nETag: \"a\"",
        "Cache-Control: max-stale=2",
        true,
    ),
    ("HTTP dates are in GMT (RFC 9111 §4.2)", "Expires: Thu, 18 Aug 2050 02:01:18 EST", "", false),
    (
        "fields are combined before they are compared (RFC 9111 §4.1)",
        "Cache-Control: max-age=60\nVary: Foo",
        "Foo: 1\nFoo: 2",
        false,
    ),
    (
        "a stated Set-Cookie is cacheable (RFC 9111 §7.3)",
        "Cache-Control: max-age=60\nSet-Cookie: a=b",
        "",
        true,
    ),
];

#[test]
fn known_departures_are_still_departures() {
    assert!(!DEPARTURES.is_empty());
    for (rule, response, later, right) in DEPARTURES {
        let story = Story::ok(response).asked("Foo: 1");
        assert_eq!(served_by_us(&story, later, 3.0), *right, "ours: {rule}");
        let other = served_by_the_other(&story, &fields(later), 3.0);
        assert_ne!(other, *right, "theirs: {rule}");
    }
}
