//! Purging by tag, prefix and pattern; PURGE; explaining; warming; watching.

use std::fs;

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply};
use serde_json::{Value, json};

/// An origin with three tagged articles and a list of them, behind a proxyd.
struct News {
    origin: Origin,
    proxyd: Daemon,
    netctl: Netctl,
    client: Client,
}

const PATHS: [&str; 4] = ["/articles/1", "/articles/2", "/list", "/logo.png"];

impl News {
    fn start() -> Self {
        Self::with("")
    }

    fn with(config: &str) -> Self {
        let origin = Origin::start();
        for (path, field, tags) in [
            ("/articles/1", "surrogate-key", "article article-1"),
            ("/articles/2", "xkey", "article article-2"),
            ("/list", "cache-tag", "article, list"),
            ("/logo.png", "x-other", "article"),
        ] {
            let reply = Reply::fresh(path).header(field, tags).header("etag", "\"1\"");
            origin.on(path, reply);
        }
        let proxyd = Daemon::caching(origin.address());
        let proxyd = proxyd.config(&format!("udp = []\n{config}")).start();
        let netctl = Netctl::new().proxyd(&proxyd);
        let mut client = Client::connect(proxyd.address("http"));
        for path in PATHS {
            client.get(path).unwrap();
        }
        Self { origin, proxyd, netctl, client }
    }

    /// Purges, and says how many variants that was.
    fn purge(&self, arguments: &[&str]) -> Value {
        self.netctl.json(&[&["cache", "purge"], arguments].concat())["purged_count"].clone()
    }

    /// The paths that are answered from the store.
    fn hits(&mut self) -> Vec<&'static str> {
        let mut is_hit = |path: &&str| {
            let response = self.client.get(path).unwrap();
            response.header("cache-status").contains(";hit")
        };
        PATHS.into_iter().filter(|path| is_hit(path)).collect()
    }
}

#[test]
fn a_purge_by_tag_takes_what_the_origin_tagged_so() {
    let mut news = News::start();
    assert_eq!(news.purge(&["--tag", "article", "--dry-run"]), 3);
    assert_eq!(news.hits(), PATHS);
    assert_eq!(news.purge(&["--tag", "article"]), 3);
    assert_eq!(news.purge(&["--tag", "article"]), 0);
    assert_eq!(news.hits(), ["/logo.png"]);
    assert_eq!(news.purge(&["--tag", "article-2"]), 1);
    assert_eq!(news.hits(), ["/articles/1", "/list", "/logo.png"]);
}

#[test]
fn tags_are_not_sent_to_clients() {
    let mut news = News::start();
    for path in PATHS {
        for _ in 0..2 {
            let response = news.client.get(path).unwrap();
            for field in ["surrogate-key", "xkey", "cache-tag"] {
                assert_eq!(response.header(field), "", "{field} of {path}");
            }
        }
    }
    let passed = Reply::status(200).header("cache-control", "no-store").header("xkey", "secret");
    news.origin.on("/private", passed);
    assert_eq!(news.client.get("/private").unwrap().header("xkey"), "");
}

#[test]
fn a_purge_by_prefix_or_pattern_takes_the_urls_that_fit() {
    let mut news = News::start();
    let prefix = news.proxyd.url("/articles/");
    assert_eq!(news.purge(&["--prefix", &prefix]), 2);
    assert_eq!(news.hits(), ["/list", "/logo.png"]);
    assert_eq!(news.purge(&["--regex", r"\.png"]), 0);
    assert_eq!(news.purge(&["--regex", r"\.png", "--unanchored"]), 1);
    assert_eq!(news.purge(&["--regex", r"http://[^/]+/articles/\d"]), 2);
    assert_eq!(news.hits(), ["/list"]);
}

#[test]
fn a_prefix_is_read_as_urls_are() {
    let mut news = News::start();
    news.client.request("GET", "/articles/1", &[("host", "ex.test")]).unwrap();
    for prefix in [
        "http://EX.test",
        "HTTP://ex.test:80/articles",
        "http://ex.test/%61rticles/%31",
        "http://ex.test/x/../articles/",
    ] {
        assert_eq!(news.purge(&["--prefix", prefix, "--dry-run"]), 1, "{prefix}");
        let listed = news.netctl.json(&["cache", "ls", "--prefix", prefix]);
        assert_eq!(listed["entries"][0]["url"], "http://ex.test/articles/1", "{prefix}");
    }
    for prefix in ["/articles", "ex.test/articles"] {
        for command in ["purge", "ls"] {
            let run = news.netctl.run(&["cache", command, "--prefix", prefix]);
            assert_eq!(run.code, 1, "{run:?}");
            assert!(run.stderr.contains("must start with http://"), "{run:?}");
        }
    }
}

#[test]
fn errors_about_what_is_long_reach_the_caller() {
    let news = News::start();
    let url = news.proxyd.url(&format!("/{}", "a".repeat(20_000)));
    let name = format!("{}!", "x".repeat(20_000));
    let pattern = format!("(?:{}", "é ".repeat(1300));
    for arguments in [
        &["show", &url][..],
        &["ls", "--route", &name],
        &["ls", "--prefix", &name],
        &["purge", &url, "--route", &name],
        &["purge", "--regex", &pattern],
        &["explain", "-X", &format!("{name} "), &news.proxyd.url("/")],
    ] {
        let run = news.netctl.run(&[&["cache"], arguments].concat());
        assert_eq!(run.code, 1, "{} {}", arguments[0], run.stderr);
        assert!(run.stderr.len() < 8 << 10, "{} {}", arguments[0], run.stderr);
    }
    let run = news.netctl.run(&["log-level", &name, "proxyd"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let lines: String = (0..500).map(|number| format!("colour_{number} = 1\n")).collect();
    news.proxyd.rewrite_config(&lines);
    let run = news.netctl.run(&["reload", "proxyd"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("colour_0") && run.stderr.contains(" lines more"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_purge_that_cannot_be_meant_is_refused() {
    let news = News::start();
    for (arguments, code) in [
        (&["--regex", "("][..], 1),
        (&["--regex", r"(\w{1000}){1000}"], 1),
        (&["--prefix", ""], 2),
        (&["--tag", "a", "--prefix", "b"], 2),
        (&["--unanchored", "--tag", "a"], 2),
        (&[], 2),
    ] {
        let run = news.netctl.run(&[&["cache", "purge"], arguments].concat());
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn after_a_soft_purge_the_origin_is_asked_and_may_confirm() {
    let mut news = News::start();
    assert_eq!(news.purge(&["--tag", "article-1", "--soft"]), 1);
    news.origin.on("/articles/1", Reply::status(304).header("etag", "\"1\""));
    let response = news.client.get("/articles/1").unwrap();
    assert_eq!(response.text(), "/articles/1");
    assert!(response.header("cache-status").contains("fwd=stale"), "{:?}", response.head);
    assert_eq!(news.origin.requests("/articles/1")[1].header("if-none-match"), "\"1\"");
    assert_eq!(news.hits(), PATHS);
    assert_eq!(news.purge(&["--tag", "article-1"]), 1, "a confirmed response keeps its tags");
    let stats = news.netctl.json(&["cache", "stats"]);
    assert_eq!((&stats["soft_purges"], &stats["purges"]), (&json!(1), &json!(1)));
}

#[test]
fn what_is_being_fetched_during_a_purge_by_tag_is_not_kept() {
    let mut news = News::start();
    let gate = Gate::new();
    let slow = |tag| Reply::fresh("old,").header("xkey", tag).wait(&gate).piece("end");
    news.origin.on("/slow/gone", slow("gone"));
    news.origin.on("/slow/kept", slow("kept"));
    let mut clients = ["/slow/gone", "/slow/kept"].map(|path| {
        let mut client = Client::connect(news.proxyd.address("http"));
        client.send("GET", path, &[]).unwrap();
        client.receive_head().unwrap();
        client
    });
    assert_eq!(news.purge(&["--tag", "gone"]), 0);
    news.origin.on("/slow/gone", Reply::fresh("new"));
    assert_eq!(news.client.get("/slow/gone").unwrap().text(), "new");
    gate.open();
    for client in &mut clients {
        assert_eq!(client.read_exactly(7).unwrap(), b"old,end");
    }
    assert_eq!(news.client.get("/slow/gone").unwrap().text(), "new");
    assert_eq!(news.client.get("/slow/kept").unwrap().text(), "old,end");
    assert_eq!((news.origin.count("/slow/gone"), news.origin.count("/slow/kept")), (2, 1));
}

#[test]
fn purge_by_http_is_for_those_who_may() {
    for (config, status, hits) in [
        ("", 501, &PATHS[..]),
        ("[cache]\npurge_allow = [\"192.0.2.0/24\"]\n", 403, &PATHS),
        ("[cache]\npurge_allow = [\"192.0.2.1\", \"127.0.0.0/8\"]\n", 200, &PATHS[1..]),
    ] {
        let mut news = News::with(config);
        let response = news.client.request("PURGE", "/articles/1", &[]).unwrap();
        assert_eq!(response.status(), status, "{config}");
        if status == 200 {
            let count: Value = serde_json::from_str(&response.text()).unwrap();
            assert_eq!(count["purged_count"], 1);
        }
        assert_eq!(news.hits(), hits, "{config}");
        assert_eq!(news.origin.count("/articles/1"), 1 + usize::from(status == 200));
    }
}

#[test]
fn a_purge_is_logged_with_who_asked_and_what_for() {
    let mut news = News::with("[cache]\npurge_allow = [\"127.0.0.1\"]\n");
    news.purge(&["--tag", "article", "--soft"]);
    let line = news.proxyd.process().wait_for_log("selection=tag article");
    for part in ["actor=uid=", "marked stale", "variants=3"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    news.client.request("PURGE", "/list", &[]).unwrap();
    let line = news.proxyd.process().wait_for_log("selection=url http://127.0.0.1");
    assert!(line.contains("actor=client=127.0.0.1:"), "{line}");
    assert!(line.contains("/list") && line.contains("variants=1"), "{line}");
    let order =
        news.proxyd.process().wait_for_log("command=Purge { selection: url http://127.0.0.1");
    assert!(order.contains("actor=client=127.0.0.1:"), "{order}");
}

#[test]
fn a_listing_is_narrowed_by_tag() {
    let news = News::start();
    let urls = |arguments: &[&str]| -> Vec<String> {
        let listing = news.netctl.json(&[&["cache", "ls"], arguments].concat());
        let entries = listing["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
    };
    let url = |path| news.proxyd.url(path);
    assert_eq!(urls(&["--tag", "article"]), ["/articles/1", "/articles/2", "/list"].map(url));
    let prefix = url("/articles/");
    assert_eq!(
        urls(&["--tag", "article", "--prefix", &prefix, "--limit", "1"]),
        [url("/articles/1")]
    );
    assert_eq!(urls(&["--tag", "nothing"]), [] as [String; 0]);
    let shown = news.netctl.json(&["cache", "show", &url("/list")]);
    assert_eq!(shown["variants"][0]["tags"], json!(["article", "list"]));
    assert_eq!(shown["variants"][0]["lifetime_source"], "max-age");
}

#[test]
fn a_decision_is_explained_by_the_rule_that_makes_it() {
    let news = News::start();
    news.purge(&["--tag", "article-2", "--soft"]);
    let (stored, soft) = (news.proxyd.url("/articles/1"), news.proxyd.url("/articles/2"));
    let absent = news.proxyd.url("/absent");
    for (arguments, decision, reason) in [
        (&[stored.as_str()][..], "CACHE_DECISION_SERVE", "fresh"),
        (&[&absent], "CACHE_DECISION_FETCH", "absent"),
        (&[&soft], "CACHE_DECISION_REVALIDATE", "soft_purged"),
        (&["-X", "POST", &stored], "CACHE_DECISION_PASS", "method"),
        (
            &["-H", "Cache-Control: no-cache", &stored],
            "CACHE_DECISION_REVALIDATE",
            "client_no_cache",
        ),
        (&["-H", "cache-control: only-if-cached", &absent], "CACHE_DECISION_GATEWAY_TIMEOUT", ""),
    ] {
        let explained = news.netctl.json(&[&["cache", "explain"], arguments].concat());
        assert_eq!(explained["decision"], decision, "{arguments:?}: {explained}");
        assert_eq!(explained["reason"], reason, "{arguments:?}: {explained}");
        assert!(explained["clause"].as_str().unwrap().contains("RFC 9111"), "{explained}");
    }
    let explained = news.netctl.json(&["cache", "explain", &stored]);
    assert_eq!(explained["variant"]["lifetime_source"], "max-age");
    assert_eq!(explained["lifetime_clause"], "RFC 9111 §5.2.2.1");
    assert_eq!(
        news.netctl.json(&["cache", "stats"])["misses"],
        4,
        "nothing was fetched or counted"
    );
    assert!(news.netctl.text(&["cache", "explain", &stored]).contains("RFC 9111"));
}

#[test]
fn what_proxyd_answers_itself_is_explained_as_it_is_answered() {
    for config in ["", "[cache]\npurge_allow = [\"127.0.0.1\"]\n"] {
        let mut news = News::with(config);
        for (method, field) in [
            ("TRACE", ("x-any", "1")),
            ("OPTIONS", ("max-forwards", "0")),
            ("PURGE", ("x-any", "1")),
            ("GET", ("via", &["1.1 hop"; 32].join(", "))),
        ] {
            let (name, value) = field;
            let header = format!("{name}: {value}");
            let url = news.proxyd.url("/articles/1");
            let explained =
                news.netctl.json(&["cache", "explain", "-X", method, "-H", &header, &url]);
            assert_eq!(explained["decision"], "CACHE_DECISION_OWN_ANSWER", "{method}");
            let status = news.client.request(method, "/articles/1", &[field]).unwrap().status();
            let next = explained["next"].as_str().unwrap();
            assert!(next.contains(&status.to_string()), "{method} is answered {status}: {next}");
        }
    }
}

#[test]
fn what_happens_if_the_origin_fails_is_explained_as_it_happens() {
    let mut news = News::start();
    for (path, directives, says) in [
        ("/articles/1", "max-age=0", "cache.grace_if_error allows"),
        ("/articles/2", "max-age=0, stale-if-error=60", "stale-if-error allows"),
        ("/list", "max-age=0, must-revalidate", "a directive forbids"),
        ("/logo.png", "max-age=0, stale-if-error=0", "any longer"),
    ] {
        let reply = Reply::status(200).header("cache-control", directives).header("etag", "\"1\"");
        news.origin.on(path, reply);
        news.purge(&[&news.proxyd.url(path)]);
        news.client.get(path).unwrap();
        let url = news.proxyd.url(path);
        let explained = news.netctl.json(&["cache", "explain", &url]);
        let (said, lasts) = (explained["if_error"].as_str().unwrap(), &explained["if_error_ttl"]);
        assert!(said.contains(says), "{path}: {said}");
        news.origin.on(path, Reply::status(503));
        let status = news.client.get(path).unwrap().status();
        assert_eq!(status == 200, lasts.is_string(), "{path}: {status} {lasts}");
        if lasts.is_string() {
            let text = news.netctl.text(&["cache", "explain", &url]);
            assert!(text.contains("if that fails") && text.contains(" more."), "{text}");
        }
    }
}

#[test]
fn what_is_stored_is_explained_by_method_and_fields() {
    let news = News::start();
    let (absent, stored) = (news.proxyd.url("/absent"), news.proxyd.url("/list"));
    for (arguments, part) in [
        (&["-X", "HEAD", &absent][..], "nothing of its answer is stored"),
        (&["-H", "If-Match: \"1\"", &stored], "the response is stored where that is allowed"),
        (&["-X", "DELETE", &stored], "what is stored for the URL is removed"),
        (&["-H", "Cache-Control: no-store", &stored], "the cache stays out of it"),
    ] {
        let explained = news.netctl.json(&[&["cache", "explain"], arguments].concat());
        assert!(explained["next"].as_str().unwrap().contains(part), "{arguments:?}: {explained}");
    }
    let run = news.netctl.run(&["cache", "explain", "-H", "Host: shop.test", &stored]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("put shop.test there"), "{run:?}");
}

#[test]
fn warming_stores_what_clients_then_ask_for() {
    let mut news = News::start();
    let _ = news.netctl.text(&["cache", "flush"]);
    let list = news.proxyd.directory().join("urls.txt");
    fs::write(&list, "# the front page first\n/list\n\n/articles/1\n").unwrap();
    let list = list.to_str().unwrap();
    let (url, list_of) = (news.proxyd.url("/articles/2"), ["cache", "warm", "--from", list]);
    let warmed = news.netctl.json(&[&list_of[..], &[url.as_str()]].concat());
    assert_eq!((&warmed["urls"], &warmed["stored"]), (&json!(3), &json!(3)), "{warmed}");
    assert_eq!(news.hits(), &PATHS[..3]);
    let again = news.netctl.json(&list_of);
    assert_eq!((&again["already_stored"], &again["failed"]), (&json!(2), &json!(0)), "{again}");
    let failed = news.netctl.run(&["cache", "warm", &news.proxyd.url("/absent")]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stdout.contains("404"), "{failed:?}");
    let private = Reply::status(200).header("cache-control", "private");
    let urls: Vec<_> = (0..12).map(|number| format!("/private/{number}")).collect();
    urls.iter().for_each(|path| news.origin.on(path, private.clone()));
    let (absent, list) = (news.proxyd.url("/absent"), urls.join("\n"));
    let warm = ["cache", "warm", "--from", "-", &absent];
    let text = news.netctl.run_with_input(&warm, &list).stdout;
    assert!(text.contains("/absent: 404"), "{text}");
    assert!(text.contains(&format!("{}: not stored, private", news.proxyd.url("/private/0"))));
    assert_eq!(text.matches(": not stored, private").count(), 9, "{text}");
    assert!(text.contains("… and 3 more"), "{text}");
}

#[test]
fn watched_statistics_are_a_line_for_each_interval() {
    let news = News::start();
    let watch = ["cache", "stats", "--watch", "10ms", "-n", "3"];
    let table = news.netctl.text(&watch);
    assert_eq!(table.lines().count(), 4, "{table}");
    let json = news.netctl.text(&[&["-o", "json"], &watch[..]].concat());
    assert_eq!(json.lines().count(), 3, "{json}");
    for line in json.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["stores"], 4);
    }
}

#[test]
fn statistics_tell_how_long_hits_and_fills_took_and_whose_they_are() {
    let mut news = News::start();
    news.hits();
    let stats = news.netctl.json(&["cache", "stats"]);
    for name in ["hit_latency", "fill_latency"] {
        let buckets = stats[name]["buckets"].as_array().unwrap();
        let counts = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 4, "{name} in {stats}");
        assert!(stats[name]["p99"].is_string(), "{name} in {stats}");
    }
    assert_eq!(stats["routes"].as_array().unwrap().len(), 1);
    for name in ["hits", "misses", "stores", "cache_body_bytes", "hit_ratio"] {
        assert_eq!(stats["routes"][0][name], stats[name], "{name} in {stats}");
    }
}
