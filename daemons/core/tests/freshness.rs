//! How long may a response be served, and how old is it?

mod story;

use std::time::Duration;

use selat_core::cache::early::wants_early_refresh;
use selat_core::cache::freshness::LifetimeSource;
use selat_core::cache::options::CDN_CACHE_CONTROL;
use story::{Story, at};

#[track_caller]
fn reused_after_three_seconds(rows: &[(&str, bool)]) {
    assert!(!rows.is_empty());
    for (response, reused) in rows {
        assert_eq!(Story::ok(response).reused_at(3.0), *reused, "{response}");
    }
}

#[test]
fn the_first_of_s_maxage_max_age_and_expires_counts() {
    reused_after_three_seconds(&[
        ("Cache-Control: max-age=3600", true),
        ("Cache-Control: max-age=0", false),
        ("Cache-Control: max-age=3600, s-maxage=1", false),
        ("Cache-Control: s-maxage=1, max-age=3600", false),
        ("Cache-Control: max-age=3600\nCache-Control: s-maxage=1", false),
        ("Cache-Control: max-age=0, s-maxage=3600\nExpires: {-10}", true),
        ("Cache-Control: max-age=3600\nExpires: {-7200}\nDate: {0}", true),
        ("Cache-Control: max-age=3600\nExpires: 0\nDate: {0}", true),
        ("Cache-Control: max-age=0\nExpires: {3600}\nDate: {0}", false),
        ("Expires: {3600}\nDate: {0}", true),
        ("Expires: {3600}", true),
        ("Expires: {0}\nDate: {0}", false),
        ("Expires: {-1}\nDate: {0}", false),
        ("Expires: {10}\nDate: foo", true),
        ("", false),
    ]);
}

#[test]
fn a_lifetime_that_cannot_be_read_is_none() {
    reused_after_three_seconds(&[
        ("Cache-Control: MaX-aGe=3600", true),
        ("Cache-Control: foobar, max-age=3600", true),
        ("Cache-Control: max-age=003600", true),
        ("Cache-Control: max-age=\"3600\"", true),
        ("Cache-Control: max-age=3600, max-age=3600", true),
        ("Cache-Control: max-age=2147483649", true),
        ("Cache-Control: max-age=99999999999", true),
        ("Cache-Control: max-age=99999999999999999999999999", true),
        ("Cache-Control: max-age='3600'", false),
        ("Cache-Control: max-age=-3600", false),
        ("Cache-Control: max-age=3600.0", false),
        ("Cache-Control: max-age=3600.5", false),
        ("Cache-Control: max-age=a3600", false),
        ("Cache-Control: max-age=3600a", false),
        ("Cache-Control: max-age =3600", false),
        ("Cache-Control: max-age= 3600", false),
        ("Cache-Control: max-age", false),
        ("Cache-Control: max-age=", false),
        ("Cache-Control: max-age=3600, max-age=1", false),
        ("Cache-Control: max-age=1\nCache-Control: max-age=3600", false),
        ("Cache-Control: extension=\"max-age=3600\", max-age=1", false),
        ("Cache-Control: max-age=1, extension=\"max-age=3600\"", false),
        ("Cache-Control: max-age=bad\nExpires: {3600}", false),
    ]);
}

#[test]
fn expires_is_read_strictly_but_without_regard_to_case() {
    reused_after_three_seconds(&[
        ("Expires: Thu, 18 Aug 2050 02:01:18 GMT\nDate: {0}", true),
        ("Expires: Thursday, 18-Aug-50 02:01:18 GMT\nDate: {0}", true),
        ("Expires: Thu Aug 18 02:01:18 2050\nDate: {0}", true),
        // The eighth is a Monday; the name of the day carries nothing.
        ("Expires: Thu Aug  8 02:01:18 2050\nDate: {0}", true),
        ("Expires: Foo Aug  8 02:01:18 2050\nDate: {0}", false),
        ("Expires: THU, 18 Aug 2050 02:01:18 GMT\nDate: {0}", true),
        ("Expires: Thu, 18 AUG 2050 02:01:18 GMT\nDate: {0}", true),
        ("Expires: Thu, 18 Aug 2050 02:01:18 gMT\nDate: {0}", true),
        ("Expires: Sun, 21 Nov 2286 04:46:39 GMT\nDate: {0}", true),
        ("Expires: Thu, 18 Aug 2050 02:01:18 UTC\nDate: {0}", false),
        ("Expires: Thu, 18 Aug 2050 02:01:18 AEST\nDate: {0}", false),
        ("Expires: Thu, 18 Aug 50 02:01:18 GMT\nDate: {0}", false),
        ("Expires: Thu 18 Aug 2050 02:01:18 GMT\nDate: {0}", false),
        ("Expires: Thu, 18  Aug  2050 02:01:18 GMT\nDate: {0}", false),
        ("Expires: Thu, 18-Aug-2050 02:01:18 GMT\nDate: {0}", false),
        ("Expires: Thu, 18 Aug 2050 02.01.18 GMT\nDate: {0}", false),
        ("Expires: Thu, 18 Aug 2050 2:01:18 GMT\nDate: {0}", false),
        ("Expires: {3600}\nExpires: {3601}\nDate: {0}", false),
        ("Expires: 0\nDate: {0}", false),
        ("Expires: -1\nDate: {0}", false),
        ("Expires:\nDate: {0}", false),
    ]);
}

#[test]
fn age_is_the_first_readable_number() {
    reused_after_three_seconds(&[
        ("Cache-Control: max-age=3600\nAge: 7200", false),
        ("Cache-Control: max-age=3600\nAge: 7200, 0", false),
        ("Cache-Control: max-age=3600\nAge: 0, 7200", true),
        ("Cache-Control: max-age=3600\nAge: 7200\nAge: 0", false),
        ("Cache-Control: max-age=3600\nAge: 0\nAge: 7200", true),
        ("Cache-Control: max-age=3600\nAge: 0, 0", true),
        ("Cache-Control: max-age=10000\nAge: 3600, 3600", true),
        ("Cache-Control: max-age=3600\nAge: abc", true),
        ("Cache-Control: max-age=3600\nAge: -7200", true),
        ("Cache-Control: max-age=3600\nAge: 7200.0", true),
        ("Cache-Control: max-age=3600\nAge: \"7200\"", true),
        ("Cache-Control: max-age=3600\nAge: 7200;foo=bar", true),
        ("Cache-Control: max-age=3600\nAge: 2147483648", false),
        ("Cache-Control: max-age=3600\nAge: 99999999999999999999", false),
    ]);
}

#[test]
fn a_slow_clock_a_slow_network_and_a_cache_on_the_way_all_add_age() {
    let cases = [
        (Story::ok("Cache-Control: max-age=60"), 5.0, 5),
        (Story::ok("Cache-Control: max-age=60\nAge: 30"), 5.0, 35),
        (Story::ok("Cache-Control: max-age=60\nDate: {-20}"), 5.0, 25),
        (Story::ok("Cache-Control: max-age=60\nDate: {-20}\nAge: 30"), 5.0, 35),
        (Story::ok("Cache-Control: max-age=60\nDate: {50}\nAge: 30"), 5.0, 35),
        (Story::ok("Cache-Control: max-age=60\nAge: 30").between(0.0, 4.0), 5.0, 35),
        (Story::ok("Cache-Control: max-age=60").between(0.0, 4.0), 5.0, 5),
        // A clock that was set back makes nothing younger than new.
        (Story::ok("Cache-Control: max-age=60").between(4.0, 0.0), -100.0, 0),
    ];
    for (story, seconds, age) in cases {
        assert_eq!(story.stored().age(at(seconds)).as_secs(), age, "{:?}", story.response);
    }
}

#[test]
fn age_counts_against_expires_whatever_the_origins_clock_says() {
    assert!(!Story::ok("Date: {-10}\nExpires: {10}\nAge: 25").reused_at(0.0));
    assert!(!Story::ok("Date: {10}\nExpires: {20}\nAge: 15").reused_at(0.0));
    assert!(!Story::ok("Date: {400}\nExpires: {300}").reused_at(0.0));
}

#[test]
fn a_response_is_fresh_up_to_its_lifetime_and_not_at_it() {
    let story = Story::ok("Cache-Control: max-age=2\nDate: {0}");
    assert!(story.reused_at(1.999));
    assert!(!story.reused_at(2.0));
}

#[test]
fn a_heuristic_takes_a_tenth_of_the_time_since_the_last_change() {
    let meta = Story::ok("Last-Modified: {-1000}\nDate: {0}").stored();
    assert_eq!(meta.lifetime().duration, Duration::from_secs(100));
    assert_eq!(meta.lifetime().source, LifetimeSource::Heuristic);
    let old = Story::ok("Last-Modified: {-100000000}\nDate: {0}").stored();
    assert_eq!(old.lifetime().duration, Duration::from_secs(86_400));
}

#[test]
fn a_heuristic_needs_a_status_that_allows_it_or_public() {
    let fresh = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    let stale = [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599];
    for status in fresh {
        assert!(Story::answered(status, "Last-Modified: {-86400}\nDate: {0}").reused_at(3.0));
    }
    for status in stale {
        let response = "Last-Modified: {-86400}\nDate: {0}";
        assert!(!Story::answered(status, response).reused_at(3.0), "{status}");
    }
    let public = "Last-Modified: {-86400}\nDate: {0}\nCache-Control: public";
    assert!(Story::answered(599, public).reused_at(3.0));
}

#[test]
fn every_final_status_is_reused_with_explicit_freshness() {
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 503, 599] {
        let story = Story::answered(status, "Cache-Control: max-age=100\nDate: {0}");
        assert!(story.reused_at(3.0), "{status}");
        let stale = Story::answered(status, "Expires: {-5000}\nLast-Modified: {-10}\nDate: {0}");
        assert!(!stale.reused_at(3.0), "{status}");
    }
}

#[test]
fn a_targeted_field_speaks_alone_where_the_route_obeys_it() {
    let rows = [
        ("CDN-Cache-Control: max-age=3600", true),
        ("CDN-Cache-Control: max-age=99999999999", true),
        ("CDN-Cache-Control: max-age=0\nExpires: {3600}", false),
        ("CDN-Cache-Control: foobar, max-age=3600", true),
        ("CDN-Cache-Control: max-age=3600\nExpires: {-10}", true),
        ("CDN-Cache-Control: max-age=3600\nCache-Control: max-age=1", true),
        ("CDN-Cache-Control: max-age=1\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: private\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: no-cache\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: no-store\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: max-age=3600\nCache-Control: no-store", true),
        ("CDN-Cache-Control: max-age=3600\nAge: 7200", false),
        ("CDN-Cache-Control: max-age=3600, &&&&&\nCache-Control: no-store", false),
        ("CDN-Cache-Control: max-age=\"3600\"\nCache-Control: no-store", false),
        ("CDN-Cache-Control: max-age=-5\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: no-store, max-age=1.5\nCache-Control: max-age=3600", false),
        ("CDN-Cache-Control: max-age=3600, no-such=1.5\nCache-Control: no-store", true),
        ("CDN-Cache-Control:\nCache-Control: max-age=3600", true),
    ];
    for (response, reused) in rows {
        let story = Story::ok(response).with(|options| options.targeted = vec![CDN_CACHE_CONTROL]);
        assert_eq!(story.reused_at(3.0), reused, "{response}");
    }
    assert!(!Story::ok("CDN-Cache-Control: max-age=3600").reused_at(3.0));
}

#[test]
fn an_operator_caps_every_lifetime() {
    let story = Story::ok("Cache-Control: max-age=3600")
        .with(|options| options.lifetime_max = Duration::from_secs(10));
    assert!(story.reused_at(9.0));
    assert!(!story.reused_at(11.0));
}

#[test]
fn a_hot_response_is_refreshed_early_the_likelier_the_later_and_the_dearer_it_is() {
    let fetched_in =
        |delay_s| Story::ok("Cache-Control: max-age=60").between(0.0, delay_s).stored();
    let wants = |seconds, delay_ms: u32, draw| {
        let meta = fetched_in(f64::from(delay_ms) / 1000.0);
        wants_early_refresh(&meta, at(seconds), 1.0, draw)
    };
    assert!(!wants(0.0, 100, 0.5));
    assert!(wants(59.99, 100, 0.5));
    assert!(!wants(59.0, 100, 0.5));
    assert!(wants(59.0, 2000, 0.5));
    // A draw of one never refreshes; a draw outside the interval is taken as its nearest end.
    assert!(!wants(59.999, 1000, 1.0));
    assert!(!wants(59.999, 1000, 7.0));
    assert!(wants(59.0, 1000, 0.0));
    assert!(wants(59.0, 1000, f64::NAN) == wants(59.0, 1000, 1.0));
    // What is stale is not refreshed early but validated.
    assert!(!wants(61.0, 1000, 0.0));
    assert!(!wants_early_refresh(&fetched_in(9.0), at(59.9), 0.0, 0.5));
}
