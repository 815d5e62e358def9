//! The measurement path: off unless it is configured, and within its limits.

use std::thread;

use crate::{control::Control, harness::Server};

const SETTINGS: &str = "[measure]\npath = \"/.well-known/nq\"\n";

fn server(more: &str) -> Server {
    Server::configured(&[("index.html", b"hello")], &format!("{SETTINGS}{more}"))
}

#[test]
fn nothing_of_it_is_there_unless_it_is_configured() {
    let server = Server::of(&[("index.html", b"hello")]);
    for path in ["", "/small", "/down?bytes=9"] {
        assert_eq!(server.get(&format!("/.well-known/nq{path}")).status, 404, "{path}");
    }
    server.rewrite(&server.root(), SETTINGS);
    Control::of(&server).reload().unwrap();
    assert_eq!(server.get("/.well-known/nq/small").status, 200);
}

#[test]
fn generated_data_has_the_length_that_was_asked_and_is_noise() {
    let server = server("");
    let mut client = server.connect();
    let reply = client.request("GET", "/.well-known/nq/down?bytes=20000000", &[]);
    assert_eq!((reply.status, reply.body.len()), (200, 20_000_000));
    for (field, value) in [
        ("cache-control", "no-store, no-transform"),
        ("content-type", "application/octet-stream"),
        ("content-length", "20000000"),
    ] {
        assert_eq!(reply.field(field), value, "{field}");
    }
    assert!(reply.field("server-timing").starts_with("ready;dur="), "{reply:?}");
    // Every byte value is about as frequent as the others.
    let mut counts = [0_u32; 256];
    reply.body.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    assert!(counts.iter().all(|count| (75_000..81_500).contains(count)), "{counts:?}");
    let head = client.request("HEAD", "/.well-known/nq/down?bytes=5", &[]);
    assert_eq!((head.status, head.field("content-length")), (200, "5"));
}

#[test]
fn the_small_object_is_one_byte_and_the_index_names_the_others() {
    let server = server("");
    assert_eq!(server.get("/.well-known/nq/small").body.len(), 1);
    let index = server.connect().request("GET", "/.well-known/nq", &[]);
    let text = String::from_utf8(index.body).unwrap();
    assert!(text.contains("\"upload_url\": \"http://test/.well-known/nq/up\""), "{text}");
    assert_eq!(server.get("/.well-known/nq/other").status, 404);
    assert_eq!(server.get("/").body, b"hello");
}

#[test]
fn an_upload_is_counted_and_its_count_is_answered() {
    let server = server("");
    let mut client = server.connect();
    for bytes in [0, 3_000_000] {
        client.send("POST", "/.well-known/nq/up", &[&format!("Content-Length: {bytes}")]);
        client.raw(&vec![7; bytes]);
        let mut reply = client.head();
        client.body(&mut reply);
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains(&format!("\"bytes\": {bytes},")), "{text}");
    }
    let stats = Control::of(&server).web();
    assert_eq!((stats.measured["upload"], stats.uploaded_bytes), (2, 3_000_000));
}

#[test]
fn what_is_past_a_limit_is_refused_and_counted() {
    let server = server("bytes = \"1000B\"\nduration = \"50ms\"\ntransfers = 1\n");
    assert_eq!(server.get("/.well-known/nq/down").field("content-length"), "1000");
    assert_eq!(server.get("/.well-known/nq/down?bytes=many").status, 400);
    assert_eq!(server.connect().request("POST", "/.well-known/nq/down", &[]).status, 405);
    assert_eq!(server.get("/.well-known/nq/up").field("allow"), "POST, PUT");
    let upload = |fields: &[&str], content: &[u8]| {
        let mut client = server.connect();
        client.send("POST", "/.well-known/nq/up", fields);
        client.raw(content);
        client.head().status
    };
    assert_eq!(upload(&["Content-Length: 1001"], b""), 413);
    let chunk = [&b"400\r\n"[..], &[7; 1024], b"\r\n"].concat();
    assert_eq!(upload(&["Transfer-Encoding: chunked"], &chunk), 413);
    assert_eq!(upload(&["Content-Length: 10"], b"half"), 408);
    let measured = Control::of(&server).web().measured;
    assert_eq!((measured["too_large"], measured["too_long"]), (2, 1));
    assert_eq!((measured["bad_length"], measured["method_refused"]), (1, 2));
}

#[test]
fn there_are_no_more_transfers_at_once_than_may_be() {
    let server = server("transfers = 1\n");
    let mut first = server.connect();
    // More than the kernel's buffers hold: it is under way until it is read.
    first.send("GET", "/.well-known/nq/down?bytes=100000000", &[]);
    assert_eq!(first.head().status, 200);
    let second = server.get("/.well-known/nq/down");
    assert_eq!((second.status, second.field("retry-after")), (503, "1"));
    assert_eq!(server.get("/.well-known/nq/small").status, 200);
    drop(first);
    // Its place is free as soon as the server sees that it is gone.
    while server.connect().request("GET", "/.well-known/nq/down?bytes=1", &[]).status == 503 {
        thread::yield_now();
    }
}

#[test]
fn a_download_that_takes_too_long_is_cut() {
    let server = server("duration = \"100ms\"\n");
    let mut client = server.connect();
    client.send("GET", "/.well-known/nq/down?bytes=10000000000", &[]);
    let mut reply = client.head();
    client.body(&mut reply);
    assert!(!reply.complete && !reply.body.is_empty());
}

#[test]
fn who_stops_reading_keeps_a_place_no_longer_than_a_transfer_may_take() {
    let server = server("duration = \"200ms\"\ntransfers = 1\n");
    let mut stalled = server.connect();
    stalled.send("GET", "/.well-known/nq/down?bytes=100000000", &[]);
    assert_eq!(stalled.head().status, 200);
    while server.connect().request("GET", "/.well-known/nq/down?bytes=1", &[]).status == 503 {
        thread::yield_now();
    }
    assert_eq!(stalled.part(1).len(), 1, "it is still there");
}

#[test]
fn a_path_that_cannot_be_is_refused_with_the_reason() {
    let twin = server("");
    twin.rewrite(&twin.root(), "[measure]\npath = \"nq/\"\n");
    let refused = twin.twin().err().expect("a configuration that is refused");
    assert!(refused.contains("measure.path") && refused.contains("plain names"), "{refused}");
}
