//! What one client sends or gets must not reach another through the cache.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply, curl};

/// A reply that is stored, and stale as soon as it is.
fn stale(body: &str) -> Reply {
    Reply::status(200).header("cache-control", "max-age=5").header("age", "10").piece(body)
}

#[test]
fn a_cookie_set_by_a_validation_goes_to_the_client_that_asked() {
    let origin = Origin::with("/", stale("page").header("etag", "\"a\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    let confirmed = Reply::status(304).header("cache-control", "max-age=60");
    origin.on("/", confirmed.header("set-cookie", "session=alice"));
    let alice = client.get("/").unwrap();
    assert_eq!((alice.status(), alice.header("set-cookie").as_str()), (200, "session=alice"));
    let other = client.get("/").unwrap();
    assert!(other.header("cache-status").contains("hit"), "{other:?}");
    assert_eq!(other.header("set-cookie"), "");
}

#[test]
fn a_response_that_its_validation_makes_private_is_for_one_client() {
    let gate = Gate::new();
    let origin = Origin::with("/", stale("page").header("etag", "\"a\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(proxyd.address("http"))).collect();
    clients[0].get("/").unwrap();
    let waiting = gate.clone();
    origin.on_request("/", move |request| {
        let cookie = format!("session={}", request.header("x-who"));
        let private = Reply::status(304).header("cache-control", "private").hold(&waiting);
        private.header("set-cookie", &cookie)
    });
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("GET", "/", &[("x-who", &number.to_string())]).unwrap();
    }
    gate.open();
    for (number, client) in clients.iter_mut().enumerate() {
        let cookie = client.receive("GET").unwrap().header("set-cookie");
        assert!(cookie.is_empty() || cookie == format!("session={number}"), "{number}: {cookie}");
    }
}

#[test]
fn what_the_origin_does_not_hear_tells_no_responses_apart() {
    let origin = Origin::start();
    for (path, field) in
        [("/own", "origin"), ("/proto", "x-forwarded-proto"), ("/client", "x-forwarded-for")]
    {
        origin.on_request(path, move |request| {
            Reply::fresh(format!("for {:?}", request.header(field))).header("vary", field)
        });
    }
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let explain = |url: &str, fields: &[&str]| {
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let arguments: Vec<&str> = ["cache", "explain", url].into_iter().chain(fields).collect();
        Netctl::new().proxyd(&proxyd).json(&arguments)["decision"].clone()
    };
    // The origin answers without the field what the client sent with it.
    let hidden = [("origin", "https://app"), ("connection", "Origin")];
    assert_eq!(client.request("GET", "/own", &hidden).unwrap().text(), "for \"\"");
    let said = client.request("GET", "/own", &hidden[..1]).unwrap();
    assert_eq!(said.text(), "for \"https://app\"");
    let told = explain(&proxyd.url("/own"), &["Origin: https://other", "Connection: Origin"]);
    assert_eq!(told, "CACHE_DECISION_SERVE", "as the request that has no Origin");
    // The proxy states the scheme itself, whatever a client says.
    for scheme in ["https", "http", "x"] {
        let asked = client.request("GET", "/proto", &[("x-forwarded-proto", scheme)]).unwrap();
        assert_eq!(asked.text(), "for \"http\"");
    }
    assert_eq!(origin.count("/proto"), 1);
    // And the client, so that one's page is not another's.
    for times in 1..=2 {
        assert_eq!(client.get("/client").unwrap().text(), "for \"127.0.0.1\"");
        assert_eq!(origin.count("/client"), times);
    }
}

#[test]
fn fields_that_are_private_are_the_clients_whose_request_is_validated() {
    let origin = Origin::with("/", stale("page").header("etag", "\"a\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    let private = "max-age=60, private=\"x-mine, set-cookie\"";
    let confirmed = Reply::status(304).header("cache-control", private).header("x-mine", "alice");
    origin.on("/", confirmed.header("set-cookie", "session=alice"));
    let alice = client.get("/").unwrap();
    let own = [alice.header("x-mine"), alice.header("set-cookie")];
    assert_eq!((alice.status(), own), (200, ["alice", "session=alice"].map(str::to_owned)));
    let other = client.get("/").unwrap();
    assert!(other.header("cache-status").contains("hit"), "{other:?}");
    assert_eq!(other.header("x-mine"), "");
}

#[test]
fn what_one_client_is_told_takes_nothing_from_the_others() {
    let origin = Origin::start();
    origin.on_request("/", |request| match request.header("x-who").as_str() {
        "" => Reply::fresh("page").header("etag", "\"a\""),
        "member" => Reply::status(200).header("cache-control", "private").piece("mine"),
        "banned" => Reply::status(403).header("cache-control", "no-store"),
        _ => Reply::status(304),
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    let reload = ("cache-control", "no-cache");
    for fields in [
        vec![("x-who", "member"), ("cache-control", "max-age=0")],
        vec![("x-who", "banned"), reload],
        vec![("x-who", "other"), ("authorization", "x"), reload],
        vec![("x-who", "other"), ("cache-control", "no-cache, no-store")],
    ] {
        let _ = client.request("GET", "/", &fields).unwrap();
        let other = client.get("/").unwrap();
        assert!(other.header("cache-status").contains(";hit"), "{fields:?}: {other:?}");
        assert_eq!(other.text(), "page");
    }
    assert_eq!(origin.count("/"), 5);
}

#[test]
fn the_cookies_of_http_2_are_one_field_to_the_origin() {
    let origin = Origin::with("/", Reply::fresh("page"));
    let proxyd = Daemon::caching(origin.address()).start();
    let crumbs = ["-H", "Cookie: a=1", "-H", "Cookie: b=2"];
    let url = proxyd.url("/");
    let (code, _) = curl(&[&["--http2-prior-knowledge", &url], &crumbs[..]].concat());
    assert_eq!((code, origin.requests("/")[0].header("cookie").as_str()), (0, "a=1; b=2"));
}

#[test]
fn the_content_of_a_get_poisons_nothing() {
    let origin = Origin::with("/", Reply::fresh("made of the content"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.write("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nPOISON").unwrap();
    client.receive("GET").unwrap();
    assert_eq!(origin.requests("/")[0].content, b"POISON");
    client.request("GET", "/", &[("host", "x")]).unwrap();
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn what_was_purged_while_it_was_validated_is_asked_for_anew() {
    let gate = Gate::new();
    let origin = Origin::with("/", stale("old").header("etag", "\"a\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut first = Client::connect(proxyd.address("http"));
    first.get("/").unwrap();
    origin.on("/", Reply::status(304).header("cache-control", "max-age=60").hold(&gate));
    first.send("GET", "/", &[]).unwrap();
    origin.wait_for_requests("/", 2);
    let purged = Netctl::new().proxyd(&proxyd).json(&["cache", "purge", &proxyd.url("/")]);
    assert_eq!(purged["purged_count"].as_u64(), Some(1));
    origin.on("/", Reply::fresh("new"));
    let mut second = Client::connect(proxyd.address("http"));
    assert_eq!(second.get("/").unwrap().text(), "new");
    assert_eq!(origin.requests("/")[2].header("if-none-match"), "");
    gate.open();
    assert_eq!(first.receive("GET").unwrap().text(), "old");
    assert_eq!(second.get("/").unwrap().text(), "new");
}

#[test]
fn a_length_that_contradicts_the_transfer_is_not_passed_on() {
    let reply = Reply::fresh("0123456789").chunked().header("content-length", "5");
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(client.get("/").unwrap().text(), "0123456789");
    assert_eq!(client.get("/").unwrap().text(), "0123456789");
}

#[test]
fn preconditions_on_the_origins_state_reach_the_origin() {
    let origin = Origin::start();
    origin.on_request("/", |request| match request.header("if-match").as_str() {
        "" => Reply::fresh("v2"),
        _ => Reply::status(412),
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    assert_eq!(client.request("GET", "/", &[("if-match", "\"v1\"")]).unwrap().status(), 412);
}

#[test]
fn a_range_of_a_stale_response_does_not_take_the_rest_from_the_cache() {
    let swr = Reply::status(200).header("cache-control", "max-age=5, stale-while-revalidate=600");
    let origin = Origin::with("/", swr.header("age", "10").piece("whole"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    let part = client.request("GET", "/", &[("range", "bytes=0-0")]).unwrap();
    assert_eq!((part.status(), part.text().as_str()), (206, "w"));
    origin.wait_for_requests("/", 2);
    assert_eq!(origin.requests("/")[1].header("range"), "");
}

#[test]
fn two_proxies_in_a_row_are_no_loop_and_one_in_a_circle_is() {
    let origin = Origin::with("/", Reply::fresh("page"));
    let inner = Daemon::caching(origin.address()).start();
    let outer = Daemon::caching(inner.address("http")).start();
    let mut client = Client::connect(outer.address("http"));
    assert_eq!(client.get("/").unwrap().text(), "page");
    let via = origin.requests("/")[0].header("via");
    assert_eq!(via.matches("proxyd").count(), 2, "{via}");
    let mut again = Client::connect(inner.address("http"));
    assert_eq!(again.request("GET", "/new", &[("via", &via)]).unwrap().status(), 508);
}

#[test]
fn fields_that_an_origin_could_reflect_are_not_passed_on() {
    let origin = Origin::with("/", Reply::fresh("page"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let unkeyed = ["x-forwarded-host", "x-host", "x-original-url", "x-http-method-override"];
    let mut fields = vec![("host", "EXAMPLE.com:80")];
    fields.extend(unkeyed.map(|name| (name, "evil")));
    client.request("GET", "/", &fields).unwrap();
    let asked = &origin.requests("/")[0];
    for name in unkeyed {
        assert_ne!(asked.header(name), "evil", "{name}");
    }
    assert_eq!(asked.header("host"), "example.com");
}

#[test]
fn trace_and_questions_about_the_proxy_go_no_further() {
    let origin = Origin::with("/", Reply::fresh("page"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(client.request("TRACE", "/", &[]).unwrap().status(), 405);
    assert_eq!(client.request("OPTIONS", "*", &[]).unwrap().status(), 204);
    let last = client.request("OPTIONS", "/", &[("max-forwards", "0")]).unwrap();
    assert_eq!(last.status(), 204);
    assert_eq!(origin.count("/"), 0);
    client.request("OPTIONS", "/", &[("max-forwards", "3")]).unwrap();
    assert_eq!(origin.requests("/")[0].header("max-forwards"), "2");
}
