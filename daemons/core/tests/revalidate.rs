//! May the stored response be served, or must the origin be asked? And what does its answer do?

mod story;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use selat_core::cache::options::{ClientDirectives, PolicyOptions, SMaxageStale};
use selat_core::cache::policy::{
    Decision, OriginFailure, Serve, lookup, serve_on_error, without_key,
};
use selat_core::cache::reason::{
    ErrorRefusal, HitReason, MissReason, PassReason, RevalidateReason, StoreRefusal,
};
use selat_core::cache::stored::StoredMeta;
use selat_core::cache::validation::{
    HeadUpdate, Validation, freshened_by_head, revalidated, takes_back,
};
use selat_core::http::message::RequestHead;
use story::{Story, at, fields};

#[track_caller]
fn hit(decision: &Decision) -> HitReason {
    match decision {
        Decision::Serve(serve) => serve.reason,
        other => panic!("not served: {other:?}"),
    }
}

#[track_caller]
fn asks(decision: &Decision) -> RevalidateReason {
    match decision {
        Decision::Revalidate { reason, .. } => *reason,
        other => panic!("not revalidated: {other:?}"),
    }
}

#[test]
fn a_fresh_response_is_served_with_its_age() {
    let story = Story::ok("Cache-Control: max-age=60\nAge: 10");
    let served = Serve { which: 0, age: Duration::from_secs(15), reason: HitReason::Fresh };
    assert_eq!(story.then("", 5.0), Decision::Serve(served));
    assert_eq!(hit(&story.then_by(&Method::HEAD, "", 5.0)), HitReason::Fresh);
    assert_eq!(hit(&story.then("Cookie: a=b\nAuthorization: x", 5.0)), HitReason::Fresh);
}

#[test]
fn a_stale_response_is_validated_by_all_it_has() {
    let story = Story::ok("Cache-Control: max-age=1\nETag: W/\"a\"\nLast-Modified: {-9}");
    let Decision::Revalidate { which: 0, reason: RevalidateReason::Stale, conditions } =
        story.then("", 5.0)
    else {
        panic!("not revalidated");
    };
    let mut request = fields("If-None-Match: \"mine\"\nIf-Match: *\nRange: bytes=0-1\nFoo: 1");
    conditions.apply(&mut request);
    let expected = fields("If-None-Match: W/\"a\"\nIf-Modified-Since: {-9}\nFoo: 1");
    assert_eq!(request, expected);
}

#[test]
fn a_stale_response_without_a_validator_is_fetched_anew_but_kept_in_mind() {
    let decision = Story::ok("Cache-Control: max-age=1").then("", 5.0);
    let Decision::Revalidate { which: 0, conditions, .. } = decision else { panic!() };
    assert!(conditions.is_empty());
}

#[test]
fn no_cache_is_validated_even_when_fresh() {
    let story = Story::ok("Cache-Control: max-age=100, no-cache\nETag: \"a\"");
    assert_eq!(asks(&story.then("", 0.0)), RevalidateReason::NoCache);
    assert_eq!(asks(&story.then("Cache-Control: max-stale", 0.0)), RevalidateReason::NoCache);
}

#[test]
fn clients_can_ask_for_more_freshness() {
    let story = Story::ok("Cache-Control: max-age=100\nAge: 10");
    for (request, reason) in [
        ("Cache-Control: no-cache", Some(RevalidateReason::ClientNoCache)),
        ("Cache-Control: NO-CACHE", Some(RevalidateReason::ClientNoCache)),
        ("Pragma: no-cache", Some(RevalidateReason::ClientNoCache)),
        ("Pragma: no-cache\nCache-Control: foo", None),
        ("Pragma: foo", None),
        ("Cache-Control: max-age=0", Some(RevalidateReason::ClientMaxAge)),
        ("Cache-Control: max-age=9", Some(RevalidateReason::ClientMaxAge)),
        ("Cache-Control: max-age=11", None),
        ("Cache-Control: max-age=bad", None),
        ("Cache-Control: min-fresh=91", Some(RevalidateReason::ClientMinFresh)),
        ("Cache-Control: min-fresh=90", None),
    ] {
        let decision = story.then(request, 0.0);
        match reason {
            Some(reason) => assert_eq!(asks(&decision), reason, "{request}"),
            None => assert_eq!(hit(&decision), HitReason::Fresh, "{request}"),
        }
    }
}

#[test]
fn an_operator_can_ignore_what_clients_ask() {
    let story = Story::ok("Cache-Control: max-age=100")
        .with(|options| options.client_directives = ClientDirectives::Ignore);
    for request in ["no-cache", "max-age=0", "no-store", "only-if-cached"] {
        let decision = story.then(&format!("Cache-Control: {request}"), 1.0);
        assert_eq!(hit(&decision), HitReason::Fresh, "{request}");
    }
}

#[test]
fn clients_can_accept_stale_responses() {
    let story = Story::ok("Cache-Control: max-age=10\nETag: \"a\"");
    for (request, served) in [
        ("Cache-Control: max-stale", true),
        ("Cache-Control: max-stale=5", true),
        ("Cache-Control: max-stale=4", false),
        ("Cache-Control: max-stale=x", false),
        ("Cache-Control: max-stale, min-fresh=1", false),
    ] {
        let decision = story.then(request, 15.0);
        assert_eq!(decision.is_hit(), served, "{request}");
    }
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let story = Story::ok(&format!("Cache-Control: max-age=10, {forbidding}\nETag: \"a\""));
        let decision = story.then("Cache-Control: max-stale", 15.0);
        assert_eq!(asks(&decision), RevalidateReason::MustRevalidate, "{forbidding}");
    }
}

#[test]
fn a_client_that_wants_only_stored_responses_gets_504_else() {
    let only = "Cache-Control: only-if-cached";
    let story = Story::ok("Cache-Control: max-age=10\nETag: \"a\"");
    assert!(story.then(only, 1.0).is_hit());
    assert_eq!(story.then(only, 11.0), Decision::GatewayTimeout);
    let headers = fields(only);
    let request = RequestHead { method: &Method::GET, headers: &headers };
    assert_eq!(lookup(request, [], at(0.0), &story.options), Decision::GatewayTimeout);
}

#[test]
fn some_requests_are_not_for_caches() {
    let story = Story::ok("Cache-Control: max-age=10");
    for (method, request, reason) in [
        (Method::POST, "", PassReason::Method),
        (Method::OPTIONS, "", PassReason::Method),
        (Method::GET, "Content-Length: 5", PassReason::Content),
        (Method::GET, "Transfer-Encoding: chunked", PassReason::Content),
        (Method::GET, "Connection: Upgrade\nUpgrade: websocket", PassReason::Upgrade),
        (Method::GET, "Cache-Control: no-store", PassReason::NoStore),
    ] {
        assert_eq!(story.then_by(&method, request, 0.0), Decision::Pass(reason), "{request}");
    }
    for request in ["Content-Length: 0", "Upgrade: x", "Connection: upgrade\nUpgrade: h2c"] {
        assert!(story.then(request, 0.0).is_hit(), "{request}");
    }
}

#[test]
fn nothing_stored_is_a_miss() {
    let headers = HeaderMap::new();
    let request = RequestHead { method: &Method::GET, headers: &headers };
    let decision = lookup(request, [], at(0.0), &Story::ok("").options);
    assert_eq!(decision, Decision::Fetch(MissReason::Absent));
    assert_eq!(decision.rule().clause, "RFC 9111 §4");
}

#[test]
fn the_most_recent_of_several_matching_responses_is_used() {
    let old = Story::ok("Cache-Control: max-age=600\nDate: {-30}").stored();
    let new = Story::ok("Cache-Control: max-age=600\nDate: {-10}").stored();
    let headers = HeaderMap::new();
    let request = RequestHead { method: &Method::GET, headers: &headers };
    for (candidates, expected) in [([&old, &new], 1), ([&new, &old], 0)] {
        let decision = lookup(request, candidates, at(0.0), &Story::ok("").options);
        let Decision::Serve(Serve { which, .. }) = decision else { panic!() };
        assert_eq!(which, expected);
    }
}

#[test]
fn a_stale_response_is_served_while_it_is_refreshed_within_its_window() {
    let story = Story::ok("Cache-Control: max-age=10, stale-while-revalidate=5\nETag: \"a\"");
    let Decision::Serve(serve) = story.then("", 14.0) else { panic!() };
    assert_eq!(serve.reason, HitReason::WhileRevalidate);
    assert!(serve.wants_refresh());
    assert_eq!(asks(&story.then("", 15.0)), RevalidateReason::Stale);
    let forbidden = "Cache-Control: max-age=10, stale-while-revalidate=5, must-revalidate";
    let decision = Story::ok(forbidden).then("", 11.0);
    assert_eq!(asks(&decision), RevalidateReason::MustRevalidate);
}

#[test]
fn an_operators_grace_holds_where_the_origin_says_nothing() {
    let grace = |directives: &str| {
        Story::ok(&format!("Cache-Control: {directives}\nETag: \"a\""))
            .with(|options| options.grace_while_revalidate = Duration::from_secs(60))
    };
    assert_eq!(hit(&grace("max-age=10").then("", 60.0)), HitReason::Grace);
    assert_eq!(asks(&grace("max-age=10").then("", 70.0)), RevalidateReason::Stale);
    let own = grace("max-age=10, stale-while-revalidate=1");
    assert_eq!(asks(&own.then("", 12.0)), RevalidateReason::Stale);
}

#[test]
fn s_maxage_forbids_stale_responses_unless_the_operator_reads_it_otherwise() {
    let both = "Cache-Control: s-maxage=10, stale-while-revalidate=5\nETag: \"a\"";
    assert_eq!(asks(&Story::ok(both).then("", 12.0)), RevalidateReason::MustRevalidate);
    let lenient =
        |response| Story::ok(response).with(|o| o.s_maxage_stale = SMaxageStale::AllowIfExplicit);
    assert_eq!(hit(&lenient(both).then("", 12.0)), HitReason::WhileRevalidate);
    let plain = "Cache-Control: s-maxage=10\nETag: \"a\"";
    assert_eq!(asks(&lenient(plain).then("", 12.0)), RevalidateReason::MustRevalidate);
}

#[test]
fn a_soft_purge_makes_stale_and_keeps_the_grace() {
    let headers = HeaderMap::new();
    let request = RequestHead { method: &Method::GET, headers: &headers };
    let purged = |response: &str, seconds| {
        let story = Story::ok(response);
        let mut meta = story.stored();
        meta.mark_stale(RevalidateReason::Purged, at(1.0));
        assert!(!meta.is_fresh(at(1.0)) && meta.ttl_seconds(at(seconds)) <= 0);
        lookup(request, [&meta], at(seconds), &story.options)
    };
    assert_eq!(asks(&purged("Cache-Control: max-age=60", 1.0)), RevalidateReason::Purged);
    let graceful = "Cache-Control: max-age=60, stale-while-revalidate=5";
    assert_eq!(hit(&purged(graceful, 5.5)), HitReason::WhileRevalidate);
    // The grace is one from the purge on, not from the end of a freshness that is over.
    assert_eq!(asks(&purged(graceful, 6.5)), RevalidateReason::Purged);
}

#[test]
fn who_asks_for_an_age_has_not_agreed_to_anything_stale() {
    let story = Story::ok("Cache-Control: max-age=1, stale-while-revalidate=60\nETag: \"a\"");
    assert_eq!(hit(&story.then("", 1.5)), HitReason::WhileRevalidate);
    let asked = story.then("Cache-Control: max-age=60", 1.5);
    assert_eq!(asks(&asked), RevalidateReason::ClientMaxAge);
    let both = story.then("Cache-Control: max-age=60, max-stale=5", 1.5);
    assert_eq!(hit(&both), HitReason::MaxStale);
}

#[test]
fn what_is_wanted_from_a_cache_or_not_at_all_is_never_asked_of_the_origin() {
    let story = Story::ok("Cache-Control: max-age=60\nETag: \"a\"");
    for also in ["If-Match: \"a\"", "Content-Length: 3", "Connection: upgrade\nUpgrade: x"] {
        let decision = story.then(&format!("Cache-Control: only-if-cached\n{also}"), 1.0);
        assert_eq!(decision, Decision::GatewayTimeout, "{also}");
    }
    let write = story.then_by(&Method::POST, "Cache-Control: only-if-cached", 1.0);
    assert_eq!(write, Decision::Pass(PassReason::Method));
}

#[test]
fn an_origin_that_fails_is_covered_for_within_limits() {
    let answer = |response: &str, request: &str, failure, seconds| {
        let story = Story::ok(response);
        let headers = fields(request);
        let request = RequestHead { method: &Method::GET, headers: &headers };
        serve_on_error(request, &story.stored(), failure, at(seconds), &story.options)
    };
    let status = |code| OriginFailure::Status(StatusCode::from_u16(code).expect("a status"));
    let stated = "Cache-Control: max-age=10, stale-if-error=20";
    let silent = "Cache-Control: max-age=10";
    for (response, request, failure, seconds, expected) in [
        (stated, "", status(503), 29.0, Ok(HitReason::IfError)),
        (stated, "", status(503), 31.0, Err(ErrorRefusal::WindowOver)),
        (stated, "", status(404), 12.0, Err(ErrorRefusal::NotAnError)),
        (stated, "", OriginFailure::Timeout, 12.0, Ok(HitReason::IfError)),
        (stated, "Cache-Control: no-cache", status(500), 5.0, Err(ErrorRefusal::Forbidden)),
        (silent, "", OriginFailure::Unreachable, 300.0, Ok(HitReason::ErrorGrace)),
        (silent, "", OriginFailure::Unreachable, 311.0, Err(ErrorRefusal::WindowOver)),
        (silent, "Cache-Control: stale-if-error=900", status(502), 900.0, Ok(HitReason::IfError)),
        (silent, "Cache-Control: max-age=60", status(502), 12.0, Err(ErrorRefusal::Forbidden)),
        (silent, "Cache-Control: min-fresh=5", status(502), 12.0, Err(ErrorRefusal::Forbidden)),
        (
            silent,
            "Cache-Control: max-age=60, max-stale=9",
            status(502),
            12.0,
            Ok(HitReason::ErrorGrace),
        ),
    ] {
        assert_eq!(answer(response, request, failure, seconds), expected, "{response} {seconds}");
    }
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=2", "no-cache"] {
        let response = format!("Cache-Control: max-age=2, {forbidding}\nETag: \"a\"");
        let refused = answer(&response, "", OriginFailure::Unreachable, 3.0);
        assert_eq!(refused, Err(ErrorRefusal::Forbidden), "{forbidding}");
    }
}

#[test]
fn a_304_renews_freshness_and_fields_but_not_what_describes_the_octets() {
    let story = Story::ok(
        "Cache-Control: max-age=2\nETag: \"a\"\nAge: 1\nTest: old\nTest: older\nKept: 1\n\
         Content-Length: 5\nContent-Encoding: gzip\nContent-MD5: x\nContent-Range: y\n\
         Content-Type: text/plain\nDate: {0}",
    );
    let answer = Story::answered(
        304,
        "Cache-Control: max-age=60\nETag: W/\"a\"\nTest: new\nContent-Length: 9\n\
         Content-Encoding: br\nContent-MD5: z\nContent-Range: z\nContent-Type: text/html\n\
         Connection: Hop\nHop: 1\nDate: {10}",
    )
    .between(10.0, 10.0);
    let mut headers = story.stored_fields();
    let outcome = revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
    let Validation::Updated(meta) = outcome else { panic!("{outcome:?}") };
    assert_eq!(meta.age(at(12.0)), Duration::from_secs(2));
    assert_eq!(meta.fresh_for(at(12.0)), Duration::from_secs(58));
    let expected = fields(
        "Cache-Control: max-age=60\nETag: \"a\"\nTest: new\nKept: 1\nContent-Length: 5\n\
         Content-Encoding: gzip\nContent-MD5: x\nContent-Range: y\nContent-Type: text/html\n\
         Date: {10}",
    );
    assert_eq!(headers, expected);
}

#[test]
fn a_304_without_a_date_or_a_validator_still_renews() {
    let story = Story::ok("Cache-Control: max-age=2\nETag: \"a\"\nDate: {0}");
    let answer = Story::answered(304, "").between(10.0, 10.0);
    let mut headers = story.stored_fields();
    let outcome = revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
    let Validation::Updated(meta) = outcome else { panic!("{outcome:?}") };
    assert_eq!(meta.age(at(10.0)), Duration::ZERO);
    assert_eq!(headers.get("date"), fields("Date: {10}").get("date"));
}

#[test]
fn a_304_about_another_representation_changes_nothing() {
    for (stored, answer) in [
        ("ETag: \"a\"", "ETag: \"b\""),
        ("Last-Modified: {-10}", "Last-Modified: {-5}"),
        ("Last-Modified: {-10}", "ETag: \"b\""),
    ] {
        let story = Story::ok(stored);
        let answer = Story::answered(304, answer);
        let mut headers = story.stored_fields();
        let outcome =
            revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
        assert_eq!(outcome, Validation::Mismatch);
        assert_eq!(headers, story.stored_fields());
    }
}

#[test]
fn a_cookie_of_a_304_is_for_the_client_that_asked_alone() {
    let story = Story::ok("Cache-Control: max-age=2\nETag: \"a\"\nDate: {0}");
    let answer = Story::answered(304, "Set-Cookie: session=alice\nDate: {0}").between(10.0, 10.0);
    let mut headers = story.stored_fields();
    let outcome = revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
    assert!(matches!(outcome, Validation::Updated(_)), "{outcome:?}");
    assert!(!headers.contains_key("set-cookie"), "{headers:?}");
    // One that the origin lets all share is replaced like any field.
    let story = Story::ok("Cache-Control: max-age=2\nETag: \"a\"\nDate: {0}\nSet-Cookie: old=1");
    let mut headers = story.stored_fields();
    let outcome = revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
    assert!(matches!(outcome, Validation::Updated(_)), "{outcome:?}");
    assert_eq!(headers["set-cookie"], "session=alice");
}

#[test]
fn preconditions_on_the_origins_state_are_the_origins() {
    let story = Story::ok("Cache-Control: max-age=60\nETag: \"a\"");
    for request in ["If-Match: \"a\"", "If-Unmodified-Since: {60}"] {
        assert_eq!(story.then(request, 1.0), Decision::Pass(PassReason::Precondition), "{request}");
    }
}

#[test]
fn a_304_that_forbids_storing_withdraws_the_response() {
    let story = Story::ok("Cache-Control: max-age=2\nETag: \"a\"");
    let answer = Story::answered(304, "Cache-Control: no-store").between(10.0, 10.0);
    let mut headers = story.stored_fields();
    let outcome = revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
    assert!(matches!(outcome, Validation::Withdrawn(_)), "{outcome:?}");
}

#[test]
fn what_the_origin_has_no_more_is_taken_back_and_what_goes_wrong_is_not() {
    let takes = |reason, refusal, status| {
        takes_back(reason, refusal, StatusCode::from_u16(status).expect("a status"))
    };
    let (stale, unusable) = (RevalidateReason::Stale, StoreRefusal::Unusable);
    for status in [200, 302, 404, 410] {
        assert!(takes(stale, unusable, status), "{status}");
        assert!(!takes(RevalidateReason::ClientNoCache, unusable, status), "{status}");
        assert!(!takes(stale, StoreRefusal::Authorization, status), "{status}");
    }
    for status in [400, 401, 403, 405, 421, 429, 500, 503] {
        assert!(!takes(stale, unusable, status), "{status}");
    }
    assert!(takes(RevalidateReason::NoCache, StoreRefusal::Private, 200));
}

#[test]
fn without_a_key_a_cache_has_no_answer() {
    let options = PolicyOptions::default();
    let decide = |request: &str| {
        let headers = fields(request);
        without_key(RequestHead { method: &Method::GET, headers: &headers }, &options)
    };
    assert_eq!(decide(""), Decision::Pass(PassReason::KeyTooLong));
    assert_eq!(decide("Cache-Control: only-if-cached"), Decision::GatewayTimeout);
}

#[test]
fn a_304_to_a_request_that_forbids_storing_leaves_what_is_stored() {
    for request in ["Authorization: x", "Cache-Control: no-store"] {
        let story = Story::ok("Cache-Control: max-age=2\nETag: \"a\"");
        let answer = Story::answered(304, "").asked(request).between(10.0, 10.0);
        let mut headers = story.stored_fields();
        let outcome =
            revalidated(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
        assert!(matches!(outcome, Validation::Apart(_)), "{request}: {outcome:?}");
        let head = answer.to("HEAD", "http://example.com/");
        let head = Story { status: StatusCode::OK, ..head };
        let outcome =
            freshened_by_head(&story.stored(), &mut headers, &head.exchange(), &head.options);
        assert_eq!(outcome, HeadUpdate::Unaffected, "{request}");
    }
}

#[test]
fn a_response_to_head_renews_or_spoils_the_stored_get() {
    let stored = "Cache-Control: max-age=2\nETag: \"a\"\nContent-Length: 5\nA: 1\nB: 1";
    let update = |status, head: &str| {
        let story = Story::ok(stored);
        let answer =
            Story::answered(status, head).to("HEAD", "http://example.com/").between(10.0, 10.0);
        let mut headers = story.stored_fields();
        let outcome =
            freshened_by_head(&story.stored(), &mut headers, &answer.exchange(), &answer.options);
        (outcome, headers)
    };
    let (outcome, headers) =
        update(200, "Cache-Control: max-age=60\nETag: \"a\"\nContent-Length: 5\nA: 2");
    let HeadUpdate::Updated(meta) = outcome else { panic!("{outcome:?}") };
    assert_eq!(meta.fresh_for(at(10.0)), Duration::from_secs(60));
    assert_eq!(headers.get("a"), fields("A: 2").get("a"));
    assert_eq!(headers.get("b"), fields("B: 1").get("b"));
    // What it does not say is no contradiction.
    for head in ["Content-Length: 5", "ETag: \"a\"", ""] {
        let outcome = update(200, head).0;
        assert!(matches!(outcome, HeadUpdate::Updated(_)), "{head}: {outcome:?}");
    }
    for head in ["ETag: \"b\"", "ETag: \"a\"\nContent-Length: 6", "Content-Length: 6"] {
        assert_eq!(update(200, head).0, HeadUpdate::Stale, "{head}");
    }
    assert_eq!(update(410, "ETag: \"a\"").0, HeadUpdate::Unaffected);
}

#[test]
fn a_response_to_head_tells_of_stored_parts_too() {
    let part =
        "Cache-Control: max-age=60\nETag: \"a\"\nContent-Range: bytes 0-4/10\nContent-Length: 5";
    let update = |head: &str| {
        let story = Story::answered(206, part);
        let answer = Story::answered(200, head).to("HEAD", "http://example.com/");
        let mut headers = story.stored_fields();
        freshened_by_head(&story.stored(), &mut headers, &answer.exchange(), &answer.options)
    };
    assert!(matches!(update("ETag: \"a\"\nContent-Length: 10"), HeadUpdate::Updated(_)));
    assert_eq!(update("ETag: \"a\"\nContent-Length: 5"), HeadUpdate::Stale);
    assert_eq!(update("ETag: \"b\"\nContent-Length: 10"), HeadUpdate::Stale);
}

#[test]
fn what_is_kept_of_a_response_stays_small() {
    // The store's own overhead and this must fit in 400 octets an object.
    assert!(size_of::<StoredMeta>() <= 112, "{}", size_of::<StoredMeta>());
}
