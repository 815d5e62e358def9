//! A URL that can be fetched: `http` or `https`, a host, no user name.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;

/// Port of `http` (RFC 9110 §4.2.1).
const HTTP_PORT: u16 = 80;
/// Port of `https` (§4.2.2).
const HTTPS_PORT: u16 = 443;

/// An absolute `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    uri: Uri,
    host: String,
    port: u16,
}

/// Why a text is no URL that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No scheme in front.
    #[error("it has no scheme; did you mean http://{0} ?")]
    NoScheme(String),
    /// Another scheme.
    #[error("{0}:// is not spoken here: only http:// and https:// are")]
    Scheme(String),
    /// `http:///path`.
    #[error("it names no host; write it like http://127.0.0.1:8080/")]
    NoHost,
    /// `http://user@host/`.
    #[error("it holds a user name; send credentials in a header (-H), or leave them out")]
    UserInfo,
    /// No port, or port 0.
    #[error("its port is none: a port is 1 to 65535")]
    Port,
    /// Characters that no URL has.
    #[error("{0}; characters that a URL cannot have are written as %XX")]
    Syntax(String),
}

impl HttpUrl {
    /// Where to connect: a name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where to connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` field says (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Whether it asks for TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The whole of it, as a request has it.
    #[must_use]
    pub fn target(&self) -> Uri {
        self.uri.clone()
    }

    /// Another path and query of the same server; the path as it is where these are none.
    #[must_use]
    pub fn target_at(&self, path: &str) -> Uri {
        let mut parts = self.uri.clone().into_parts();
        if let Ok(path) = path.parse::<PathAndQuery>() {
            parts.path_and_query = Some(path);
        }
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }

    /// What is at `name` below its path.
    #[must_use]
    pub fn below(&self, name: &str) -> Uri {
        self.target_at(&format!("{}/{name}", self.uri.path().trim_end_matches('/')))
    }

    /// The request target in origin-form (RFC 9112 §3.2.1).
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.split_once("://") {
            None => return Err(UrlError::NoScheme(text.to_owned())),
            Some((scheme, _))
                if !["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it)) =>
            {
                return Err(UrlError::Scheme(scheme.to_owned()));
            }
            Some((_, rest)) if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) => {
                return Err(UrlError::NoHost);
            }
            Some(_) => {}
        }
        let uri: Uri = text
            .parse()
            .map_err(|error: http::uri::InvalidUri| UrlError::Syntax(error.to_string()))?;
        let authority = uri.authority().ok_or(UrlError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(0) => return Err(UrlError::Port),
            Some(port) => port,
            None if has_port => return Err(UrlError::Port),
            None if uri.scheme_str() == Some("https") => HTTPS_PORT,
            None => HTTP_PORT,
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self { uri, host, port })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_to_connect_and_what_to_ask() {
        for (text, host, port, authority, path) in [
            ("http://127.0.0.1:8080/a?b=c", "127.0.0.1", 8080, "127.0.0.1:8080", "/a?b=c"),
            ("http://example.net", "example.net", 80, "example.net", "/"),
            ("HTTP://example.net/", "example.net", 80, "example.net", "/"),
            ("http://[::1]:8080/x#top", "::1", 8080, "[::1]:8080", "/x"),
            ("http://[::1]/", "::1", 80, "[::1]", "/"),
            ("https://example.net/", "example.net", 443, "example.net", "/"),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!((url.authority(), url.path()), (authority, path), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_the_reason() {
        let cases = [
            ("127.0.0.1:8080/x", "did you mean http://127.0.0.1:8080/x"),
            ("ftp://example.net/", "only http://"),
            ("http://", "no host"),
            ("http:///index.html", "no host"),
            ("http://:8080/", "no host"),
            ("http://me@example.net/", "user name"),
            ("http://example.net:0/", "port"),
            ("http://example.net:/", "port"),
            ("http://example.net:65536/", "port"),
            ("http://example.net/a b", "%XX"),
        ];
        for (text, part) in cases {
            let error = text.parse::<HttpUrl>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
