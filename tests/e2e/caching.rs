//! What the cache keeps, what it must not, and what it says of it.

use selat_tests::{Client, Daemon, Netctl, Origin, Reply, Response, System};

fn get(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> Response {
    client.request("GET", path, headers).unwrap()
}

fn is_hit(response: &Response) -> bool {
    response.header("cache-status").contains(";hit")
}

#[test]
fn a_second_request_is_a_hit_that_says_its_age() {
    let system = System::start();
    let mut client = Client::connect(system.proxyd.address("http"));
    let miss = get(&mut client, "/", &[]);
    let hit = get(&mut client, "/", &[]);
    assert_eq!((miss.text(), hit.text()), ("hello".to_owned(), "hello".to_owned()));
    let told = miss.header("cache-status");
    assert!(told.starts_with("proxyd") && told.contains("fwd=uri-miss"), "{told}");
    assert!(told.contains(";stored"), "{told}");
    assert!(is_hit(&hit), "{:?}", hit.head);
    assert!(hit.header("age").parse::<u32>().is_ok(), "{:?}", hit.head);
}

#[test]
fn an_age_from_further_away_is_added_to() {
    let reply = Reply::fresh("old").header("age", "1000");
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/", &[]);
    let age: u32 = get(&mut client, "/", &[]).header("age").parse().unwrap();
    assert!((1000..1100).contains(&age), "{age}");
}

#[test]
fn via_names_the_proxy_both_ways() {
    let origin = Origin::with("/", Reply::fresh("x"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let response = get(&mut client, "/", &[("via", "1.0 fred")]);
    assert!(response.header("via").starts_with("1.1 "), "{:?}", response.head);
    let forwarded = origin.requests("/")[0].header("via");
    assert!(forwarded.starts_with("1.0 fred, 1.1 "), "{forwarded}");
}

#[test]
fn hop_by_hop_fields_go_no_further() {
    let reply = Reply::fresh("x")
        .header("connection", "x-mine, keep-alive")
        .header("x-mine", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authenticate", "Basic")
        .header("x-yours", "2");
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let response = get(
        &mut client,
        "/",
        &[
            ("connection", "x-hop, te"),
            ("x-hop", "1"),
            ("te", "deflate"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("x-end", "2"),
        ],
    );
    let request = &origin.requests("/")[0];
    for name in ["x-hop", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(request.header(name), "", "{name} was forwarded");
    }
    assert_eq!(request.header("x-end"), "2");
    for name in ["x-mine", "keep-alive"] {
        assert_eq!(response.header(name), "", "{name} was sent back");
    }
    assert_eq!(response.header("x-yours"), "2");
    assert!(!is_hit(&response) && is_hit(&get(&mut client, "/", &[])));
}

#[test]
fn variants_are_told_apart_by_what_vary_names() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        Reply::fresh(request.header("accept-language")).header("vary", "accept-language")
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for language in ["id", "en", "id", "en"] {
        let response = get(&mut client, "/", &[("accept-language", language)]);
        assert_eq!(response.text(), language);
    }
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn what_says_no_store_is_never_stored() {
    let origin =
        Origin::with("/", Reply::status(200).header("cache-control", "no-store").piece("x"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for _ in 0..3 {
        assert!(!is_hit(&get(&mut client, "/", &[])));
    }
    assert_eq!(origin.count("/"), 3);
}

#[test]
fn a_stale_entry_is_revalidated_with_its_etag() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        let status = if request.header("if-none-match") == "\"v1\"" { 304 } else { 200 };
        let reply =
            Reply::status(status).header("cache-control", "max-age=0").header("etag", "\"v1\"");
        if status == 200 { reply.piece("body") } else { reply }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for _ in 0..3 {
        let response = get(&mut client, "/", &[]);
        assert_eq!((response.status(), response.text().as_str()), (200, "body"));
    }
    let conditions: Vec<_> =
        origin.requests("/").iter().map(|request| request.header("if-none-match")).collect();
    assert_eq!(conditions, ["", "\"v1\"", "\"v1\""]);
}

#[test]
fn a_post_makes_what_is_stored_invalid() {
    let origin = Origin::with("/", Reply::fresh("x"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/", &[]);
    assert!(is_hit(&get(&mut client, "/", &[])));
    client.request("POST", "/", &[("content-length", "0")]).unwrap();
    assert!(!is_hit(&get(&mut client, "/", &[])));
}

#[test]
fn a_head_is_answered_from_a_stored_get() {
    let origin = Origin::with("/", Reply::fresh("12345"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/", &[]);
    let head = client.request("HEAD", "/", &[]).unwrap();
    assert!(is_hit(&head), "{:?}", head.head);
    assert_eq!(head.header("content-length"), "5");
    assert_eq!(origin.count("/"), 1);
}

#[test]
fn conditions_and_ranges_are_answered_from_the_cache() {
    let origin = Origin::with("/", Reply::fresh("0123456789").header("etag", "\"v1\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/", &[]);
    assert_eq!(get(&mut client, "/", &[("if-none-match", "\"v1\"")]).status(), 304);
    let part = get(&mut client, "/", &[("range", "bytes=2-4")]);
    assert_eq!((part.status(), part.text().as_str()), (206, "234"));
    // An error is not to be taken for the page that it is about.
    let beyond = get(&mut client, "/", &[("range", "bytes=10-")]);
    assert_eq!((beyond.status(), beyond.header("content-range").as_str()), (416, "bytes */10"));
    for field in ["cache-control", "etag", "age"] {
        assert_eq!(beyond.header(field), "", "{field}");
    }
    assert_eq!(origin.count("/"), 1);
}

#[test]
fn a_head_that_differs_has_what_is_stored_validated() {
    let origin = Origin::with("/", Reply::fresh("old").header("etag", "\"v1\""));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/", &[]);
    origin.on("/", Reply::fresh("new").header("etag", "\"v2\""));
    client.request("HEAD", "/", &[("cache-control", "no-cache")]).unwrap();
    let explained = Netctl::new().proxyd(&proxyd).json(&["cache", "explain", &proxyd.url("/")]);
    assert_eq!(explained["reason"], "head_differed", "{explained}");
    assert_eq!(get(&mut client, "/", &[]).text(), "new");
    assert_eq!(origin.requests("/")[2].header("if-none-match"), "\"v1\"");
}

#[test]
fn an_origin_that_is_gone_is_a_502_with_a_reason() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxyd = Daemon::caching(nobody).start();
    let mut client = Client::connect(proxyd.address("http"));
    let response = get(&mut client, "/", &[]);
    assert_eq!(response.status(), 502);
    assert!(response.header("cache-status").starts_with("proxyd"), "{:?}", response.head);
}

#[test]
fn the_cache_stays_within_its_memory() {
    let origin = Origin::start();
    let body = vec![b'x'; 256 << 10];
    for number in 0..32 {
        origin.on(&format!("/{number}"), Reply::fresh(&body));
    }
    let proxyd = Daemon::caching(origin.address()).args(["--cache-memory", "4MiB"]).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    for number in 0..32 {
        assert_eq!(get(&mut client, &format!("/{number}"), &[]).body, body);
    }
    let stats = netctl.json(&["cache", "stats"]);
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!(number("memory_max_bytes"), 4 << 20);
    assert!(number("memory_bytes") <= number("memory_max_bytes"), "{stats}");
    assert!(number("evictions") >= 16 && number("entries") >= 4, "{stats}");
}

#[test]
fn a_post_that_says_what_a_get_would_get_answers_the_next_one() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        let reply = Reply::fresh(&request.method);
        if request.method == "POST" { reply.header("content-location", "/") } else { reply }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(get(&mut client, "/", &[]).text(), "GET");
    let posted = client.request("POST", "/", &[("content-length", "0")]).unwrap();
    assert_eq!(posted.text(), "POST");
    let next = get(&mut client, "/", &[]);
    assert!(is_hit(&next) && next.text() == "POST", "{next:?}");
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn a_field_that_is_not_to_be_cached_reaches_the_client_that_it_is_for() {
    let reply = Reply::status(200)
        .header("cache-control", "max-age=3600, no-cache=\"set-cookie\"")
        .header("set-cookie", "who=first")
        .header("x-other", "1")
        .piece("x");
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let first = get(&mut client, "/", &[]);
    assert_eq!(
        (first.header("set-cookie").as_str(), first.header("x-other").as_str()),
        ("who=first", "1")
    );
    let second = get(&mut client, "/", &[]);
    assert!(is_hit(&second), "{:?}", second.head);
    assert_eq!(
        (second.header("set-cookie").as_str(), second.header("x-other").as_str()),
        ("", "1")
    );
}

#[test]
fn parameters_that_do_not_tell_resources_apart_are_left_out() {
    let origin = Origin::start();
    origin.on_request("/?a=1&b=2", |request| Reply::fresh(&request.target));
    let config = "udp = []\n[cache]\nquery_drop = [\"utm_*\", \"fbclid\"]\nquery_sort = true\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut client = Client::connect(proxyd.address("http"));
    for (path, hit) in [
        ("/?b=2&utm_source=mail&a=1", false),
        ("/?a=1&b=2", true),
        ("/?fbclid=x&b=2&a=1&utm_id=7", true),
    ] {
        let response = get(&mut client, path, &[]);
        assert_eq!((response.text().as_str(), is_hit(&response)), ("/?a=1&b=2", hit), "{path}");
    }
    // An operator names it the same way.
    let netctl = Netctl::new().proxyd(&proxyd);
    let purged = netctl.json(&["cache", "purge", &proxyd.url("/?utm_source=ad&b=2&a=1")]);
    assert_eq!(purged["purged_count"].as_u64(), Some(1), "{purged}");
}

#[test]
fn who_authenticates_or_gets_a_cookie_shares_only_what_the_origin_shares() {
    let with_cookie = |reply: Reply| reply.header("set-cookie", "who=me");
    let state = |control: &str| Reply::status(200).header("cache-control", control).piece("x");
    let modified = Reply::status(200).header("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT");
    for (name, reply, authorization, shared) in [
        ("authenticated", state("max-age=60"), true, false),
        ("authenticated, public", state("max-age=60, public"), true, true),
        ("authenticated, for shared caches", state("s-maxage=60"), true, true),
        ("cookie by heuristic", with_cookie(modified.piece("x")), false, false),
        ("cookie, explicit", with_cookie(state("max-age=60, public")), false, true),
    ] {
        let origin = Origin::with("/", reply);
        let proxyd = Daemon::caching(origin.address()).start();
        let mut client = Client::connect(proxyd.address("http"));
        let fields = [("authorization", "Basic eDp5")];
        get(&mut client, "/", if authorization { &fields } else { &[] });
        assert_eq!(is_hit(&get(&mut client, "/", &[])), shared, "{name}");
    }
}

#[test]
fn what_a_client_says_of_hosts_and_addresses_is_replaced() {
    let origin = Origin::with("/", Reply::fresh("x"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let claims = [
        ("forwarded", "for=evil;host=evil"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "https"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
    ];
    get(&mut client, "/", &claims);
    let request = &origin.requests("/")[0];
    let host = proxyd.address("http").to_string();
    for (name, expected) in [
        ("forwarded", ""),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host.as_str()),
        ("x-forwarded-proto", "http"),
        ("x-original-url", ""),
        ("x-rewrite-url", ""),
    ] {
        assert_eq!(request.header(name), expected, "{name}");
    }
}

#[test]
fn a_cdn_obeys_the_field_that_is_meant_for_it() {
    let reply = |cdn: &str| {
        Reply::status(200)
            .header("cache-control", "no-store")
            .header("cdn-cache-control", cdn)
            .piece("x")
    };
    for (switched_on, cdn, hit) in [
        (true, "max-age=60", true),
        (true, "no-store", false),
        // RFC 9213 §2.2: a field that is no dictionary is as good as none.
        (true, "max-age=60, &", false),
        (false, "max-age=60", false),
    ] {
        let origin = Origin::with("/", reply(cdn));
        let config = format!("udp = []\n[cache]\ncdn_cache_control = {switched_on}\n");
        let proxyd = Daemon::caching(origin.address()).config(&config).start();
        let mut client = Client::connect(proxyd.address("http"));
        get(&mut client, "/", &[]);
        assert_eq!(is_hit(&get(&mut client, "/", &[])), hit, "{cdn}, {switched_on}");
    }
}

#[test]
fn a_status_that_must_be_understood_to_be_stored_is_not_if_it_is_not() {
    for (status, hit) in [(200, true), (599, false)] {
        let reply = Reply::status(status)
            .header("cache-control", "max-age=60, no-store, must-understand")
            .piece("x");
        let origin = Origin::with("/", reply);
        let proxyd = Daemon::caching(origin.address()).start();
        let mut client = Client::connect(proxyd.address("http"));
        get(&mut client, "/", &[]);
        assert_eq!(is_hit(&get(&mut client, "/", &[])), hit, "{status}");
    }
}
