//! curl as a peer that nobody here wrote.

use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};

/// What curl got.
#[derive(Debug)]
pub struct Fetched {
    /// Status code of the last response.
    pub status: u16,
    /// Its version as curl prints it: `1.1`, `2`.
    pub version: String,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Fetched {
    /// The first value of a header field, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Runs curl with `arguments` and returns its exit code and what it printed.
#[must_use]
pub fn curl(arguments: &[&str]) -> (i32, Vec<u8>) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(arguments)
        .output()
        .expect("curl is installed (tests/run does that)");
    (output.status.code().expect("curl ends by itself"), output.stdout)
}

/// Gets `url` with more `arguments`; the whole response must come.
#[must_use]
pub fn curl_get(url: &str, arguments: &[&str]) -> Fetched {
    let (code, output) = curl(&[&["--include", url], arguments].concat());
    assert_eq!(code, 0, "curl {url}: {}", String::from_utf8_lossy(&output));
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("there is a head");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let (status, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
    let mut words = status.split(' ');
    let version = words.next().and_then(|word| word.strip_prefix("HTTP/")).unwrap().to_owned();
    let status = words.next().unwrap().parse().unwrap();
    let headers = fields.lines().filter_map(field).collect();
    Fetched { status, version, headers, body: output[end + 4..].to_vec() }
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}
