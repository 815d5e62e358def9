//! Content that clients send: slowly, without end, in chunks.

use std::{collections::BTreeSet, fs, net::SocketAddr, thread, time::Duration};

use selat_tests::{Client, Daemon, Gate, Launcher, Origin, Reply, curl_get};

/// How long an origin may take where a test tries that.
const ORIGIN_TIMEOUT: Duration = Duration::from_millis(300);

fn impatient(origin: SocketAddr) -> Launcher {
    let config = format!("http = []\nudp = []\n[timeouts]\norigin = \"{ORIGIN_TIMEOUT:?}\"\n");
    Daemon::caching(origin).config(&config)
}

#[test]
fn an_upload_that_was_answered_early_holds_up_nobody_else() {
    let origin = Origin::with("/upload", Reply::status(200).piece("enough").at_once());
    origin.on("/", Reply::status(200).piece("page"));
    let config = "http = []\nudp = []\n[timeouts]\nbody = \"1h\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut uploading = Client::connect(proxyd.address("http"));
    uploading.send("POST", "/upload", &[("content-length", "1000000")]).unwrap();
    uploading.write("the first octets").unwrap();
    assert_eq!(uploading.receive("POST").unwrap().text(), "enough");
    // The origin still waits for the rest of the upload on its connection.
    let page = Client::connect(proxyd.address("http")).get("/").unwrap();
    assert_eq!(page.text(), "page");
}

#[test]
fn an_upload_may_take_longer_than_the_origin_may_to_answer_it() {
    let origin = Origin::with("/upload", Reply::status(200).piece("thanks"));
    let proxyd = impatient(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("POST", "/upload", &[("content-length", "4")]).unwrap();
    for octet in ["f", "o", "u", "r"] {
        // No event is waited for: the client is slow.
        thread::sleep(ORIGIN_TIMEOUT / 2);
        client.write(octet).unwrap();
    }
    assert_eq!(client.receive("POST").unwrap().text(), "thanks");
    assert_eq!(origin.requests("/upload")[0].content, b"four");
}

#[test]
fn an_origin_that_does_not_answer_an_upload_is_given_up() {
    let gate = Gate::new();
    let origin = Origin::with("/upload", Reply::status(200).hold(&gate));
    let proxyd = impatient(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("POST", "/upload", &[("content-length", "4")]).unwrap();
    client.write("four").unwrap();
    assert_eq!(client.receive("POST").unwrap().status(), 504);
    gate.open();
}

#[test]
fn content_of_unknown_length_reaches_the_origin_whatever_the_method() {
    let origin = Origin::with("/", Reply::status(200).piece("read"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    let methods = ["GET", "DELETE", "POST", "QUERY"];
    for method in methods {
        client.send(method, "/", &[("transfer-encoding", "chunked")]).unwrap();
        client.write("5\r\nquery\r\n0\r\n\r\n").unwrap();
        assert_eq!(client.receive(method).unwrap().text(), "read");
    }
    let requests = origin.requests("/");
    assert_eq!(requests.len(), methods.len());
    for request in requests {
        assert_eq!(request.content, b"query", "{}", request.method);
    }
}

#[test]
fn a_connection_is_not_used_once_its_origin_may_close_it() {
    let origin = Origin::with("/", Reply::status(200).header("keep-alive", "timeout=1"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for _ in 0..3 {
        client.request("POST", "/", &[("content-length", "0")]).unwrap();
    }
    let connections: BTreeSet<_> =
        origin.requests("/").iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 3);
}

#[test]
fn an_upload_that_stalls_is_told_so() {
    let origin = Origin::with("/upload", Reply::status(200));
    let config = "http = []\nudp = []\n[timeouts]\nbody = \"100ms\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("POST", "/upload", &[("content-length", "10")]).unwrap();
    client.write("half").unwrap();
    let response = client.receive("POST").unwrap();
    assert_eq!((response.status(), response.header("connection").as_str()), (408, "close"));
    assert!(response.header("cache-status").contains("request_stalled"), "{:?}", response.head);
}

#[test]
fn content_that_http2_does_not_announce_keeps_a_get_out_of_the_cache() {
    let origin = Origin::with("/page", Reply::fresh("page"));
    let proxyd = Daemon::caching(origin.address()).start();
    let content = proxyd.directory().join("content");
    fs::write(&content, "query").unwrap();
    let content = content.to_str().unwrap();
    // Without the length that curl would say.
    let streamed = ["--http2-prior-knowledge", "-X", "GET", "-H", "Content-Length:", "-T", content];
    for _ in 0..2 {
        let response = curl_get(&proxyd.url("/page"), &streamed);
        assert_eq!((response.status, response.version.as_str()), (200, "2"));
        assert!(response.header("cache-status").contains("request_content"), "{response:?}");
    }
    let requests = origin.requests("/page");
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.content == b"query"), "{requests:?}");
    assert!(!curl_get(&proxyd.url("/page"), &[]).header("cache-status").contains(";hit"));
}
