//! A client of HTTP/1.1 (RFC 9112) over TCP that takes the time of each phase.

mod connection;
mod error;
mod url;
mod verdict;
mod wire;

pub(crate) use self::connection::{Connection, Responded, resolve};
pub(crate) use self::error::HttpError;
pub(crate) use self::url::HttpUrl;
pub(crate) use self::verdict::{Said, Verdict, said};
