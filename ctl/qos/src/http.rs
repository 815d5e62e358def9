//! A client of HTTP/1.1 and HTTP/2, with and without TLS, that takes the time of each phase.
//!
//! A [`Dialer`] knows how to reach a server and opens a [`Connection`]; that sends a request with a
//! [`Payload`] and gives a [`Responded`], whose body is read piece by piece. [`said`] reads what caches
//! on the way say they did.

mod connection;
mod dialer;
mod error;
mod payload;
mod tls;
mod url;
mod verdict;
mod wire;

pub use self::connection::{Connection, Opened, Responded};
pub use self::dialer::{Dialer, Protocol};
pub use self::error::{HttpError, Step};
pub use self::payload::Payload;
pub use self::tls::{Tls, Trust};
pub use self::url::{HttpUrl, UrlError};
pub use self::verdict::{Said, Verdict, said};
