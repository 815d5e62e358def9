//! Browser mode: verdict, phases, body, and pages that do not come.

use std::fs;

use netctl::Exit;
use serde_json::json;

use crate::origin::{nobody, web};
use crate::ran::{assert_has, netctl};

const HIT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nAge: 3\r\n\
Cache-Status: far; fwd=miss, proxyd; hit; ttl=57\r\n\r\nhello\n";
const BINARY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\0\x01\x02\xff";
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhello";
const NO_HTTP: &[u8] = b"close the door\r\n\r\n";

fn url(path: &str) -> String {
    let answers = [("/", HIT), ("/logo.png", BINARY), ("/cut", CUT), ("/no-http", NO_HTTP)];
    format!("http://{}{path}", web(&answers))
}

#[test]
fn a_page_is_shown_with_verdict_phases_headers_and_body() {
    let text = netctl(&["fetch", &url("/")]).text();
    assert_has(&text, &["HTTP/1.1 200 OK", "content-type", "text/html", "\nhello\n"]);
    assert_has(&text, &["HIT  proxyd answered from what it had stored", "fresh for 57 s", "3 s"]);
    assert_has(&text, &["dns", "connect", "request", "first byte", "body", "total"]);
}

#[test]
fn a_page_for_programs_has_the_phases_as_numbers() {
    let document = netctl(&["-o", "json", "fetch", &url("/")]).json();
    assert_eq!(document["status"], json!(200));
    assert_eq!((&document["cache"], &document["cache_ttl_s"]), (&json!("HIT"), &json!(57)));
    assert_eq!((&document["age_s"], &document["body_bytes"]), (&json!(3), &json!(6)));
    assert!(document["dns_ms"].is_null(), "an address is not looked up");
    for phase in ["connect_ms", "request_ms", "first_byte_ms", "body_ms", "total_ms"] {
        assert!(document[phase].is_number(), "{phase}");
    }
}

#[test]
fn repeated_fetches_have_a_line_each() {
    let text = netctl(&["fetch", "--repeat", "3", &url("/")]).text();
    assert_eq!(text.matches("HIT").count(), 3, "{text}");
    assert_has(&text, &["3 of 3 responses from the cache"]);
    let document = netctl(&["-o", "json", "fetch", "--repeat", "2", &url("/")]).json();
    assert_eq!(document["entries"].as_array().unwrap().len(), 2);
    let csv = netctl(&["-o", "csv", "fetch", "--repeat", "2", &url("/")]).text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

#[test]
fn a_binary_body_is_kept_in_a_file_and_not_shown() {
    let text = netctl(&["fetch", &url("/logo.png")]).text();
    assert_has(&text, &["4 B, not shown because it is no text"]);
    assert!(!text.contains('\0'));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("logo.png");
    let text = netctl(&["fetch", "-O", file.to_str().unwrap(), &url("/logo.png")]).text();
    assert_has(&text, &["4 B, written to"]);
    assert_eq!(fs::read(file).unwrap(), b"\0\x01\x02\xff");
}

#[test]
fn a_body_for_a_pipe_comes_alone() {
    let ran = netctl(&["fetch", "-O", "-", &url("/")]);
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Success, "hello\n"));
    assert_has(&ran.notes, &["200 OK", "HIT", "first byte"]);
}

#[test]
fn a_head_request_waits_for_no_body() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let url = format!("http://{}/", web(&[("/", head)]));
    assert_has(&netctl(&["fetch", "-I", &url]).text(), &["HEAD ", "content-length", "1000"]);
}

#[test]
fn a_page_that_was_cut_is_told_from_a_whole_one() {
    let ran = netctl(&["fetch", &url("/cut")]);
    assert_eq!(ran.exit, Exit::Failed);
    assert_has(&ran.notes, &["incomplete", "after 5 of 100 body bytes"]);
}

#[test]
fn an_answer_that_is_no_http_is_told_as_such() {
    let complaint = netctl(&["fetch", &url("/no-http")]).complaint(Exit::Failed);
    assert_has(&complaint, &["no valid HTTP response"]);
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    let address = nobody();
    let complaint = netctl(&["fetch", &format!("http://{address}/")]).complaint(Exit::Unreachable);
    assert_has(&complaint, &["cannot connect to", &address.to_string(), "netctl status"]);
}

#[test]
fn a_server_that_never_answers_is_not_waited_for_beyond_the_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let complaint = netctl(&["--timeout", "200ms", "fetch", &url]).complaint(Exit::Unreachable);
    assert_has(&complaint, &["waiting for the response took longer than 200ms", "--timeout"]);
}

#[test]
fn a_status_of_400_and_more_fails_only_where_that_is_asked() {
    let missing = url("/missing");
    assert_has(&netctl(&["fetch", &missing]).text(), &["404 Not Found"]);
    let ran = netctl(&["fetch", "--fail", &missing]);
    assert_eq!(ran.exit, Exit::Failed);
    assert_has(&ran.notes, &["the server answered 404 Not Found"]);
}
