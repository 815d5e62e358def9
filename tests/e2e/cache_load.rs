//! The cache while the origin is slow, fails or goes away, and many ask at once.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Instant,
};

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, PATIENCE, Reply, Response};

/// Clients that ask at once.
const CLIENTS: usize = 20;

fn get(client: &mut Client, path: &str) -> Response {
    client.get(path).unwrap()
}

fn said(response: &Response) -> String {
    response.header("cache-status")
}

fn stats(proxyd: &Daemon, name: &str) -> u64 {
    Netctl::new().proxyd(proxyd).json(&["cache", "stats"])[name].as_u64().unwrap()
}

/// Asks until what was fetched in the background is served.
fn wait_for_new(client: &mut Client) {
    let deadline = Instant::now() + PATIENCE;
    while get(client, "/").text() == "old" {
        assert!(Instant::now() < deadline, "waited too long for a refresh");
    }
}

/// Answers the first request for `/` with `old` under this `Cache-Control`, all others with `later`.
fn origin_that_turns(first: &str, later: Reply) -> Origin {
    let origin = Origin::start();
    let first = Reply::status(200).header("cache-control", first).piece("old");
    let turned = AtomicBool::new(false);
    origin.on_request("/", move |_| {
        let turned = turned.swap(true, SeqCst);
        if turned { later.clone() } else { first.clone() }
    });
    origin
}

#[test]
fn a_stale_response_is_served_while_it_is_fetched_once_in_the_background() {
    let gate = Gate::new();
    let later = Reply::fresh("new").hold(&gate);
    let origin = origin_that_turns("max-age=0, stale-while-revalidate=600", later);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/");
    // The origin holds the new response back: nobody waits for it.
    for _ in 0..5 {
        let stale = get(&mut client, "/");
        assert_eq!(stale.text(), "old");
        assert!(said(&stale).contains("stale_while_revalidate"), "{}", said(&stale));
    }
    origin.wait_for_requests("/", 2);
    gate.open();
    wait_for_new(&mut client);
    assert_eq!(origin.count("/"), 2);
    assert!(stats(&proxyd, "stale_hits") >= 5);
}

#[test]
fn what_the_origin_has_taken_back_is_not_served_again() {
    let swr = "max-age=0, stale-while-revalidate=600, stale-if-error=600";
    for (status, cache_control) in [(404, ""), (410, ""), (200, "no-store"), (302, "private")] {
        let gone = Reply::status(status).header("cache-control", cache_control).piece("gone");
        let origin = origin_that_turns(swr, gone);
        let proxyd = Daemon::caching(origin.address()).start();
        let mut client = Client::connect(proxyd.address("http"));
        // The second is served what is stored, and the refresh finds that it is no more.
        assert_eq!([get(&mut client, "/"), get(&mut client, "/")].map(|it| it.text()), ["old"; 2]);
        wait_for_new(&mut client);
        origin.on("/", Reply::status(503));
        assert_eq!(get(&mut client, "/").status(), 503, "{status}");
    }
}

#[test]
fn a_failure_of_the_origin_takes_nothing_back() {
    let swr = "max-age=0, stale-while-revalidate=600, stale-if-error=600";
    for status in [403, 429, 500, 503] {
        let origin = origin_that_turns(swr, Reply::status(status));
        let proxyd = Daemon::caching(origin.address()).start();
        let mut client = Client::connect(proxyd.address("http"));
        get(&mut client, "/");
        let deadline = Instant::now() + PATIENCE;
        while origin.count("/") < 4 {
            assert_eq!(get(&mut client, "/").text(), "old", "{status}");
            assert!(Instant::now() < deadline, "waited too long for more refreshes");
        }
    }
}

#[test]
fn a_refresh_does_not_pass_on_what_the_client_wants_of_caches() {
    let origin = origin_that_turns("max-age=0, stale-while-revalidate=600", Reply::fresh("new"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/");
    let wish = [("cache-control", "only-if-cached"), ("pragma", "no-cache")];
    assert_eq!(client.request("GET", "/", &wish).unwrap().text(), "old");
    origin.wait_for_requests("/", 2);
    let refresh = &origin.requests("/")[1];
    assert_eq!([refresh.header("cache-control"), refresh.header("pragma")], ["", ""]);
}

#[test]
fn a_part_that_is_asked_for_refreshes_all_of_a_stale_response() {
    let origin = origin_that_turns("max-age=0, stale-while-revalidate=600", Reply::fresh("newer"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/");
    let part = client.request("GET", "/", &[("range", "bytes=0-1")]).unwrap();
    assert_eq!((part.status(), part.text().as_str()), (206, "ol"));
    origin.wait_for_requests("/", 2);
    assert_eq!(origin.requests("/")[1].header("range"), "");
    wait_for_new(&mut client);
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn the_operator_grants_a_grace_where_the_origin_says_nothing() {
    let gate = Gate::new();
    let (head, config) = ("max-age=0", "udp = []\n[cache]\ngrace = \"1h\"\n");
    for (path, more, expected) in [("/", "", "old"), ("/strict", ", must-revalidate", "new")] {
        let origin = Origin::start();
        let first = Reply::status(200)
            .header("cache-control", &format!("{head}{more}"))
            .header("etag", "\"1\"")
            .piece("old");
        let later = Reply::fresh("new");
        let later = if expected == "old" { later.hold(&gate) } else { later };
        origin.on_request(path, move |request| {
            if request.header("if-none-match").is_empty() { first.clone() } else { later.clone() }
        });
        let proxyd = Daemon::caching(origin.address()).config(config).start();
        let mut client = Client::connect(proxyd.address("http"));
        get(&mut client, path);
        let again = get(&mut client, path);
        assert_eq!(again.text(), expected, "{path}");
        assert_eq!(said(&again).contains("stale_grace"), expected == "old", "{}", said(&again));
    }
    gate.open();
}

#[test]
fn a_stale_response_is_served_when_the_origin_fails() {
    let never = Gate::new();
    for (failure, later) in [
        ("error", Reply::status(503).piece("down")),
        ("hang-up", Reply::hang_up()),
        ("silence", Reply::fresh("late").hold(&never)),
    ] {
        let origin = origin_that_turns("max-age=0, stale-if-error=600", later);
        let proxyd = Daemon::caching(origin.address())
            .config("udp = []\n[timeouts]\norigin = \"300ms\"\n")
            .start();
        let mut client = Client::connect(proxyd.address("http"));
        get(&mut client, "/");
        let stale = get(&mut client, "/");
        assert_eq!((stale.status(), stale.text().as_str()), (200, "old"), "{failure}");
        assert!(said(&stale).contains("stale_if_error"), "{failure}: {}", said(&stale));
    }
    never.open();
}

#[test]
fn what_must_be_confirmed_is_not_served_when_the_origin_fails() {
    let origin =
        origin_that_turns("max-age=0, must-revalidate, stale-if-error=600", Reply::hang_up());
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/");
    assert_eq!(get(&mut client, "/").status(), 502);
}

#[test]
fn a_leader_that_hangs_up_before_the_origin_answers_hands_over() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("page").hold(&gate));
    let proxyd = Daemon::caching(origin.address()).start();
    let address = proxyd.address("http");
    let mut leader = Client::connect(address);
    leader.send("GET", "/", &[]).unwrap();
    origin.wait_for_requests("/", 1);
    let mut followers: Vec<_> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    for follower in &mut followers {
        follower.send("GET", "/", &[]).unwrap();
    }
    drop(leader);
    // One of those who wait asks in its place.
    origin.wait_for_requests("/", 2);
    gate.open();
    for follower in &mut followers {
        assert_eq!(follower.receive("GET").unwrap().text(), "page");
    }
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn a_private_response_releases_those_who_wait_before_it_has_ended() {
    let (head, end) = (Gate::new(), Gate::new());
    let (held, ended) = (head.clone(), end.clone());
    let origin = Origin::start();
    origin.on_request("/", move |request| {
        let reply = Reply::status(200).header("cache-control", "private").hold(&held);
        let reply = reply.piece(request.header("x-who"));
        // Only the first is held back to its end.
        if request.header("x-who") == "0" { reply.wait(&ended).piece("!") } else { reply }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(proxyd.address("http"))).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("GET", "/", &[("x-who", &number.to_string())]).unwrap();
        if number == 0 {
            origin.wait_for_requests("/", 1);
        }
    }
    head.open();
    for (number, client) in clients.iter_mut().enumerate().skip(1) {
        assert_eq!(client.receive("GET").unwrap().text(), number.to_string());
    }
    end.open();
    assert_eq!(clients[0].receive("GET").unwrap().text(), "0!");
}

#[test]
fn many_who_find_the_same_stale_response_share_one_validation() {
    let gate = Gate::new();
    let origin = Origin::start();
    let held = gate.clone();
    origin.on_request("/", move |request| {
        let reply = |status| Reply::status(status).header("etag", "\"1\"");
        if request.header("if-none-match").is_empty() {
            reply(200).header("cache-control", "max-age=0").piece("page")
        } else {
            reply(304).header("cache-control", "max-age=600").hold(&held)
        }
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| Client::connect(proxyd.address("http"))).collect();
    get(&mut clients[0], "/");
    for client in &mut clients {
        client.send("GET", "/", &[]).unwrap();
    }
    origin.wait_for_requests("/", 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").unwrap().text(), "page");
    }
    assert_eq!(origin.count("/"), 2);
}

#[test]
fn a_hot_response_is_fetched_before_it_is_stale_if_that_is_asked_for() {
    let origin = Origin::with("/", Reply::fresh("page"));
    // Far more eager than anyone would be, for a response that lasts a second.
    let config = "udp = []\n[cache]\nearly_refresh = 100\nlifetime_max = \"1s\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut client = Client::connect(proxyd.address("http"));
    get(&mut client, "/");
    while origin.count("/") < 2 {
        let response = get(&mut client, "/");
        assert!(said(&response).contains(";hit"), "it was let go stale: {}", said(&response));
    }
}
