//! Which daemon to talk to, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::Uri;
use selat_proto::socket::Daemon;

/// Where a control API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// On this machine: a socket path, or `unix:PATH`.
    Socket(PathBuf),
    /// Elsewhere, over TLS: `https://HOST:PORT`.
    Remote(Remote),
}

/// A daemon's address for those who are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Name or address, as the daemon's certificate has it.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A text that names no control API that this netctl can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Nothing.
    #[error("it is empty; give the path of a control socket, such as /run/proxyd/control.sock")]
    Empty,
    /// Something that is not TLS.
    #[error(
        "daemons elsewhere are controlled over TLS alone; give https://HOST:PORT, or the path of a \
         control socket"
    )]
    NoTls,
    /// No address.
    #[error(
        "https:// needs a host and a port and nothing more, such as https://proxy.example:9443"
    )]
    Address,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            return write!(f, "https://[{host}]:{port}");
        }
        write!(f, "https://{host}:{port}")
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let path = match text.split_once(':') {
            // unix:PATH, unix:/PATH and unix:///PATH (gRPC name resolution, doc/naming.md)
            Some(("unix", path)) if path.starts_with("///") => &path[2..],
            Some(("unix", path)) => path,
            Some(("https", _)) => return remote(text).map(Self::Remote),
            Some((_, rest)) if rest.starts_with("//") => return Err(TargetError::NoTls),
            _ => text,
        };
        if path.is_empty() { Err(TargetError::Empty) } else { Ok(Self::Socket(path.into())) }
    }
}

fn remote(url: &str) -> Result<Remote, TargetError> {
    let url: Uri = url.parse().map_err(|_| TargetError::Address)?;
    let authority = url.authority().ok_or(TargetError::Address)?;
    let is_plain = matches!(url.path(), "" | "/") && url.query().is_none();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match authority.port_u16() {
        Some(port) if is_plain && !authority.as_str().contains('@') && !host.is_empty() => {
            Ok(Remote { host: host.to_owned(), port })
        }
        _ => Err(TargetError::Address),
    }
}

/// Where to look for `daemon` when nobody says: its socket of this user's session, then the
/// system's, which root and the operators use also inside of a session.
pub(crate) fn usual_sockets(daemon: Daemon) -> Vec<PathBuf> {
    let session = daemon.control_socket();
    let system = Path::new("/run").join(daemon.name()).join("control.sock");
    if session == system { vec![system] } else { vec![session, system] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_paths_with_or_without_a_scheme() {
        for (text, path) in [
            ("/run/x.sock", "/run/x.sock"),
            ("x.sock", "x.sock"),
            ("unix:/run/x.sock", "/run/x.sock"),
            ("unix:x.sock", "x.sock"),
            ("unix:///run/x.sock", "/run/x.sock"),
        ] {
            assert_eq!(text.parse(), Ok(Target::Socket(path.into())), "{text}");
        }
    }

    #[test]
    fn daemons_elsewhere_have_a_host_and_a_port() {
        for (text, host, port) in [
            ("https://proxy.example:9443", "proxy.example", 9443),
            ("https://192.0.2.1:9443/", "192.0.2.1", 9443),
            ("https://[2001:db8::1]:9443", "2001:db8::1", 9443),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target, Target::Remote(Remote { host: host.to_owned(), port }), "{text}");
            assert_eq!(target.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_is_not_tls_or_no_address_is_refused() {
        for (text, error) in [
            ("", TargetError::Empty),
            ("unix:", TargetError::Empty),
            ("http://127.0.0.1:1", TargetError::NoTls),
            ("tcp://127.0.0.1:1", TargetError::NoTls),
            ("https://example.net", TargetError::Address),
            ("https://:9443", TargetError::Address),
            ("https://me@example.net:9443", TargetError::Address),
            ("https://example.net:9443/path", TargetError::Address),
            ("https:example.net", TargetError::Address),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }
}
