//! Responses that no cache keeps and nobody transforms, each with the server's own time.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, request::Parts};
use tokio::time::Instant;

use super::{Download, MeasureOutcome};

/// RFC 9111 §5.2.2.5 and §5.2.2.6: neither stored nor compressed on the way.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-store, no-transform");
/// Seconds that a client is asked to stay away while there is no place.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A response, and what it stands for.
#[derive(Debug)]
pub(crate) struct Measured {
    /// What became of the request.
    pub(crate) outcome: MeasureOutcome,
    /// Bytes that an upload had.
    pub(crate) uploaded_bytes: u64,
    /// What the client gets.
    pub(crate) response: Response<Download>,
}

impl Measured {
    fn new(outcome: MeasureOutcome, content: Download, length: u64, kind: &'static str) -> Self {
        let mut response = Response::new(content);
        *response.status_mut() = outcome.status();
        let fields = [
            (header::SERVER, HeaderValue::from_static("websrvd")),
            (header::CACHE_CONTROL, CACHE_CONTROL),
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_LENGTH, length.into()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        response.headers_mut().extend(fields);
        Self { outcome, uploaded_bytes: 0, response }
    }

    fn whole(outcome: MeasureOutcome, content: Bytes, kind: &'static str) -> Self {
        let length = content.len() as u64;
        Self::new(outcome, Download::whole(content), length, kind)
    }

    fn headers(&mut self) -> &mut HeaderMap {
        self.response.headers_mut()
    }

    /// `Server-Timing` (W3C): what the server itself took, ms.
    fn timed(mut self, metric: &str, begun: Instant) -> Self {
        let elapsed_ms = begun.elapsed().as_secs_f64() * 1e3;
        if let Ok(value) = HeaderValue::from_str(&format!("{metric};dur={elapsed_ms:.3}")) {
            self.headers().insert("server-timing", value);
        }
        self
    }
}

/// The document of draft-ietf-ippm-responsiveness-09, "Well-Known URI For Test Server Discovery".
pub(super) fn index(path: &str, head: &Parts) -> Measured {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(|authority| authority.as_str()).or(host);
    // Of these alone is a host made (RFC 3986 §3.2.2): nothing in it ends the text that it stands in.
    let is_plain = |host: &&str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte))
    };
    let base = format!("http://{}{path}", host.filter(is_plain).unwrap_or_default());
    let text = format!(
        "{{\n  \"version\": 1,\n  \"urls\": {{\n    \"large_download_url\": \"{base}/down\",\n    \
         \"small_download_url\": \"{base}/small\",\n    \"upload_url\": \"{base}/up\"\n  }}\n}}\n"
    );
    Measured::whole(MeasureOutcome::Small, text.into(), "application/json")
}

/// One byte.
pub(super) fn small(block: &Bytes, begun: Instant) -> Measured {
    Measured::whole(MeasureOutcome::Small, block.slice(..1), "application/octet-stream")
        .timed("ready", begun)
}

/// A download of `bytes`; for HEAD, `content` is none of them.
pub(super) fn download(content: Download, bytes: u64, begun: Instant) -> Measured {
    let outcome = MeasureOutcome::Download;
    Measured::new(outcome, content, bytes, "application/octet-stream").timed("ready", begun)
}

/// What the sink took in.
pub(super) fn uploaded(bytes: u64, begun: Instant) -> Measured {
    let elapsed_ms = begun.elapsed().as_secs_f64() * 1e3;
    let text = format!("{{\"bytes\": {bytes}, \"duration_ms\": {elapsed_ms:.3}}}\n");
    let measured = Measured::whole(MeasureOutcome::Upload, text.into(), "application/json");
    Measured { uploaded_bytes: bytes, ..measured }.timed("receive", begun)
}

/// Why not. `allow` is what RFC 9110 §15.5.6 asks a 405 to say.
pub(super) fn refusal(outcome: MeasureOutcome, allow: &'static str) -> Measured {
    let meaning = Bytes::from_static(outcome.meaning().as_bytes());
    let mut refused = Measured::whole(outcome, meaning, "text/plain; charset=utf-8");
    match outcome {
        MeasureOutcome::MethodRefused => {
            refused.headers().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        MeasureOutcome::Busy => {
            refused.headers().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        _ => {}
    }
    refused
}
