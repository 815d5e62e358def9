//! What must not travel further, and has this message been here before?

mod story;

use http::Version;
use selat_core::http::hop_by_hop::{strip_listed, strip_request, strip_response};
use selat_core::http::via::{self, HOPS_MAX};
use story::fields;

#[test]
fn fields_of_the_connection_stay_behind() {
    let mut request = fields(
        "Connection: close, X-One\nConnection: x-two\nX-One: 1\nX-Two: 2\nX-Three: 3\n\
         Keep-Alive: 1\nProxy-Connection: x\nTransfer-Encoding: chunked\nUpgrade: h2c\n\
         HTTP2-Settings: x\nTE: gzip\nTrailer: x\nProxy-Authorization: x\nHost: a",
    );
    strip_request(&mut request);
    assert_eq!(request, fields("X-Three: 3\nHost: a"));
}

#[test]
fn what_only_connection_makes_a_field_of_this_hop_goes_first() {
    let mut request =
        fields("Connection: Keep-Alive, X-One, upgrade, host\nX-One: 1\nUpgrade: x\nHost: a");
    strip_listed(&mut request);
    let left = "Connection: Keep-Alive, X-One, upgrade, host\nUpgrade: x\nHost: a";
    assert_eq!(request, fields(left));
    strip_listed(&mut request);
    assert_eq!(request, fields(left));
}

#[test]
fn trailers_stay_welcome() {
    let mut request = fields("Connection: te\nTE: trailers, gzip;q=0.5");
    strip_request(&mut request);
    assert_eq!(request, fields("TE: trailers"));
    let mut response = fields("TE: trailers");
    strip_response(&mut response);
    assert_eq!(response, fields(""));
}

#[test]
fn a_peer_cannot_strip_what_makes_the_message() {
    let kept = "Host: a\nContent-Length: 5\nAuthorization: x\nCookie: a=b\nCache-Control: private";
    let mut request = fields(kept);
    for name in ["Host, Content-Length, Authorization", "Cookie, cache-control, \"x\", é"] {
        let more = fields(&format!("Connection: {name}"));
        request.extend(more);
    }
    strip_request(&mut request);
    assert_eq!(request, fields(kept));
}

#[test]
fn via_tells_the_hops_and_a_loop() {
    let mut headers = fields("Via: 1.0 fred, 1.1 p.example.net (Apache)");
    assert!(!via::loops(&headers, "selat"));
    via::append(&mut headers, Version::HTTP_11, "selat");
    assert_eq!(headers.get_all("via").iter().next_back().expect("a hop"), "1.1 selat");
    assert!(via::loops(&headers, "Selat"));
    assert!(via::loops(&headers, "p.example.net"));
    assert!(!via::loops(&headers, "1.1"));
    via::append(&mut headers, Version::HTTP_2, "line\nbreak");
    assert_eq!(headers.get_all("via").iter().count(), 2);
}

#[test]
fn too_many_hops_are_a_loop() {
    let hops = |count| fields(&"Via: 1.1 other\n".repeat(count));
    assert!(!via::loops(&hops(HOPS_MAX - 1), "selat"));
    assert!(via::loops(&hops(HOPS_MAX), "selat"));
}

#[test]
fn a_hop_of_the_same_name_elsewhere_is_no_loop() {
    let headers = fields("Via: 1.1 selat (b7)");
    assert!(via::loops(&headers, "selat (b7)"));
    assert!(!via::loops(&headers, "selat (a1)"));
    assert!(!via::loops(&headers, "sel"));
}
