//! Where an origin is.

use std::{fmt, sync::Arc};

use http::Uri;

/// Port of `http` (RFC 9110 §4.2.1).
const HTTP_PORT: u16 = 80;

/// An origin's address. Cloning it copies a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginAddr {
    url: Arc<str>,
    host: Arc<str>,
    port: u16,
}

impl OriginAddr {
    /// Reads `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// Says what is wrong, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = "an origin such as http://127.0.0.1:8000 is expected";
        let uri: Uri = text.parse().map_err(|_| expected.to_owned())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("only http:// origins can be reached".to_owned()),
            _ => return Err(expected.to_owned()),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!("{expected}, without a path"));
        }
        let authority = uri.authority().ok_or_else(|| expected.to_owned())?;
        if authority.as_str().contains('@') {
            return Err(format!("{expected}, without a user"));
        }
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(HTTP_PORT));
        if host.is_empty() || port == 0 {
            return Err(expected.to_owned());
        }
        Ok(Self { url: format!("http://{host}:{port}").into(), host: host.into(), port })
    }

    /// `scheme://host:port`.
    pub(crate) fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// What to resolve and connect to.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        // A URI writes IPv6 addresses in brackets, the resolver does not.
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }
}

impl fmt::Display for OriginAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_with_what_would_be_right() {
        for (text, url) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://example.org/", "http://example.org:80"),
            ("http://[::1]:81", "http://[::1]:81"),
        ] {
            assert_eq!(OriginAddr::parse(text).unwrap().url().as_ref(), url);
        }
        for text in
            ["", "example.org", "ftp://a", "https://a", "http://", "http://a/b", "http://u@a"]
        {
            assert!(OriginAddr::parse(text).is_err(), "{text:?}");
        }
        let address = OriginAddr::parse("http://[::1]:81").unwrap();
        assert_eq!(address.host_and_port(), ("::1", 81));
    }
}
