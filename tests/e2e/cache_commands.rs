//! What netctl shows of the cache, and how it steers it.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply, System};
use serde_json::{Value, json};

fn fetch(system: &System, path: &str) -> String {
    let mut client = Client::connect(system.proxyd.address("http"));
    client.get(path).unwrap().header("cache-status")
}

#[test]
fn statistics_count_what_happened() {
    let system = System::start();
    for path in ["/", "/", "/", "/missing"] {
        fetch(&system, path);
    }
    let stats = system.netctl.json(&["cache", "stats"]);
    for (name, expected) in [("hits", 2), ("stale_hits", 0), ("collapsed", 0), ("evictions", 0)] {
        assert_eq!(stats[name], Value::from(expected), "{name} in {stats}");
    }
    for name in [
        "misses",
        "revalidated",
        "passes",
        "stores",
        "purges",
        "entries",
        "memory_bytes",
        "memory_max_bytes",
        "disk_bytes",
    ] {
        assert!(stats[name].is_u64(), "{name} in {stats}");
    }
    assert!(stats["hit_ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{stats}");
    let table = system.netctl.text(&["cache", "stats"]);
    assert!(table.to_lowercase().contains("hit ratio"), "{table}");
}

#[test]
fn a_purge_is_seen_by_the_next_request() {
    let system = System::start();
    for _ in 0..20 {
        fetch(&system, "/");
        assert!(fetch(&system, "/").contains(";hit"));
        let purged = system.netctl.json(&["cache", "purge", &system.proxyd.url("/")]);
        assert_eq!(purged["purged_count"], Value::from(1));
        assert!(fetch(&system, "/").contains("fwd="), "a purged page was served");
    }
    let nothing = system.netctl.json(&["cache", "purge", &system.proxyd.url("/never")]);
    assert_eq!(nothing["purged_count"], Value::from(0));
}

#[test]
fn what_is_being_fetched_during_a_purge_is_not_kept() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("old,").wait(&gate).piece("end"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    let _ = Netctl::new().proxyd(&proxyd).text(&["cache", "purge", &proxyd.url("/")]);
    gate.open();
    assert_eq!(client.read_exactly(7).unwrap(), b"old,end");
    origin.on("/", Reply::fresh("new"));
    assert_eq!(client.get("/").unwrap().text(), "new");
}

#[test]
fn a_flush_removes_everything() {
    let system = System::start();
    fetch(&system, "/");
    let flushed = system.netctl.json(&["cache", "flush"]);
    assert!(flushed["purged_count"].as_u64().is_some_and(|count| count >= 1), "{flushed}");
    assert_eq!(system.netctl.json(&["cache", "stats"])["entries"], Value::from(0));
    assert!(fetch(&system, "/").contains("fwd="));
}

#[test]
fn a_listing_shows_what_is_stored() {
    let system = System::start();
    std::fs::write(system.site().join("large.txt"), vec![b'x'; 10_000]).unwrap();
    for path in ["/", "/", "/", "/large.txt"] {
        fetch(&system, path);
    }
    let urls = |arguments: &[&str]| -> Vec<String> {
        let listing = system.netctl.json(&[&["cache", "ls"], arguments].concat());
        let entries = listing["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
    };
    let (index, large) = (system.proxyd.url("/"), system.proxyd.url("/large.txt"));
    assert_eq!(urls(&["--sort", "hits"]), [index.clone(), large.clone()]);
    assert_eq!(urls(&["--sort", "size"]), [large.clone(), index]);
    assert_eq!(urls(&["--prefix", &large]), [large]);
    assert_eq!(urls(&["--limit", "1"]).len(), 1);
    assert!(system.netctl.text(&["cache", "ls"]).contains("/large.txt"));
}

#[test]
fn a_listing_a_variant_and_a_purge_count_the_same_bytes() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        Reply::fresh(request.header("accept-language")).header("vary", "accept-language")
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let (netctl, url) = (Netctl::new().proxyd(&proxyd), proxyd.url("/"));
    let mut client = Client::connect(proxyd.address("http"));
    for language in ["id", "en"] {
        client.request("GET", "/", &[("accept-language", language)]).unwrap();
        let shown = netctl.json(&["cache", "show", &url]);
        let variants = shown["variants"].as_array().unwrap();
        let sum: u64 = variants.iter().map(|one| one["memory_bytes"].as_u64().unwrap()).sum();
        let listed = netctl.json(&["cache", "ls"]);
        assert_eq!(listed["entries"][0]["memory_bytes"], sum, "{listed} {shown}");
        let purged = netctl.json(&["cache", "purge", &url, "--dry-run"]);
        assert_eq!(purged["purged_bytes"], sum, "{purged} {shown}");
        assert_eq!(netctl.json(&["cache", "stats"])["memory_bytes"], sum);
    }
}

#[test]
fn one_url_is_shown_with_its_variants() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        Reply::fresh(request.header("accept-language")).header("vary", "accept-language")
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    for language in ["id", "en"] {
        client.request("GET", "/", &[("accept-language", language)]).unwrap();
    }
    let shown = netctl.json(&["cache", "show", &proxyd.url("/")]);
    let variants = shown["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 3, "{shown}");
    let absent: Vec<_> = variants.iter().map(|variant| &variant["selecting_absent"]).collect();
    assert_eq!(absent, [&json!([]), &json!([]), &json!(["accept-language"])]);
    for (variant, language) in variants.iter().zip(["en", "id"]) {
        assert_eq!(variant["selecting"][0]["name"], "accept-language");
        assert_eq!(variant["selecting"][0]["value"], language);
        assert_eq!((&variant["status"], &variant["body_bytes"]), (&200.into(), &2.into()));
        assert_eq!(variant["origin"], format!("http://{}", origin.address()));
    }
    assert!(netctl.text(&["cache", "show", &proxyd.url("/")]).contains("accept-language"));
    let missing = netctl.run(&["cache", "show", &proxyd.url("/never")]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.stderr.contains("/never"), "{missing:?}");
}
