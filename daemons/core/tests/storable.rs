//! May this response be stored?

mod story;

use http::HeaderMap;
use selat_core::cache::options::SetCookie;
use selat_core::cache::reason::StoreRefusal;
use story::{Story, fields};

#[test]
fn directives_of_the_response_forbid_it() {
    let rows = [
        ("Cache-Control: no-store", StoreRefusal::NoStore),
        ("Cache-Control: No-StOrE", StoreRefusal::NoStore),
        ("Cache-Control: no-store=x, max-age=60", StoreRefusal::NoStore),
        ("Cache-Control: max-age=10000, no-store\nExpires: {10000}", StoreRefusal::NoStore),
        ("Cache-Control: max-age=60\nCache-Control: no-store", StoreRefusal::NoStore),
        ("Cache-Control: foo=\"bar, no-store", StoreRefusal::NoStore),
        ("Cache-Control: private, max-age=3600", StoreRefusal::Private),
        ("Cache-Control: private=\"\", max-age=3600", StoreRefusal::Private),
        ("Cache-Control: private=\"a b\", max-age=3600", StoreRefusal::Private),
        ("Cache-Control: private=a, max-age=3600", StoreRefusal::Private),
        ("Cache-Control: max-age=3600\nVary: *", StoreRefusal::VaryAny),
        ("Cache-Control: no-cache", StoreRefusal::Unusable),
        ("Cache-Control: max-age=0", StoreRefusal::Unusable),
        ("", StoreRefusal::Unusable),
    ];
    for (response, refusal) in rows {
        assert_eq!(Story::ok(response).refusal(), refusal, "{response}");
    }
}

#[test]
fn a_stale_response_is_stored_if_it_can_be_validated_or_served_stale() {
    for response in [
        "Cache-Control: no-cache\nETag: \"a\"",
        "Cache-Control: max-age=0\nLast-Modified: {-10}",
        "ETag: W/\"a\"",
        "Cache-Control: max-age=0, stale-while-revalidate=60",
        "Cache-Control: max-age=0, stale-if-error=60",
    ] {
        Story::ok(response).stored();
    }
}

#[test]
fn only_get_is_stored_and_post_in_its_place() {
    let response = "Cache-Control: max-age=60";
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "M-SEARCH", "get"] {
        let story = Story::ok(response).to(method, "http://example.com/");
        assert_eq!(story.refusal(), StoreRefusal::Method, "{method}");
    }
    let head = Story::ok(response).to("HEAD", "http://example.com/");
    assert_eq!(head.refusal(), StoreRefusal::Head);
}

#[test]
fn a_post_is_stored_only_with_freshness_and_its_own_uri_as_content_location() {
    let uri = "http://example.com/a/b?c";
    for (response, stored) in [
        ("Expires: {60}\nContent-Location: /a/b?c", true),
        ("Expires: {60}\nContent-Location: b?c", true),
        ("Expires: {60}\nContent-Location: ", true),
        ("Expires: {60}\nContent-Location: http://EXAMPLE.com:80/a/%62?c", true),
        ("Expires: {60}\nContent-Location: //example.com/a/b?c", true),
        ("Expires: {60}\nContent-Location: https://example.com/a/b?c", false),
        ("Expires: {60}\nContent-Location: /a/b", false),
        ("Expires: {60}\nContent-Location: /a/c?c", false),
        ("Expires: {60}", false),
        ("ETag: \"a\"\nContent-Location: /a/b?c", false),
    ] {
        let story = Story::ok(response).to("POST", uri);
        if stored {
            story.stored();
        } else {
            assert_eq!(story.refusal(), StoreRefusal::Method, "{response}");
        }
    }
    let created = "Cache-Control: max-age=60\nContent-Location: /a/b?c";
    assert_eq!(Story::answered(201, created).to("POST", uri).refusal(), StoreRefusal::Method);
}

#[test]
fn a_response_to_a_get_with_content_is_not_stored() {
    for request in ["Content-Length: 6", "Transfer-Encoding: chunked"] {
        let story = Story::ok("Cache-Control: max-age=60").asked(request);
        assert_eq!(story.refusal(), StoreRefusal::RequestContent, "{request}");
    }
    Story::ok("Cache-Control: max-age=60").asked("Content-Length: 0").stored();
}

#[test]
fn a_status_must_be_final_and_known_where_that_is_asked() {
    let understood = "Cache-Control: max-age=60, must-understand";
    assert_eq!(Story::answered(599, understood).refusal(), StoreRefusal::NotUnderstood);
    Story::answered(200, understood).stored();
    Story::answered(200, "Cache-Control: no-store, max-age=60, must-understand").stored();
    let fresh = "Cache-Control: max-age=60\nETag: \"a\"";
    assert_eq!(Story::answered(304, fresh).refusal(), StoreRefusal::NotModified);
    assert_eq!(Story::answered(103, fresh).refusal(), StoreRefusal::NotFinal);
    assert_eq!(Story::answered(201, "ETag: \"a\"").refusal(), StoreRefusal::NotCacheable);
}

#[test]
fn an_answer_to_one_request_alone_is_not_shared_even_if_it_says_so() {
    let fresh = "Cache-Control: public, max-age=60";
    for status in [428, 429, 431, 511] {
        assert_eq!(Story::answered(status, fresh).refusal(), StoreRefusal::StatusForbids);
    }
    for status in [412, 416, 417, 425] {
        let story = Story::answered(status, fresh).asked("Range: bytes=99-\nIf-Match: \"a\"");
        assert_eq!(story.refusal(), StoreRefusal::RequestSpecific, "{status}");
    }
}

#[test]
fn an_authenticated_exchange_is_shared_only_by_permission() {
    for (directives, stored) in [
        ("Expires: {60}", false),
        ("Cache-Control: max-age=60", false),
        ("Cache-Control: max-age=60, proxy-revalidate", false),
        ("Cache-Control: max-age=60, public", true),
        ("Cache-Control: max-age=60, must-revalidate", true),
        ("Cache-Control: s-maxage=60", true),
    ] {
        let story = Story::ok(directives).asked("Authorization: Basic Zm9v");
        if stored {
            story.stored();
        } else {
            assert_eq!(story.refusal(), StoreRefusal::Authorization, "{directives}");
        }
    }
}

#[test]
fn a_client_can_ask_that_nothing_be_stored() {
    let story = Story::ok("Cache-Control: max-age=60").asked("Cache-Control: no-store");
    assert_eq!(story.refusal(), StoreRefusal::RequestNoStore);
}

#[test]
fn a_cookie_is_shared_only_if_the_origin_says_that_the_response_may_be() {
    let explicit = "Cache-Control: max-age=60\nSet-Cookie: a=b";
    let implicit = "Last-Modified: {-1000}\nSet-Cookie: a=b";
    Story::ok(explicit).stored();
    assert_eq!(Story::ok(implicit).refusal(), StoreRefusal::SetCookie);
    let refusing = |response| Story::ok(response).with(|o| o.set_cookie = SetCookie::Refuse);
    assert_eq!(refusing(explicit).refusal(), StoreRefusal::SetCookie);
    Story::ok(implicit).with(|options| options.set_cookie = SetCookie::Store).stored();
}

#[test]
fn a_part_is_stored_if_its_place_is_known() {
    let fresh = "Cache-Control: max-age=60\n";
    for (range, stored) in [
        ("Content-Range: bytes 0-4/10", true),
        ("Content-Range: bytes 0-4/*", true),
        ("Content-Range: bytes 4-0/10", false),
        ("Content-Range: bytes 4-10/10", false),
        ("Content-Range: bytes */10", false),
        ("Content-Range: lines 0-4/10", false),
        ("Content-Range: bytes 0-4/10\nContent-Range: bytes 5-9/10", false),
        ("Content-Type: multipart/byteranges; boundary=x", false),
    ] {
        let story = Story::answered(206, &format!("{fresh}{range}"));
        if stored {
            story.stored();
        } else {
            assert_eq!(story.refusal(), StoreRefusal::Range, "{range}");
        }
    }
}

#[test]
fn fields_of_the_connection_and_withheld_fields_are_not_stored() {
    let story = Story::ok(
        "Connection: a, b, Cache-Control\n\
         a: 1\nb: 2\nc: 3\nd: 4\n\
         Keep-Alive: timeout=5\nProxy-Connection: x\nTE: x\nUpgrade: x\nTransfer-Encoding: x\n\
         Trailer: x\nProxy-Authenticate: x\nProxy-Authentication-Info: x\n\
         Proxy-Authorization: x\nAge: 5\nDate: {0}\n\
         Cache-Control: max-age=60, no-cache=\"d\"\n\
         Set-Cookie: a=b\nContent-Range: x",
    );
    let kept = fields(
        "c: 3\nDate: {0}\nCache-Control: max-age=60, no-cache=\"d\"\nSet-Cookie: a=b\n\
         Content-Range: x",
    );
    assert_eq!(story.stored_fields(), kept);
    assert!(story.reused_at(3.0));
}

#[test]
fn a_response_without_a_date_is_given_one() {
    let story = Story::ok("Cache-Control: max-age=60");
    assert_eq!(story.stored_fields().get("date"), fields("Date: {0}").get("date"));
    assert_ne!(story.stored_fields(), HeaderMap::new());
}
