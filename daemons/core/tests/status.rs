//! What is the client told?

mod story;

use std::collections::HashSet;

use http::{HeaderMap, Method};
use selat_core::cache::policy::{Decision, lookup};
use selat_core::cache::reason::{
    ErrorRefusal, HitReason, MissReason, PassReason, RevalidateReason, Rule, StoreRefusal,
};
use selat_core::cache::status::{CacheStatus, Forward};
use selat_core::http::message::RequestHead;
use story::{Story, at};

#[test]
fn each_decision_is_told_in_the_terms_of_rfc_9211() {
    let fresh = Story::ok("Cache-Control: max-age=60\nVary: Foo\nETag: \"a\"").asked("Foo: 1");
    let tell = |decision: &Decision| CacheStatus::of("proxyd", decision).to_value();
    for (decision, value) in [
        (fresh.then("Foo: 1", 1.0), "proxyd;hit"),
        (
            fresh.then("Foo: 1\nCache-Control: max-stale", 61.0),
            "proxyd;hit;detail=\"stale_max_stale\"",
        ),
        (fresh.then("Foo: 2", 1.0), "proxyd;fwd=vary-miss"),
        (fresh.then("Foo: 1", 61.0), "proxyd;fwd=stale;detail=\"stale\""),
        (
            fresh.then("Foo: 1\nCache-Control: no-cache", 1.0),
            "proxyd;fwd=request;detail=\"client_no_cache\"",
        ),
        (fresh.then_by(&Method::POST, "Foo: 1", 1.0), "proxyd;fwd=method;detail=\"method\""),
        (
            fresh.then("Foo: 2\nCache-Control: only-if-cached", 1.0),
            "proxyd;detail=\"only_if_cached\"",
        ),
    ] {
        assert_eq!(tell(&decision), value);
    }
    let headers = HeaderMap::new();
    let request = RequestHead { method: &Method::GET, headers: &headers };
    let miss = lookup(request, [], at(0.0), &fresh.options);
    assert_eq!(tell(&miss), "proxyd;fwd=uri-miss");
}

#[test]
fn every_parameter_is_written_in_order() {
    let status = CacheStatus {
        cache: "edge one",
        hit: false,
        forward: Some(Forward::Stale),
        forward_status: Some(304),
        ttl_seconds: Some(-5),
        stored: true,
        collapsed: true,
        key: Some("r http://example.com/\"x\""),
        detail: Some("text"),
    };
    assert_eq!(
        status.to_value(),
        "\"edge one\";fwd=stale;fwd-status=304;ttl=-5;stored;collapsed;\
         key=\"r http://example.com/\\\"x\\\"\";detail=\"text\""
    );
}

#[test]
fn what_no_string_can_hold_is_left_out() {
    let status = CacheStatus { cache: "é", detail: Some("é"), ..CacheStatus::default() };
    assert_eq!(status.to_value(), "cache");
}

#[test]
fn reasons_have_distinct_labels_and_dense_indices() {
    fn check<T: Copy>(
        all: &[T],
        index: impl Fn(T) -> usize,
        label: impl Fn(T) -> &'static str,
        rule: impl Fn(T) -> Rule,
    ) {
        let labels: HashSet<_> = all.iter().map(|reason| label(*reason)).collect();
        assert_eq!(labels.len(), all.len());
        for (at, reason) in all.iter().enumerate() {
            assert_eq!(index(*reason), at);
            assert!(rule(*reason).clause.starts_with("RFC "));
        }
    }
    check(HitReason::ALL, HitReason::index, HitReason::as_str, HitReason::rule);
    check(MissReason::ALL, MissReason::index, MissReason::as_str, MissReason::rule);
    check(PassReason::ALL, PassReason::index, PassReason::as_str, PassReason::rule);
    check(StoreRefusal::ALL, StoreRefusal::index, StoreRefusal::as_str, StoreRefusal::rule);
    check(ErrorRefusal::ALL, ErrorRefusal::index, ErrorRefusal::as_str, ErrorRefusal::rule);
    check(
        RevalidateReason::ALL,
        RevalidateReason::index,
        RevalidateReason::as_str,
        RevalidateReason::rule,
    );
}
