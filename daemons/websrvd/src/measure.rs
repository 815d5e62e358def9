//! What throughput and responsiveness are measured against, below one path that is off unless it is
//! configured: generated data to fetch, a sink to send to, an object of one byte.
//!
//! 1. [`Measure::asked`] finds out what a request wants, or that it is none of ours.
//! 2. [`Measure::answer`] takes a place among the transfers, or says 503.
//! 3. A download is slices of one block of random bytes, shared by all: nothing is allocated for it. An
//!    upload is counted and dropped.
//!
//! Below `/.well-known/nq` it is a test server of draft-ietf-ippm-responsiveness-09, without TLS.

mod download;
mod outcome;
mod reply;
mod upload;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, request::Parts};
use hyper::body::Incoming;
use tokio::{sync::Semaphore, time::Instant};

use self::{download::block, reply::refusal};
pub(crate) use self::{
    download::{Download, TooLong},
    outcome::MeasureOutcome,
    reply::Measured,
};

/// What the configuration says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeasureConfig {
    /// Path that everything is below; none where nothing of it is served.
    pub(crate) path: Option<String>,
    /// Most bytes of one transfer.
    pub(crate) bytes_max: u64,
    /// Longest time that one transfer may take.
    pub(crate) duration_max: Duration,
    /// Most transfers at once.
    pub(crate) transfers_max: usize,
}

/// The path and its limits, in force.
pub(crate) struct Measure {
    path: String,
    bytes_max: u64,
    duration_max: Duration,
    transfers: Arc<Semaphore>,
    block: Bytes,
}

/// What a request below the path wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The document that says where the rest is.
    Index,
    /// One byte.
    Small,
    /// Generated data.
    Down,
    /// The sink.
    Up,
}

impl Measure {
    /// What `config` asks for; none where it is off.
    pub(crate) fn of(config: &MeasureConfig) -> Option<Self> {
        Some(Self {
            path: config.path.clone()?,
            bytes_max: config.bytes_max,
            duration_max: config.duration_max,
            transfers: Arc::new(Semaphore::new(config.transfers_max)),
            block: block(),
        })
    }

    /// What a request wants here; none where it is for a file.
    pub(crate) fn asked(&self, head: &Parts) -> Option<Asked> {
        match head.uri.path().strip_prefix(&self.path)? {
            "" => Some(Asked::Index),
            "/small" => Some(Asked::Small),
            "/down" => Some(Asked::Down),
            "/up" => Some(Asked::Up),
            _ => None,
        }
    }

    /// Answers a request that came at `begun`.
    pub(crate) async fn answer(
        &self,
        asked: Asked,
        head: &Parts,
        content: Incoming,
        begun: Instant,
    ) -> Measured {
        let is_read = head.method == Method::GET || head.method == Method::HEAD;
        match asked {
            Asked::Up if head.method == Method::POST || head.method == Method::PUT => {
                self.receive(content, begun).await
            }
            Asked::Index if is_read => reply::index(&self.path, head),
            Asked::Small if is_read => reply::small(&self.block, begun),
            Asked::Down if is_read => self.send(head, begun),
            Asked::Up => refusal(MeasureOutcome::MethodRefused, "POST, PUT"),
            _ => refusal(MeasureOutcome::MethodRefused, "GET, HEAD"),
        }
    }

    fn send(&self, head: &Parts, begun: Instant) -> Measured {
        let Ok(bytes) = download::length(head.uri.query(), self.bytes_max) else {
            return refusal(MeasureOutcome::BadLength, "");
        };
        if head.method == Method::HEAD {
            return reply::download(Download::default(), bytes, begun);
        }
        let Ok(place) = Arc::clone(&self.transfers).try_acquire_owned() else {
            return refusal(MeasureOutcome::Busy, "");
        };
        let ends_at = begun + self.duration_max;
        reply::download(Download::new(self.block.clone(), bytes, ends_at, place), bytes, begun)
    }

    async fn receive(&self, content: Incoming, begun: Instant) -> Measured {
        let Ok(_place) = self.transfers.try_acquire() else {
            return refusal(MeasureOutcome::Busy, "");
        };
        match upload::sink(content, self.bytes_max, begun + self.duration_max).await {
            Ok(bytes) => reply::uploaded(bytes, begun),
            Err(outcome) => refusal(outcome, ""),
        }
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Measure").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A path as the configuration may have it; none where it is empty.
pub(crate) fn path(text: &str) -> Result<Option<String>, String> {
    let is_path = text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte))
        && !text.split('/').any(|name| matches!(name, "." | ".."));
    match text {
        "" => Ok(None),
        _ if is_path => Ok(Some(text.to_owned())),
        _ => Err("a path of plain names is expected, such as /.well-known/nq, or \"\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_plain_names_or_none() {
        assert_eq!(path(""), Ok(None));
        assert_eq!(path("/.well-known/nq"), Ok(Some("/.well-known/nq".to_owned())));
        for text in ["nq", "/", "/a/", "/a//b", "/a/../b", "/a?b", "/a b", "/a%20"] {
            assert!(path(text).is_err(), "{text}");
        }
    }
}
