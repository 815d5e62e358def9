//! Bodies: large, cut off, growing.

use std::{
    fs::{self, OpenOptions},
    io::Write,
};

use rustix::fs::{Advice, fadvise};

use crate::{control::Control, harness::Server};

const LARGE: usize = 64 << 20;

/// Content that is another at each place.
fn large() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..LARGE / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

#[test]
fn a_large_file_and_its_parts_arrive_as_they_are() {
    let content = large();
    let server = Server::of(&[("large.bin", &content)]);
    let mut client = server.connect();
    assert!(client.request("GET", "/large.bin", &[]).body == content);
    let (first, last) = (1_000_003, 50_000_017);
    let range = format!("Range: bytes={first}-{last}");
    let part = client.request("GET", "/large.bin", &[&range]);
    assert_eq!((part.status, part.field("content-length")), (206, "49000015"));
    assert!(part.body == content[first..=last]);
}

#[test]
fn a_file_that_is_not_in_memory_is_read_from_the_disk() {
    let content = large();
    let server = Server::of(&[("large.bin", &content), ("small.txt", b"small")]);
    for name in ["large.bin", "small.txt"] {
        let file = fs::File::open(server.root().join(name)).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
    let mut client = server.connect();
    assert_eq!(client.request("GET", "/small.txt", &[]).body, b"small");
    assert!(client.request("GET", "/large.bin", &[]).body == content);
}

#[test]
fn a_client_that_stops_reading_is_given_up() {
    let server = Server::configured(&[("large.bin", &large())], "[timeouts]\nwrite = \"50ms\"\n");
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let control = Control::of(&server);
    while control.status().connections_accepted == 0 || control.status().connections_active > 0 {}
    let mut reply = client.head();
    client.body(&mut reply);
    assert!(!reply.complete);
}

#[test]
fn a_file_that_shrinks_meanwhile_is_an_incomplete_response() {
    let content = large();
    let server = Server::of(&[("large.bin", &content), ("index.html", b"hello")]);
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let mut reply = client.head();
    assert_eq!(reply.field("content-length"), LARGE.to_string());
    reply.body = client.part(1 << 20);
    let file = OpenOptions::new().write(true).open(server.root().join("large.bin")).unwrap();
    file.set_len(2 << 20).unwrap();
    client.body(&mut reply);
    assert!(!reply.complete && client.is_closed());
    assert!(content.starts_with(&reply.body), "nothing is made up");
    assert_eq!(server.get("/").body, b"hello");
    assert_eq!(Control::of(&server).web().bodies_cut, 1);
}

#[test]
fn a_file_that_grows_meanwhile_is_sent_as_it_was_announced() {
    let content = large();
    let server = Server::of(&[("large.bin", &content), ("index.html", b"hello")]);
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let mut reply = client.head();
    reply.body = client.part(1 << 20);
    let mut file = OpenOptions::new().append(true).open(server.root().join("large.bin")).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    client.body(&mut reply);
    assert!(reply.complete && reply.body == content);
    assert_eq!(client.request("GET", "/", &[]).body, b"hello");
}

#[test]
fn a_file_that_is_replaced_meanwhile_is_sent_as_it_was() {
    let content = large();
    let server = Server::of(&[("large.bin", &content)]);
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let mut reply = client.head();
    reply.body = client.part(1 << 20);
    let next = server.beside("next");
    fs::write(&next, b"next").unwrap();
    fs::rename(next, server.root().join("large.bin")).unwrap();
    client.body(&mut reply);
    assert!(reply.complete && reply.body == content);
    assert_eq!(client.request("GET", "/large.bin", &[]).body, b"next");
}
