//! Routes: origins, cache settings, keys and statistics of their own for some hosts and paths.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply, Request};
use serde_json::{Value, json};

/// proxyd with `config` after what it needs, in front of an origin.
fn proxyd(origin: &Origin, config: &str) -> Daemon {
    Daemon::caching(origin.address()).config(&format!("udp = []\n{config}")).start()
}

fn get(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> (String, String) {
    let response = client.request("GET", path, fields).unwrap();
    (response.text(), response.header("cache-status"))
}

/// Whether a request is answered from the store.
fn is_hit(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> bool {
    get(client, path, fields).1.contains(";hit")
}

#[test]
fn a_request_takes_the_route_of_its_host_and_path_to_its_origin() {
    let [main, images, api] = ["main", "images", "api"].map(|name| {
        let origin = Origin::start();
        for path in ["/", "/img/a", "/imgs", "/api/v1"] {
            origin.on(path, Reply::fresh(format!("{name} {path}")));
        }
        origin
    });
    let config = format!(
        "[route.images]\npath = \"/img\"\norigin = \"http://{}\"\n\
         [route.api]\nhost = \"*.example.org\"\norigin = \"http://{}\"\n",
        images.address(),
        api.address()
    );
    let proxyd = proxyd(&main, &config);
    let mut client = Client::connect(proxyd.address("http"));
    for (host, path, name) in [
        ("other", "/", "main"),
        ("other", "/img/a", "images"),
        ("other", "/imgs", "main"),
        ("other", "/%69mg/a", "images"),
        ("www.example.org", "/img/a", "api"),
        ("WWW.EXAMPLE.ORG:80", "/api/v1", "api"),
        ("example.org", "/api/v1", "main"),
    ] {
        let (text, _) = get(&mut client, path, &[("host", host)]);
        assert!(text.starts_with(name), "{host}{path} is {text}");
    }
}

#[test]
fn a_route_has_cache_settings_of_its_own() {
    let origin = Origin::start();
    origin.on("/shop/a", Reply::fresh("shop"));
    origin.on("/cdn/a", Reply::fresh("cdn").header("cdn-cache-control", "no-store"));
    origin.on("/cdn-less/a", Reply::fresh("plain").header("cdn-cache-control", "no-store"));
    origin.on("/static/a", Reply::fresh("static"));
    let proxyd = proxyd(
        &origin,
        "[cache]\nquery_drop = [\"utm_*\"]\n\
         [route.shop]\npath = \"/shop\"\ncache.enabled = false\n\
         [route.cdn]\npath = \"/cdn/\"\ncache.cdn_cache_control = true\n\
         [route.static]\npath = \"/static\"\ncache.query_drop = [\"*\"]\n",
    );
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    let mut again = |path| {
        client.get(path).unwrap();
        is_hit(&mut client, path, &[])
    };
    assert!(!again("/shop/a") && !again("/cdn/a"));
    assert!(again("/cdn-less/a") && again("/static/a"));
    assert!(is_hit(&mut client, "/static/a?anything=1", &[]));
    assert!(is_hit(&mut client, "/cdn-less/a?utm_source=x", &[]));
    let (_, said) = get(&mut client, "/shop/a", &[]);
    assert!(said.contains("fwd=bypass") && said.contains("configured"), "{said}");
    let explained = netctl.json(&["cache", "explain", &proxyd.url("/shop/a")]);
    assert_eq!((&explained["route"], &explained["reason"]), (&json!("shop"), &json!("configured")));
    let explained = netctl.json(&["cache", "explain", &proxyd.url("/static/a?x=1")]);
    assert_eq!(explained["decision"], "CACHE_DECISION_SERVE");
    assert_eq!(explained["url"], proxyd.url("/static/a"));
}

#[test]
fn a_route_may_shield_its_origin_from_reloads_and_take_s_maxage_as_it_is_meant() {
    let origin = Origin::start();
    let stale = "s-maxage=5, stale-while-revalidate=600";
    for path in ["/shield/a", "/a"] {
        let page = Reply::status(200).header("cache-control", stale).header("age", "10");
        origin.on(path, page.piece("page").header("etag", "\"a\""));
    }
    let shield = "[route.shield]\npath = \"/shield/\"\n\
                  cache.client_directives = \"ignore\"\ncache.s_maxage_stale = \"explicit\"\n";
    let proxyd = proxyd(&origin, shield);
    let mut client = Client::connect(proxyd.address("http"));
    let reload = [("cache-control", "no-cache")];
    for (path, is_served) in [("/shield/a", true), ("/a", false)] {
        get(&mut client, path, &[]);
        let (_, said) = get(&mut client, path, &reload);
        assert_eq!(said.contains("stale_while_revalidate"), is_served, "{path}: {said}");
    }
    let wrong =
        "[cache]\nclient_directives = \"sometimes\"\nkey_headers = [\"X-Forwarded-Proto\"]\n";
    proxyd.rewrite_config(&format!("http = \"127.0.0.1:0\"\nudp = []\n{wrong}"));
    let refused = Netctl::new().proxyd(&proxyd).run(&["reload", "proxyd"]);
    for said in ["obey or ignore is expected", "reaches no origin"] {
        assert!(refused.code != 0 && refused.stderr.contains(said), "{said}: {refused:?}");
    }
}

#[test]
fn statistics_are_of_each_route_and_of_all() {
    let origin = Origin::start();
    origin.on("/img/a", Reply::fresh("image"));
    origin.on("/", Reply::fresh("page"));
    let proxyd = proxyd(&origin, "[route.images]\npath = \"/img/\"\n");
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    for path in ["/img/a", "/img/a", "/img/a", "/", "/"] {
        client.get(path).unwrap();
    }
    client.request("POST", "/", &[]).unwrap();
    let all = netctl.json(&["cache", "stats"]);
    let of = |name: &str| {
        let stats = netctl.json(&["cache", "stats", "--route", name]);
        assert_eq!(stats["routes"].as_array().unwrap().len(), 1, "{stats}");
        assert_eq!(stats["routes"][0]["route"], name);
        let known = all["routes"].as_array().unwrap();
        assert!(known.contains(&stats["routes"][0]), "{} is not in {all}", stats["routes"][0]);
        stats
    };
    let (images, others) = (of("images"), of("default"));
    let figure = |stats: &Value, name: &str| stats[name].as_u64().unwrap();
    for (name, expected) in [
        ("hits", [2, 1]),
        ("misses", [1, 1]),
        ("passes", [0, 1]),
        ("stores", [1, 1]),
        ("purges", [0, 1]),
        ("entries", [1, 0]),
        ("cache_body_bytes", [10, 4]),
        ("origin_body_bytes", [5, 8]),
    ] {
        assert_eq!([&images, &others].map(|stats| figure(stats, name)), expected, "{name}");
        assert_eq!(figure(&all, name), expected.iter().sum::<u64>(), "{name}");
    }
    assert_eq!(images["misses_by_reason"]["absent"], 1);
    assert_eq!(others["passes_by_reason"]["method"], 1);
    assert_eq!(
        (&images["hit_latency"]["count"], &all["hit_latency"]["count"]),
        (&json!(2), &json!(3))
    );
    assert!(figure(&images, "memory_bytes") > 0 && figure(&others, "memory_bytes") == 0);
    assert!(netctl.text(&["cache", "stats"]).contains("ROUTE"));
    let unknown = netctl.run(&["cache", "stats", "--route", "imgs"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("only default, images"), "{unknown:?}");
    let watched =
        netctl.text(&["cache", "stats", "--watch", "10ms", "-n", "1", "--route", "images"]);
    assert_eq!(watched.lines().count(), 2, "{watched}");
}

#[test]
fn listings_and_purges_are_narrowed_by_route() {
    let origin = Origin::start();
    for path in ["/img/a", "/img/b", "/a", "/b"] {
        origin.on(path, Reply::fresh(path).header("xkey", "all"));
    }
    let proxyd = proxyd(&origin, "[route.images]\npath = \"/img/\"\n");
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    let mut fill = || ["/img/a", "/img/b", "/a", "/b"].map(|path| client.get(path).unwrap());
    fill();
    let listed = |arguments: &[&str]| {
        let listing = netctl.json(&[&["cache", "ls"], arguments].concat());
        listing["entries"].as_array().unwrap().len()
    };
    assert_eq!((listed(&[]), listed(&["--route", "images"])), (4, 2));
    assert_eq!(listed(&["--route", "images", "--prefix", &proxyd.url("/img/b")]), 1);
    assert_eq!(listed(&["--prefix", &proxyd.url("/")]), 4, "a prefix is of all routes");
    assert_eq!(netctl.run(&["cache", "ls", "--route", "no"]).code, 1);
    let purge = |arguments: &[&str]| {
        netctl.json(&[&["cache", "purge"], arguments].concat())["purged_count"].clone()
    };
    assert_eq!(purge(&["--route", "images", "--tag", "all"]), 2);
    assert_eq!(purge(&["--route", "images", "--regex", ".*/a"]), 0);
    assert_eq!(purge(&["--tag", "all"]), 2);
    fill();
    assert_eq!(purge(&[&proxyd.url("/img/a")]), 1);
    assert_eq!(purge(&["--route", "images"]), 1);
    assert_eq!(purge(&["--prefix", &proxyd.url("/")]), 2);
    let refused = netctl.run(&["cache", "purge", "--route", "no", "--tag", "all"]);
    assert!(refused.code == 1 && refused.stderr.contains("there is no route"), "{refused:?}");
    assert_eq!(netctl.run(&["cache", "purge"]).code, 2);
}

#[test]
fn what_a_route_stores_survives_a_reload_as_long_as_its_name_stays() {
    let origin = Origin::start();
    for path in ["/img/a", "/old/a", "/"] {
        origin.on(path, Reply::fresh(path));
    }
    let address = origin.address();
    let config = |routes: &str| {
        format!("http = \"127.0.0.1:0\"\norigin = \"http://{address}\"\nudp = []\n{routes}")
    };
    let images = "[route.images]\npath = \"/img/\"\n";
    let old = "[route.old]\npath = \"/old/\"\n";
    let proxyd = Daemon::proxyd().config(&config(&format!("{images}{old}"))).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    for path in ["/img/a", "/old/a", "/"] {
        client.get(path).unwrap();
    }
    proxyd.rewrite_config(&config(&format!("{images}cache.grace = \"1s\"\n")));
    let applied = netctl.json(&["reload", "proxyd"]);
    let changes = applied["proxyd"]["changes"].to_string();
    assert!(changes.contains("route.images.cache.grace: is now 1s"), "{changes}");
    assert!(changes.contains("route.old.path: "), "{changes}");
    assert!(is_hit(&mut client, "/img/a", &[]) && is_hit(&mut client, "/", &[]));
    assert!(!is_hit(&mut client, "/old/a", &[]), "it is the default route's now");
    let line = proxyd.process().wait_for_log("selection=what no request finds any more");
    assert!(line.contains("actor=reload") && line.contains("variants=1"), "{line}");
    let stats = netctl.json(&["cache", "stats", "--route", "old"]);
    assert_eq!((&stats["stores"], &stats["entries"]), (&json!(1), &json!(0)), "it stays counted");
    proxyd.rewrite_config(&config("[route.images]\npath = \"img\"\n"));
    let refused = netctl.run(&["reload", "proxyd"]);
    assert!(refused.code != 0 && refused.stderr.contains("route.images.path"), "{refused:?}");
    assert!(is_hit(&mut client, "/img/a", &[]), "the one before serves on");
}

#[test]
fn what_a_reload_gives_to_another_route_does_not_come_back_with_the_first() {
    let origin = Origin::start();
    for path in ["/img/a", "/b?x=1"] {
        origin.on(path, Reply::fresh("old"));
    }
    let address = origin.address();
    let config = |routes: &str| {
        format!("http = \"127.0.0.1:0\"\norigin = \"http://{address}\"\nudp = []\n{routes}")
    };
    let (one, other) =
        (config(""), config("cache.query_drop = [\"x\"]\n[route.images]\npath = \"/img/\"\n"));
    let proxyd = Daemon::proxyd().config(&one).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    let elsewhere = ["/", "/b?%78y=1&y%20=2", "/%41%7e/..?", "/%zz"];
    for path in ["/", "/b?xy=1&y%20=2", "/?", "/%25zz"] {
        origin.on(path, Reply::fresh("elsewhere"));
    }
    for path in ["/img/a", "/b?x=1"].iter().chain(&elsewhere) {
        client.get(path).unwrap();
    }
    proxyd.rewrite_config(&other);
    let _ = netctl.text(&["reload", "proxyd"]);
    let line = proxyd.process().wait_for_log("selection=what no request finds any more");
    assert!(line.contains("variants=2"), "{line}");
    let entries = &netctl.json(&["cache", "stats"])["entries"];
    assert_eq!(entries.as_u64(), Some(elsewhere.len() as u64), "what it does not concern stays");
    origin.on("/img/a", Reply::fresh("new"));
    origin.on("/b?x=1", Reply::fresh("new"));
    proxyd.rewrite_config(&one);
    let _ = netctl.text(&["reload", "proxyd"]);
    for path in ["/img/a", "/b?x=1"] {
        assert_eq!(get(&mut client, path, &[]).0, "new", "{path}");
    }
}

#[test]
fn what_is_fetched_during_a_reload_is_stored_where_requests_still_find_it() {
    let gate = Gate::new();
    let origin = Origin::start();
    for path in ["/stays", "/img/a"] {
        origin.on(path, Reply::fresh("page").hold(&gate));
    }
    let address = origin.address();
    let config = format!("http = \"127.0.0.1:0\"\norigin = \"http://{address}\"\nudp = []\n");
    let proxyd = Daemon::proxyd().config(&config).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let fetching = |path: &'static str| {
        let mut client = Client::connect(proxyd.address("http"));
        client.send("GET", path, &[]).unwrap();
        origin.wait_for_requests(path, 1);
        client
    };
    let mut clients = ["/stays", "/img/a"].map(fetching);
    proxyd.rewrite_config(&format!("{config}[route.images]\npath = \"/img/\"\n"));
    let _ = netctl.text(&["reload", "proxyd"]);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive("GET").unwrap().text(), "page");
    }
    let deadline = std::time::Instant::now() + selat_tests::PATIENCE;
    let refusals =
        || netctl.json(&["cache", "stats"])["not_stored_by_reason"]["superseded"].as_u64();
    while refusals() != Some(1) {
        assert!(std::time::Instant::now() < deadline, "waited too long for the end of a fill");
    }
    let [mut client, _] = clients;
    assert!(is_hit(&mut client, "/stays", &[]));
    assert_eq!(netctl.json(&["cache", "stats"])["entries"], 1, "the other is in no route's way");
}

const PHONE: (&str, &str) = ("user-agent", "Mozilla/5.0 (iPhone) Mobile/15E148");

#[test]
fn a_site_for_phones_is_stored_apart_and_its_origin_is_told() {
    let origin = Origin::start();
    let told = |request: &Request| Reply::fresh(request.header("x-ua-device"));
    origin.on_request("/m/", told);
    origin.on_request("/", told);
    let proxyd = proxyd(&origin, "[route.m]\npath = \"/m/\"\ncache.key_device = true\n");
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    let forged = ("x-ua-device", "forged");
    for (fields, class) in [
        (&[forged][..], "desktop"),
        (&[PHONE, forged], "mobile"),
        (&[("sec-ch-ua-mobile", "?1")], "mobile"),
        (&[("user-agent", "Googlebot/2.1")], "bot"),
        (&[], "desktop"),
    ] {
        assert_eq!(get(&mut client, "/m/", fields).0, class, "{fields:?}");
    }
    assert_eq!(origin.count("/m/"), 3);
    let url = proxyd.url("/m/");
    let shown = netctl.json(&["cache", "show", &url]);
    let variants = shown["variants"].as_array().unwrap();
    let parts: Vec<_> = variants.iter().map(|variant| variant["key_parts"][0].clone()).collect();
    assert_eq!(parts, ["device=bot", "device=desktop", "device=mobile"]);
    let agent = format!("{}: {}", PHONE.0, PHONE.1);
    let explained = netctl.json(&["cache", "explain", "-H", &agent, &url]);
    assert_eq!(explained["key_parts"], json!(["device=mobile"]));
    assert_eq!(explained["decision"], "CACHE_DECISION_SERVE");
    // A purge of the URL is one of all that is stored for it, and so is a write.
    assert_eq!(netctl.json(&["cache", "purge", &url])["purged_count"], 3);
    assert!(!is_hit(&mut client, "/m/", &[PHONE]) && !is_hit(&mut client, "/m/", &[]));
    client.request("POST", "/m/", &[]).unwrap();
    assert!(!is_hit(&mut client, "/m/", &[PHONE]) && !is_hit(&mut client, "/m/", &[]));
}

#[test]
fn visitors_are_told_apart_by_the_cookies_and_fields_that_a_key_holds() {
    let origin = Origin::start();
    origin.on_request("/", |request| {
        Reply::fresh(format!("{} {}", request.header("cookie"), request.header("x-country")))
    });
    let config = "[cache]\nkey_cookies = [\"lang\"]\nkey_headers = [\"X-Country\"]\n";
    let proxyd = proxyd(&origin, config);
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    let english = ("cookie", "id=1; lang=en");
    assert_eq!(get(&mut client, "/", &[english]).0, "id=1; lang=en ");
    assert!(is_hit(&mut client, "/", &[("cookie", "lang=en; id=2")]));
    assert!(!is_hit(&mut client, "/", &[("cookie", "lang=id")]));
    assert!(!is_hit(&mut client, "/", &[english, ("x-country", "my")]));
    assert!(!is_hit(&mut client, "/", &[]));
    let listed = netctl.json(&["cache", "ls"]);
    assert_eq!(listed["entries"].as_array().unwrap().len(), 4);
    assert_eq!(
        listed["entries"][0]["key_parts"],
        json!(["cookie:lang", "header:x-country"]),
        "{listed}"
    );
    // What no key may hold is neither stored nor answered with another's.
    let long = format!("lang={}", "x".repeat(200));
    for _ in 0..2 {
        let (text, said) = get(&mut client, "/", &[("cookie", &long)]);
        assert!(text.starts_with(&long) && said.contains("key_too_long"), "{said}");
    }
    let head = client.request("HEAD", "/", &[("cookie", &long)]).unwrap();
    assert_eq!(head.status(), 200);
    let stats = netctl.json(&["cache", "stats"]);
    assert_eq!(stats["passes_by_reason"]["key_too_long"], 3, "{stats}");
    assert!(is_hit(&mut client, "/", &[]));
}

#[test]
fn what_a_write_names_is_removed_from_the_route_that_it_is_of() {
    let origin = Origin::start();
    origin.on("/img/a", Reply::fresh("image"));
    let made = Reply::status(201).header("location", "/img/a?utm_source=mail");
    origin.on("/make", made);
    let config = "[route.images]\npath = \"/img/\"\ncache.query_drop = [\"utm_*\"]\n";
    let proxyd = proxyd(&origin, config);
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/img/a").unwrap();
    assert!(is_hit(&mut client, "/img/a", &[]));
    client.request("POST", "/make", &[]).unwrap();
    assert!(!is_hit(&mut client, "/img/a", &[]));
}
