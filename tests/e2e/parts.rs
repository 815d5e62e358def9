//! Partial content: stored, extended, completed (RFC 9110 §15.3.7.3).

use selat_tests::{Client, ClientError, Daemon, Gate, Netctl, Origin, Reply, Request, Response};

const CONTENT: &[u8] = b"0123456789";

/// Answers with the range that is asked for, as long as `If-Range` names what the origin has.
fn ranged(request: &Request, etag: &str) -> Reply {
    let reply =
        |status| Reply::status(status).header("cache-control", "max-age=3600").header("etag", etag);
    let condition = request.header("if-range");
    let range = request.header("range");
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return reply(200).piece(CONTENT);
    };
    if !condition.is_empty() && condition != etag {
        return reply(200).piece(CONTENT);
    }
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(CONTENT.len() - 1).min(CONTENT.len() - 1);
    reply(206)
        .header("content-range", &format!("bytes {first}-{last}/10"))
        .piece(&CONTENT[first..=last])
}

fn ranged_origin() -> Origin {
    let origin = Origin::start();
    origin.on_request("/", |request| ranged(request, "\"v1\""));
    origin
}

fn part(client: &mut Client, range: &str) -> Response {
    client.request("GET", "/", &[("range", range)]).unwrap()
}

fn asked(origin: &Origin) -> Vec<(String, String)> {
    let requests = origin.requests("/");
    requests.iter().map(|request| (request.header("range"), request.header("if-range"))).collect()
}

fn pair(range: &str, if_range: &str) -> (String, String) {
    (range.to_owned(), if_range.to_owned())
}

#[test]
fn a_part_is_completed_by_the_range_that_it_lacks() {
    for (stored, lacking) in [("bytes=0-3", "bytes=4-"), ("bytes=4-9", "bytes=0-3")] {
        let origin = ranged_origin();
        let proxyd = Daemon::caching(origin.address()).start();
        let mut client = Client::connect(proxyd.address("http"));
        assert_eq!(part(&mut client, stored).status(), 206);
        let whole = client.get("/").unwrap();
        assert_eq!((whole.status(), whole.body.as_slice()), (200, CONTENT), "{stored}");
        assert_eq!((whole.header("content-length"), whole.header("content-range")), pair("10", ""));
        assert_eq!(asked(&origin), [pair(stored, ""), pair(lacking, "\"v1\"")]);
        // From then on all of it is there.
        assert_eq!(client.get("/").unwrap().body, CONTENT);
        assert_eq!(part(&mut client, "bytes=2-6").text(), "23456");
        assert_eq!(origin.count("/"), 2);
    }
}

#[test]
fn what_is_stored_arrives_while_the_origin_still_holds_the_rest() {
    let gate = Gate::new();
    let origin = Origin::start();
    let held = gate.clone();
    origin.on_request("/", move |request| {
        if request.header("range") == "bytes=4-" {
            let reply = Reply::status(206).header("cache-control", "max-age=3600");
            reply
                .header("etag", "\"v1\"")
                .header("content-range", "bytes 4-9/10")
                .wait(&held)
                .piece("456789")
        } else {
            ranged(request, "\"v1\"")
        }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    part(&mut client, "bytes=0-3");
    client.send("GET", "/", &[]).unwrap();
    assert_eq!(client.receive_head().unwrap().header("content-length"), "10");
    assert_eq!(client.read_exactly(4).unwrap(), b"0123");
    gate.open();
    assert_eq!(client.read_exactly(6).unwrap(), b"456789");
}

#[test]
fn a_part_of_another_version_is_not_completed() {
    let origin = ranged_origin();
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    part(&mut client, "bytes=0-3");
    // An origin that heeds If-Range sends all of it; one that does not is asked again.
    for heeds in [true, false] {
        origin.on_request("/", move |request| match (heeds, request.header("range").as_str()) {
            (false, "bytes=4-") => {
                let reply = Reply::status(206).header("cache-control", "max-age=3600");
                reply
                    .header("etag", "\"v2\"")
                    .header("content-range", "bytes 4-9/10")
                    .piece("xxxxxx")
            }
            _ => Reply::fresh("abcdefghij").header("etag", "\"v2\""),
        });
        let whole = client.get("/").unwrap();
        assert_eq!((whole.status(), whole.text().as_str()), (200, "abcdefghij"), "{heeds}");
        let flushed = Netctl::new().proxyd(&proxyd).json(&["cache", "flush"]);
        assert_eq!(flushed["purged_count"].as_u64(), Some(1));
        origin.on_request("/", |request| ranged(request, "\"v1\""));
        part(&mut client, "bytes=0-3");
    }
}

#[test]
fn a_part_that_nothing_vouches_for_is_fetched_whole() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        let reply = |status| Reply::status(status).header("cache-control", "max-age=3600");
        match request.header("range").as_str() {
            "bytes=0-3" => reply(206).header("content-range", "bytes 0-3/10").piece("abcd"),
            "bytes=4-" => reply(206).header("content-range", "bytes 4-9/10").piece("456789"),
            _ => reply(200).piece(CONTENT),
        }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(part(&mut client, "bytes=0-3").text(), "abcd");
    let whole = client.get("/").unwrap();
    assert_eq!((whole.status(), whole.body.as_slice()), (200, CONTENT));
}

#[test]
fn parts_that_touch_are_stored_as_one() {
    let origin = ranged_origin();
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for range in ["bytes=2-3", "bytes=4-6", "bytes=1-2"] {
        let received = part(&mut client, range);
        assert_eq!(received.status(), 206);
        assert!(!received.header("cache-status").contains(";hit"), "{range}");
    }
    let joined = part(&mut client, "bytes=1-6");
    assert!(joined.header("cache-status").contains(";hit"), "{:?}", joined.head);
    assert_eq!(
        (joined.text().as_str(), joined.header("content-range").as_str()),
        ("123456", "bytes 1-6/10")
    );
    // With both ends it is whole.
    for range in ["bytes=0-0", "bytes=7-9"] {
        part(&mut client, range);
    }
    assert_eq!(client.get("/").unwrap().body, CONTENT);
    assert_eq!(origin.count("/"), 5);
}

#[test]
fn a_completion_that_is_cut_off_is_incomplete_and_leaves_the_part() {
    let origin = ranged_origin();
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    part(&mut client, "bytes=0-3");
    origin.on_request("/", |_| {
        let reply = Reply::status(206).header("cache-control", "max-age=3600");
        reply.header("etag", "\"v1\"").header("content-range", "bytes 4-9/10").piece("45").cut(4)
    });
    let outcome = client.get("/");
    assert!(matches!(outcome, Err(ClientError::Incomplete(6))), "{outcome:?}");
    let mut client = Client::connect(proxyd.address("http"));
    let stored = part(&mut client, "bytes=1-2");
    assert!(stored.header("cache-status").contains(";hit"), "{:?}", stored.head);
    origin.on_request("/", |request| ranged(request, "\"v1\""));
    assert_eq!(client.get("/").unwrap().body, CONTENT);
}

#[test]
fn parts_with_a_gap_between_them_are_kept_until_another_joins_them() {
    let origin = ranged_origin();
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for _ in 0..2 {
        assert_eq!(part(&mut client, "bytes=0-1").text(), "01");
        assert_eq!(part(&mut client, "bytes=8-9").text(), "89");
    }
    assert_eq!(origin.count("/"), 2);
    assert_eq!(part(&mut client, "bytes=2-7").text(), "234567");
    assert_eq!(part(&mut client, "bytes=5-9").text(), "56789");
    assert_eq!(part(&mut client, "bytes=0-1").text(), "01");
    assert_eq!(origin.count("/"), 3);
    assert_eq!(client.get("/").unwrap().body, CONTENT);
    assert_eq!(asked(&origin)[3], pair("bytes=0-1", "\"v1\""));
    let shown = Netctl::new().proxyd(&proxyd).json(&["cache", "show", &proxyd.url("/")]);
    assert_eq!(shown["variants"].as_array().unwrap().len(), 1, "{shown}");
}
