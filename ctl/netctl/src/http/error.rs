//! What goes wrong with a web server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::exit::Exit;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Looking up the address of the host.
    Lookup,
    /// Connecting.
    Connect,
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
            Self::Response => "waiting for the response",
            Self::Body => "receiving the body",
        })
    }
}

/// Why a page did not come, or not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
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
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Lookup { .. } | Self::Connect { .. } => Exit::Unreachable,
            Self::Slow { step: Step::Lookup | Step::Connect | Step::Response, .. } => {
                Exit::Unreachable
            }
            Self::Slow { step: Step::Body, .. }
            | Self::Response { .. }
            | Self::Incomplete { .. } => Exit::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Some("see which addresses are served: netctl status".to_owned())
            }
            Self::Slow { .. } => Some("wait longer with --timeout".to_owned()),
            _ => None,
        }
    }

    /// In two or three words, to be counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Lookup { .. } => "host not found",
            Self::Connect { .. } => "cannot connect",
            Self::Slow { .. } => "timed out",
            Self::Response { .. } => "no valid response",
            Self::Incomplete { .. } => "incomplete response",
        }
    }
}

fn received_of(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("the connection ended after {received} of {expected} body bytes"),
        None => format!("the connection ended after {received} body bytes, before the end"),
    }
}
