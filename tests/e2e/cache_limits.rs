//! What the cache is limited to, and what is asked of origins no more than they can bear.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use selat_tests::{Client, Daemon, Netctl, Origin, Reply};
use serde_json::json;

fn is_hit(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> bool {
    let response = client.request("GET", path, fields).unwrap();
    response.header("cache-status").contains(";hit")
}

#[test]
fn a_response_larger_than_what_is_stored_passes_through_whole() {
    let (large, origin) = ("x".repeat(2000), Origin::start());
    origin.on("/said", Reply::fresh(&large));
    origin.on("/unsaid", Reply::fresh(&large).chunked());
    origin.on("/small", Reply::fresh("x"));
    let config = "udp = []\n[cache]\nobject_max = \"1KiB\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut client = Client::connect(proxyd.address("http"));
    for path in ["/said", "/unsaid", "/said", "/unsaid"] {
        let response = client.get(path).unwrap();
        assert_eq!(response.text(), large, "{path}");
        assert!(!response.header("cache-status").contains(";hit"), "{path}");
    }
    client.get("/small").unwrap();
    assert!(is_hit(&mut client, "/small", &[]));
    let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    assert_eq!(stats["not_stored_by_reason"]["too_large"], 4, "{stats}");
    assert_eq!(stats["entries"], 1);
}

#[test]
fn a_url_has_no_more_variants_than_it_may() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        Reply::fresh(request.header("accept-language")).header("vary", "accept-language")
    });
    let config = "udp = []\n[cache]\nvariants_max = 3\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    for language in ["id", "en", "ms", "jv", "su"] {
        assert!(!is_hit(&mut client, "/", &[("accept-language", language)]), "{language}");
    }
    let shown = netctl.json(&["cache", "show", &proxyd.url("/")]);
    assert_eq!(shown["variants"].as_array().unwrap().len(), 3, "{shown}");
    assert!(is_hit(&mut client, "/", &[("accept-language", "su")]), "the newest stays");
    let stats = netctl.json(&["cache", "stats"]);
    assert_eq!((&stats["entries"], &stats["evictions"]), (&3.into(), &2.into()));
}

#[test]
fn the_oldest_are_listed_first_if_that_is_asked_for() {
    let origin = Origin::start();
    for (path, age) in [("/young", "1"), ("/old", "300"), ("/older", "900")] {
        origin.on(path, Reply::fresh(path).header("age", age));
    }
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for path in ["/young", "/old", "/older"] {
        client.get(path).unwrap();
    }
    let netctl = Netctl::new().proxyd(&proxyd);
    let listed = netctl.json(&["cache", "ls", "--sort", "age", "--limit", "2"]);
    let urls = [&listed["entries"][0]["url"], &listed["entries"][1]["url"]];
    assert_eq!(urls, [&json!(proxyd.url("/older")), &json!(proxyd.url("/old"))]);
}

#[test]
fn warming_asks_an_origin_for_no_more_at_once_than_it_was_told() {
    const URLS: usize = 12;
    let (origin, busy, most) =
        (Origin::start(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..URLS {
        let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
        origin.on_request(&format!("/{number}"), move |_| {
            most.fetch_max(busy.fetch_add(1, SeqCst) + 1, SeqCst);
            // No event is waited for: the origin is slow.
            thread::sleep(Duration::from_millis(20));
            busy.fetch_sub(1, SeqCst);
            Reply::fresh("page")
        });
    }
    let proxyd = Daemon::caching(origin.address()).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let urls: Vec<_> = (0..URLS).map(|number| proxyd.url(&format!("/{number}"))).collect();
    let urls = urls.iter().map(String::as_str);
    let warm: Vec<_> = ["cache", "warm", "--concurrency", "3"].into_iter().chain(urls).collect();
    assert_eq!(netctl.json(&warm)["stored"], URLS);
    assert!((1..=3).contains(&most.load(SeqCst)), "{} at once", most.load(SeqCst));
}
