//! HTTP as such: HEAD, keep-alive, HTTP/2, errors.

use std::{io::Write, net::TcpStream, process::Command, thread};

use crate::harness::{Client, Server};

#[test]
fn head_says_what_get_would_and_sends_no_content() {
    let server = Server::of(&[("index.html", b"hello"), ("docs/index.html", b"")]);
    let mut client = server.connect();
    for target in ["/", "/docs", "/missing", "/%00"] {
        let get = client.request("GET", target, &[]);
        let head = client.request("HEAD", target, &[]);
        assert_eq!(head.status, get.status, "{target}");
        for field in ["content-length", "content-type", "etag", "location", "cache-control"] {
            assert_eq!(head.field(field), get.field(field), "{target} {field}");
        }
        assert_eq!(get.field("content-length"), get.body.len().to_string());
    }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let server = Server::of(&[("index.html", b"hello")]);
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.request("GET", "/", &[]).body, b"hello");
        assert_eq!(client.request("GET", "/missing", &[]).status, 404);
        assert_eq!(client.request("PUT", "/", &["Content-Length: 0"]).status, 405);
    }
    // Several at once, answered in order.
    client.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    for status in [200, 404] {
        let mut reply = client.head();
        client.body(&mut reply);
        assert_eq!(reply.status, status);
    }
    let last = client.request("GET", "/", &["Connection: close"]);
    assert_eq!(last.body, b"hello");
    assert!(client.is_closed());
}

#[test]
fn many_clients_are_served_at_once() {
    let content = vec![b'x'; 300_000];
    let server = Server::of(&[("file.bin", &content)]);
    let address = server.http();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let content = content.clone();
            thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..3 {
                    assert!(client.request("GET", "/file.bin", &[]).body == content);
                }
            })
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().is_ok()));
}

#[test]
fn http_2_is_spoken_to_who_begins_with_it() {
    let content: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let server = Server::of(&[("file.bin", &content)]);
    let to = server.beside("got");
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--http2-prior-knowledge",
            "--write-out",
            "%{http_version} %{http_code}",
        ])
        .arg("--output")
        .arg(&to)
        .arg(format!("http://{}/file.bin", server.http()))
        .output()
        .expect("curl is installed");
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "2 200");
    assert!(std::fs::read(to).unwrap() == content);
}

#[test]
fn every_response_says_who_answers_and_what_it_is() {
    let server = Server::of(&[("style.css", b"a{}")]);
    let reply = server.get("/style.css");
    for (field, value) in [
        ("server", "websrvd"),
        ("content-type", "text/css; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "max-age=60"),
        ("accept-ranges", "bytes"),
        ("content-length", "3"),
    ] {
        assert_eq!(reply.field(field), value, "{field}");
    }
    assert!(!reply.field("date").is_empty() && !reply.field("last-modified").is_empty());
    let missing = server.get("/missing");
    assert_eq!(missing.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(missing.field("cache-control"), "no-store");
    assert!(String::from_utf8_lossy(&missing.body).contains("<title>404 Not Found</title>"));
}

#[test]
fn a_request_that_breaks_the_protocol_is_refused() {
    let server = Server::of(&[("index.html", b"hello")]);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("nonsense\r\n\r\n", 400),
        (&many, 431),
    ] {
        let mut client = server.connect();
        client.raw(request.as_bytes());
        assert_eq!(client.head().status, status, "{:.60}", request);
    }
}

#[test]
fn a_head_without_end_is_cut_off() {
    let server = Server::configured(&[], "[limits]\nheader_bytes = \"8KiB\"\n");
    let mut stream = TcpStream::connect(server.http()).unwrap();
    let mut sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ");
    // The kernel's buffers hold some megabytes of what the server does not take.
    for _ in 0..1_000 {
        sent = sent.and_then(|()| stream.write_all(&[b'x'; 64 << 10]));
    }
    assert!(sent.is_err());
}

#[test]
fn a_head_that_takes_too_long_is_cut_off() {
    let server = Server::configured(&[], "[timeouts]\nheader = \"50ms\"\n");
    for begun in ["", "G", "PR", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut client = server.connect();
        client.raw(begun.as_bytes());
        assert!(client.is_closed(), "{begun}");
    }
}

#[test]
fn a_copy_is_checked_by_its_tag() {
    let server = Server::of(&[("index.html", b"hello")]);
    let mut client = server.connect();
    let first = client.request("GET", "/", &[]);
    let known = format!("If-None-Match: {}", first.field("etag"));
    assert_eq!(client.request("GET", "/", &[&known]).status, 304);
    assert_eq!(client.request("GET", "/", &["Range: bytes=1-2"]).body, b"el");
    assert_eq!(
        client.request("GET", "/", &["Range: bytes=9-"]).field("content-range"),
        "bytes */5"
    );
    assert_eq!(client.request("GET", "/", &["If-Match: \"other\""]).status, 412);
}
