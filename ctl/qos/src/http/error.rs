//! What goes wrong with a web server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::tls::Trust;
use super::url::HttpUrl;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking up the address of the host.
    Lookup,
    /// Connecting.
    Connect,
    /// Agreeing on a TLS session.
    Tls,
    /// Waiting for the head of the response.
    Response,
    /// Waiting for more of the body.
    Body,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "looking up the host",
            Self::Connect => "connecting",
            Self::Tls => "agreeing on TLS",
            Self::Response => "waiting for the response",
            Self::Body => "receiving the body",
        })
    }
}

/// Why a page did not come, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The host has no address.
    #[error("cannot find the address of {host}")]
    Lookup {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody takes the connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No TLS session came about.
    #[error("no TLS session with {host}")]
    Tls {
        /// Who, or whom to trust.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Too slow.
    #[error("{host}: {step} took longer than {limit:?}")]
    Slow {
        /// Who.
        host: String,
        /// At what.
        step: Step,
        /// How long we waited.
        limit: Duration,
    },
    /// The answer is no HTTP, or the connection ended before it came.
    #[error("{host} gave no valid HTTP response")]
    Response {
        /// Who.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The connection ended before the body did (RFC 9112 §8).
    #[error("the response is incomplete: {}", received_of(*.received, *.expected))]
    Incomplete {
        /// Body bytes that came.
        received: u64,
        /// Body bytes that were promised.
        expected: Option<u64>,
        /// Why.
        #[source]
        source: hyper::Error,
    },
}

impl HttpError {
    /// There is nothing to trust by.
    pub(super) fn trust(trust: &Trust, why: &dyn fmt::Display) -> Self {
        let host = match trust {
            Trust::Authorities(file) => file.display().to_string(),
            Trust::System | Trust::Anyone => "the certificates of this system".to_owned(),
        };
        Self::Tls { host, source: io::Error::other(why.to_string()) }
    }

    /// Nothing can be run here at all.
    pub(crate) fn no_runtime(url: &HttpUrl, source: io::Error) -> Self {
        Self::Lookup { host: url.host().to_owned(), source }
    }
}

fn received_of(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("the connection ended after {received} of {expected} body bytes"),
        None => format!("the connection ended after {received} body bytes, before the end"),
    }
}
