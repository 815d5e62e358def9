//! Files over HTTP, from websrvd alone and through proxyd.

use std::{fs, os::unix::fs::symlink, thread};

use selat_tests::{Client, Daemon, Nginx, Site, curl, curl_get, hash};

/// Gets every file of the site over `clients` kept connections.
fn fetch_whole_site(daemon: &Daemon, clients: usize) {
    let (site, address) = (Site::shared(), daemon.address("http"));
    let fetched: usize = thread::scope(|scope| {
        let share = |number| {
            move || {
                let mut client = Client::connect(address);
                let entries = site.entries.iter().skip(number).step_by(clients);
                let whole = entries.inspect(|entry| {
                    let response = client.get(&entry.path).unwrap();
                    assert_eq!(response.status(), 200, "{}", entry.path);
                    assert_eq!(response.body.len() as u64, entry.len, "{}", entry.path);
                    assert_eq!(hash(&response.body), entry.hash, "{}", entry.path);
                });
                whole.count()
            }
        };
        let running: Vec<_> = (0..clients).map(|number| scope.spawn(share(number))).collect();
        running.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(fetched, site.entries.len());
    assert!(fetched >= 2_000, "the site has only {fetched} files");
}

#[test]
fn websrvd_serves_every_file_of_a_large_site() {
    let websrvd = Daemon::serving(&Site::shared().root).start();
    fetch_whole_site(&websrvd, 4);
}

#[test]
fn every_file_arrives_whole_through_proxyd_missed_and_hit() {
    let websrvd = Daemon::serving(&Site::shared().root).start();
    let proxyd = Daemon::caching(websrvd.address("http")).start();
    fetch_whole_site(&proxyd, 4);
    fetch_whole_site(&proxyd, 4);
}

#[test]
fn every_file_arrives_whole_from_nginx_through_proxyd() {
    assert!(Nginx::is_installed(), "nginx is not installed; tests/run does that");
    let nginx = Nginx::serving(&Site::shared().root);
    let proxyd = Daemon::caching(nginx.address()).start();
    fetch_whole_site(&proxyd, 4);
    let path = &Site::shared().entries[2].path;
    let again = curl_get(&proxyd.url(path), &[]);
    assert!(again.header("cache-status").contains(";hit"), "{:?}", again.headers);
    assert!(again.header("server").starts_with("nginx"), "{:?}", again.headers);
}

#[test]
fn two_hundred_clients_at_once_are_served_by_both_daemons() {
    let websrvd = Daemon::serving(&Site::shared().root).start();
    let proxyd = Daemon::caching(websrvd.address("http")).start();
    for daemon in [&websrvd, &proxyd] {
        // All connect before the first asks, so that all are open at once.
        let mut clients: Vec<_> =
            (0..200).map(|_| Client::connect(daemon.address("http"))).collect();
        for round in 0..5 {
            for (number, client) in clients.iter_mut().enumerate() {
                let entry = &Site::shared().entries[(number + round * 7) % 200];
                client.send("GET", &entry.path, &[]).unwrap();
            }
            for (number, client) in clients.iter_mut().enumerate() {
                let entry = &Site::shared().entries[(number + round * 7) % 200];
                let response = client.receive("GET").unwrap();
                assert_eq!((response.status(), hash(&response.body)), (200, entry.hash));
            }
        }
    }
}

/// A small site with what a web server is asked for, and what it must not give.
fn small_site() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    fs::create_dir_all(root.join("folder")).unwrap();
    for (file, text) in [
        ("root/index.html", "<h1>Halo</h1>"),
        ("root/style.css", "p {}"),
        ("root/a b.txt", "0123456789"),
        ("root/folder/index.html", "folder"),
        ("root/.secret", "secret"),
        ("outside", "secret"),
    ] {
        fs::write(parent.path().join(file), text).unwrap();
    }
    symlink("../outside", root.join("way-out")).unwrap();
    symlink(parent.path(), root.join("up")).unwrap();
    parent
}

#[test]
fn index_files_and_types_are_served_to_curl() {
    let site = small_site();
    let websrvd = Daemon::serving(&site.path().join("root")).start();
    let rows = [
        ("/", "<h1>Halo</h1>", "text/html; charset=utf-8"),
        ("/style.css", "p {}", "text/css; charset=utf-8"),
        ("/a%20b.txt", "0123456789", "text/plain; charset=utf-8"),
        ("/folder/", "folder", "text/html; charset=utf-8"),
    ];
    for (path, body, content_type) in rows {
        let fetched = curl_get(&websrvd.url(path), &[]);
        assert_eq!((fetched.status, fetched.body.as_slice()), (200, body.as_bytes()), "{path}");
        assert_eq!(fetched.header("content-type"), content_type, "{path}");
    }
    let redirect = curl_get(&websrvd.url("/folder"), &[]);
    assert_eq!((redirect.status, redirect.header("location")), (301, "/folder/"));
}

#[test]
fn nothing_outside_the_root_and_nothing_hidden_is_served() {
    let site = small_site();
    let websrvd = Daemon::serving(&site.path().join("root")).start();
    let mut client = Client::connect(websrvd.address("http"));
    for path in [
        "/way-out",
        "/up/outside",
        "/.secret",
        "/%2esecret",
        "/../outside",
        "/%2e%2e/outside",
        "/folder/../../outside",
        "/folder/..%2f..%2foutside",
        "//outside",
        "/folder/%2e%2e/%2e%2e/outside",
        "/outside%00",
    ] {
        let response = client.get(path).unwrap();
        assert!(matches!(response.status(), 400 | 404), "{path}: {}", response.status());
        assert!(!response.text().contains("secret"), "{path}");
        if response.head.closes() {
            client = Client::connect(websrvd.address("http"));
        }
    }
}

#[test]
fn methods_conditions_and_ranges_are_obeyed() {
    let site = small_site();
    let websrvd = Daemon::serving(&site.path().join("root")).start();
    let mut client = Client::connect(websrvd.address("http"));
    let whole = client.get("/a%20b.txt").unwrap();
    let head = client.request("HEAD", "/a%20b.txt", &[]).unwrap();
    assert_eq!(head.header("content-length"), "10");
    assert_eq!(head.header("etag"), whole.header("etag"));
    let etag = whole.header("etag");
    let modified = whole.header("last-modified");
    let ask = |client: &mut Client, name, value: &str| {
        client.request("GET", "/a%20b.txt", &[(name, value)]).unwrap()
    };
    assert_eq!(ask(&mut client, "if-none-match", &etag).status(), 304);
    assert_eq!(ask(&mut client, "if-modified-since", &modified).status(), 304);
    assert_eq!(ask(&mut client, "if-match", "\"another\"").status(), 412);
    let part = ask(&mut client, "range", "bytes=2-4");
    assert_eq!((part.status(), part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(ask(&mut client, "range", "bytes=-3").text(), "789");
    assert_eq!(ask(&mut client, "range", "bytes=10-").status(), 416);
    let refused = client.request("DELETE", "/", &[]).unwrap();
    assert_eq!(refused.status(), 405);
    assert!(refused.header("allow").contains("GET"), "{:?}", refused.head);
}

#[test]
fn both_daemons_speak_http2_to_a_client_that_begins_with_it() {
    let site = small_site();
    let websrvd = Daemon::serving(&site.path().join("root")).start();
    let proxyd = Daemon::caching(websrvd.address("http")).start();
    for daemon in [&websrvd, &proxyd] {
        let fetched = curl_get(&daemon.url("/"), &["--http2-prior-knowledge"]);
        assert_eq!((fetched.version.as_str(), fetched.status), ("2", 200));
        assert_eq!(fetched.body, b"<h1>Halo</h1>");
    }
}

#[test]
fn a_missing_file_is_a_page_that_curl_takes_for_an_error() {
    let site = small_site();
    let websrvd = Daemon::serving(&site.path().join("root")).start();
    let (code, page) = curl(&["--fail-with-body", &websrvd.url("/missing")]);
    assert_eq!(code, 22, "curl's code for a status of 400 or more");
    assert!(String::from_utf8(page).unwrap().contains("404"));
}
