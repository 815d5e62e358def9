//! Pages that turned out not to be storable: nobody waits for another's fetch of them.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply};

/// Clients that ask at once.
const CLIENTS: usize = 20;

/// A page for one client, tagged.
fn private(body: &str) -> Reply {
    let reply = Reply::status(200).header("cache-control", "private").piece(body);
    reply.header("surrogate-key", "mine")
}

/// What is remembered of the last response to a request with these fields.
fn remembered(proxyd: &Daemon, path: &str, fields: &[&str]) -> String {
    let url = proxyd.url(path);
    let fields = fields.iter().flat_map(|field| ["-H", field]);
    let arguments: Vec<&str> = ["cache", "explain", &url].into_iter().chain(fields).collect();
    let explained = Netctl::new().proxyd(proxyd).json(&arguments);
    let reason = explained["reason"].as_str().unwrap().to_owned();
    let refusal = explained["last_refusal"].as_str().unwrap().to_owned();
    assert_eq!(reason == "hit_for_miss", !refusal.is_empty(), "{explained}");
    refusal
}

fn get(proxyd: &Daemon, path: &str, fields: &[(&str, &str)]) {
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", path, fields).unwrap();
    assert_eq!(client.receive("GET").unwrap().status(), 200);
}

#[test]
fn all_who_ask_for_what_could_not_be_stored_are_at_the_origin_at_once() {
    let origin = Origin::with("/", private("first"));
    let proxyd = Daemon::caching(origin.address()).start();
    get(&proxyd, "/", &[]);
    let gate = Gate::new();
    let waiting = gate.clone();
    origin.on_request("/", move |request| private(&request.header("x-who")).hold(&waiting));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| Client::connect(proxyd.address("http"))).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("GET", "/", &[("x-who", &number.to_string())]).unwrap();
    }
    // The origin has answered none of them when the last has arrived.
    gate.wait_for_arrivals(CLIENTS);
    gate.open();
    for (number, client) in clients.iter_mut().enumerate() {
        let response = client.receive("GET").unwrap();
        assert_eq!(response.text(), number.to_string());
        let said = "proxyd;fwd=uri-miss;detail=\"private, hit_for_miss\"";
        assert_eq!(response.header("cache-status"), said);
    }
    let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    let misses = |reason: &str| stats["misses_by_reason"][reason].as_u64().unwrap();
    assert_eq!((misses("absent"), misses("hit_for_miss")), (1, CLIENTS as u64));
}

#[test]
fn a_response_that_is_stored_ends_it() {
    let origin = Origin::with("/", private("mine"));
    let proxyd = Daemon::caching(origin.address()).start();
    get(&proxyd, "/", &[]);
    assert_eq!(remembered(&proxyd, "/", &[]), "private");
    let everyone = |language: &str| Reply::fresh(language).header("vary", "x-lang");
    origin.on("/", everyone("en"));
    get(&proxyd, "/", &[("x-lang", "en")]);
    let gate = Gate::new();
    origin.on("/", everyone("de").wait(&gate));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| Client::connect(proxyd.address("http"))).collect();
    for client in &mut clients {
        client.send("GET", "/", &[("x-lang", "de")]).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.receive_head().unwrap().status, 200);
    }
    gate.open();
    assert_eq!(origin.count("/"), 3, "they share one fetch again");
}

#[test]
fn every_kind_of_purge_that_means_the_page_ends_it() {
    let origin = Origin::with("/a/page", private("mine"));
    let config = "udp = []\n[cache]\npurge_allow = \"127.0.0.1\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let (url, other) = (proxyd.url("/a/page"), proxyd.url("/b"));
    let purges: [&[&str]; 8] = [
        &["purge", &url],
        &["purge", "--prefix", &proxyd.url("/a")],
        &["purge", "--tag", "mine"],
        &["purge", "--tag", "mine", "--soft"],
        &["purge", "--regex", ".*/page"],
        &["purge", "--route", "default"],
        &["flush"],
        &["purge", &url, "--soft"],
    ];
    let netctl = Netctl::new().proxyd(&proxyd);
    for purge in purges {
        get(&proxyd, "/a/page", &[]);
        for stays in
            [&["purge", &other][..], &["purge", "--tag", "other"], &["purge", &url, "--dry-run"]]
        {
            let _ = netctl.json(&[&["cache"], stays].concat());
            assert_eq!(remembered(&proxyd, "/a/page", &[]), "private", "{stays:?}");
        }
        let _ = netctl.json(&[&["cache"], purge].concat());
        assert_eq!(remembered(&proxyd, "/a/page", &[]), "", "{purge:?}");
    }
    get(&proxyd, "/a/page", &[]);
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(client.request("PURGE", "/a/page", &[]).unwrap().status(), 200);
    assert_eq!(remembered(&proxyd, "/a/page", &[]), "");
}

#[test]
fn a_response_that_was_asked_for_before_a_purge_is_not_remembered_after_it() {
    let gate = Gate::new();
    let origin = Origin::with("/", private("mine").hold(&gate));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    gate.wait_for_arrivals(1);
    let _ = Netctl::new().proxyd(&proxyd).json(&["cache", "flush"]);
    gate.open();
    assert_eq!(client.receive("GET").unwrap().text(), "mine");
    assert_eq!(remembered(&proxyd, "/", &[]), "");
}

#[test]
fn what_a_key_tells_apart_is_remembered_apart() {
    let origin = Origin::with("/", private("mine"));
    let config = "udp = []\n[cache]\nkey_cookies = [\"lang\"]\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    get(&proxyd, "/", &[("cookie", "lang=en")]);
    assert_eq!(remembered(&proxyd, "/", &["Cookie: lang=en"]), "private");
    assert_eq!(remembered(&proxyd, "/", &["Cookie: lang=de"]), "");
}

#[test]
fn a_route_may_have_it_off() {
    let origin = Origin::start();
    origin.on("/on", private("mine"));
    origin.on("/off", private("mine"));
    let config =
        "udp = []\n[route.off]\npath = \"/off\"\n[route.off.cache]\nhit_for_miss = \"0s\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    for (path, refusal) in [("/on", "private"), ("/off", "")] {
        get(&proxyd, path, &[]);
        assert_eq!(remembered(&proxyd, path, &[]), refusal, "{path}");
    }
}

#[test]
fn a_response_larger_than_any_that_is_stored_is_remembered() {
    let origin = Origin::with("/", Reply::fresh([b'x'; 2048]));
    let config = "udp = []\n[cache]\nobject_max = \"1KiB\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    get(&proxyd, "/", &[]);
    assert_eq!(remembered(&proxyd, "/", &[]), "too_large");
    // Also where that shows only as it arrives.
    origin.on("/chunked", Reply::fresh([b'x'; 2048]).chunked());
    get(&proxyd, "/chunked", &[]);
    let netctl = Netctl::new().proxyd(&proxyd);
    let refusals =
        || netctl.json(&["cache", "stats"])["not_stored_by_reason"]["too_large"].as_u64();
    let deadline = std::time::Instant::now() + selat_tests::PATIENCE;
    while refusals() != Some(2) {
        assert!(std::time::Instant::now() < deadline, "waited too long for the end of a fill");
    }
    assert_eq!(remembered(&proxyd, "/chunked", &[]), "too_large");
}
