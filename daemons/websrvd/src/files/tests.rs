//! Preconditions, ranges and overload, with the time passed in.

use std::{fs, sync::mpsc};

use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::*;

const TEXT: &[u8] = b"0123456789abcdefghijklmnop";

struct Fixture {
    directory: TempDir,
    site: Arc<Site>,
    now: SystemTime,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Fixture {
    /// One file, looked at long after it was written.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("text.txt"), TEXT).expect("written");
        let site = Site {
            root: Root::open(directory.path()).expect("a root"),
            cache_control: Some(HeaderValue::from_static("max-age=60")),
            disk: Blocking::new(1, Duration::from_millis(1)),
            retry_after: Duration::from_secs(5),
            limits: HttpLimits::default(),
        };
        let now = SystemTime::now() + Duration::from_secs(3600);
        Self { directory, site: Arc::new(site), now }
    }

    async fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(target).header("host", "test");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let response = answer(&self.site, &head, self.now).await.response;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Reply { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, fields: &[(&str, &str)]) -> Reply {
        self.ask("GET", "/text.txt", fields).await
    }
}

impl Reply {
    fn field(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_copy_that_is_still_good_is_not_sent_again() {
    let fixture = Fixture::new();
    let first = fixture.get(&[]).await;
    let (etag, modified) = (first.field("etag"), first.field("last-modified"));
    assert!(etag.starts_with('"'), "a strong tag: {etag}");
    let (weak, listed) = (format!("W/{etag}"), format!("\"other\", {etag}"));
    let cases: [(&[(&str, &str)], u16); 12] = [
        (&[("if-none-match", etag)], 304),
        (&[("if-none-match", &weak)], 304),
        (&[("if-none-match", &listed)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-modified-since", modified)], 304),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 200),
        (&[("if-none-match", "\"other\""), ("if-modified-since", modified)], 200),
        (&[("if-match", etag)], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-unmodified-since", modified)], 200),
        (&[("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 412),
    ];
    for (fields, status) in cases {
        let reply = fixture.get(fields).await;
        assert_eq!(reply.status.as_u16(), status, "{fields:?}");
        if status == 304 {
            assert!(reply.body.is_empty());
            assert_eq!(reply.field("etag"), etag);
            assert_eq!(reply.field("cache-control"), "max-age=60");
            assert!(!reply.headers.contains_key("content-length"));
        }
    }
}

#[tokio::test]
async fn a_range_is_what_was_asked_for_as_far_as_the_file_has_it() {
    let fixture = Fixture::new();
    let cases: [(&str, u16, &[u8], &str); 13] = [
        ("bytes=0-0", 206, b"0", "bytes 0-0/26"),
        ("bytes=3-5", 206, b"345", "bytes 3-5/26"),
        ("bytes=24-", 206, b"op", "bytes 24-25/26"),
        ("bytes=-3", 206, b"nop", "bytes 23-25/26"),
        ("bytes=-100", 206, TEXT, "bytes 0-25/26"),
        ("bytes=20-99999999999999999999", 206, b"klmnop", "bytes 20-25/26"),
        ("BYTES=1-1", 206, b"1", "bytes 1-1/26"),
        ("bytes=26-", 416, b"", "bytes */26"),
        ("bytes=-0", 416, b"", "bytes */26"),
        ("bytes=0-1,4-5", 200, TEXT, ""),
        ("bytes=5-3", 200, TEXT, ""),
        ("lines=1-2", 200, TEXT, ""),
        ("bytes=a-b", 200, TEXT, ""),
    ];
    for (range, status, body, content_range) in cases {
        let reply = fixture.get(&[("range", range)]).await;
        assert_eq!(reply.status.as_u16(), status, "{range}");
        assert_eq!(reply.field("content-range"), content_range, "{range}");
        assert_eq!(reply.field("content-length"), reply.body.len().to_string(), "{range}");
        if status != 416 {
            assert_eq!(reply.body, body, "{range}");
        }
    }
}

#[tokio::test]
async fn a_range_of_another_state_of_the_file_is_the_whole_file() {
    let fixture = Fixture::new();
    let first = fixture.get(&[]).await;
    let (etag, modified) = (first.field("etag"), first.field("last-modified"));
    let weak = format!("W/{etag}");
    for (if_range, status) in [
        (etag, 206),
        (modified, 206),
        (weak.as_str(), 200),
        ("\"other\"", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ] {
        let reply = fixture.get(&[("range", "bytes=1-1"), ("if-range", if_range)]).await;
        assert_eq!(reply.status.as_u16(), status, "{if_range}");
    }
}

#[tokio::test]
async fn a_range_counts_for_get_alone() {
    let reply = Fixture::new().ask("HEAD", "/text.txt", &[("range", "bytes=1-1")]).await;
    assert_eq!((reply.status.as_u16(), reply.field("content-length")), (200, "26"));
}

#[tokio::test]
async fn a_file_that_was_just_changed_has_a_weak_tag_and_the_time_of_the_answer() {
    let mut fixture = Fixture::new();
    let file = fs::File::open(fixture.directory.path().join("text.txt")).expect("a file");
    file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).expect("a date");
    fixture.now = SystemTime::now();
    let reply = fixture.get(&[]).await;
    assert!(reply.field("etag").starts_with("W/"), "{}", reply.field("etag"));
    let now = selat_core::http::date::format(fixture.now);
    assert_eq!(reply.field("last-modified"), now);
}

#[tokio::test]
async fn a_version_of_the_same_length_and_date_has_another_tag() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("text.txt");
    let first = fixture.get(&[]).await;
    let modified = fs::metadata(&path).and_then(|it| it.modified()).expect("a date");
    let next = fixture.directory.path().join("next");
    fs::write(&next, TEXT.to_ascii_uppercase()).expect("written");
    fs::File::open(&next).and_then(|file| file.set_modified(modified)).expect("a date");
    // The clock of the file system has moved on from the first version.
    while fs::metadata(&next).and_then(|it| it.created()).expect("a date") <= modified {
        fs::remove_file(&next).expect("removed");
        fs::write(&next, TEXT.to_ascii_uppercase()).expect("written");
        fs::File::open(&next).and_then(|file| file.set_modified(modified)).expect("a date");
    }
    fs::rename(&next, &path).expect("renamed");
    let second = fixture.get(&[("if-none-match", first.field("etag"))]).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(second.field("last-modified"), first.field("last-modified"));
}

#[tokio::test]
async fn a_disk_that_stays_busy_means_503_for_what_is_not_in_memory_alone() {
    let fixture = Fixture::new();
    assert_eq!(fixture.get(&[]).await.status, StatusCode::OK);
    let (done, wait) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let disk = fixture.site.disk.clone();
    let busy = tokio::spawn(async move {
        disk.run(move || {
            begun.send(()).expect("someone waits");
            wait.recv()
        })
        .await
    });
    tokio::task::spawn_blocking(move || begins.recv()).await.expect("no panic").expect("begun");
    // A name that nobody has asked for is not in the kernel's memory.
    let missing = fixture.ask("GET", "/not-there-yet", &[]).await;
    assert_eq!(missing.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(missing.field("retry-after"), "5");
    assert_eq!(fixture.get(&[]).await.status, StatusCode::OK);
    drop(done);
    assert!(busy.await.expect("no panic").expect("admitted").is_err());
    let missing = fixture.ask("GET", "/not-there-yet", &[]).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_empty_file_has_no_range() {
    let fixture = Fixture::new();
    fs::write(fixture.directory.path().join("empty"), b"").expect("written");
    let whole = fixture.ask("GET", "/empty", &[]).await;
    assert_eq!((whole.status.as_u16(), whole.field("content-length")), (200, "0"));
    assert_eq!(fixture.ask("GET", "/empty", &[("range", "bytes=0-")]).await.status, 416);
}

#[tokio::test]
async fn what_is_no_path_is_refused() {
    let fixture = Fixture::new();
    let long = format!("/{}", "a".repeat(9_000));
    for (method, target, status) in [
        ("GET", "/%00", 400),
        ("GET", "/a%2ftext.txt", 400),
        ("GET", long.as_str(), 414),
        ("OPTIONS", "*", 405),
        ("POST", "/text.txt", 405),
        ("DELETE", "/text.txt", 405),
        ("BREW", "/text.txt", 405),
    ] {
        let reply = fixture.ask(method, target, &[]).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {target}");
        assert_eq!(reply.field("cache-control"), "no-store");
        let allow = if status == 405 { "GET, HEAD" } else { "" };
        assert_eq!(reply.field("allow"), allow);
    }
}
