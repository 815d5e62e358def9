//! What is wrong with a TLS connection, and who has to put it right: us, or the operator of the daemon.

use std::fmt;
use std::path::PathBuf;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use crate::exit::Exit;

/// What is wrong with a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// A file was not named.
    Unset(&'static str),
    /// A file of ours cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The authority that we trust did not make the daemon's certificate.
    Untrusted,
    /// The daemon's certificate is not valid now.
    Outdated,
    /// The daemon's certificate is made out to somebody else.
    Misnamed {
        /// To whom.
        names: Vec<String>,
    },
    /// The daemon's certificate is wrong in another way.
    Unsound {
        /// What TLS says.
        detail: String,
    },
    /// The daemon takes no certificate of the authority that made ours.
    Unaccepted,
    /// Our certificate is not valid now.
    Expired,
    /// The daemon has something else against us.
    Rejected {
        /// What it says.
        detail: String,
    },
    /// What listens there does not speak TLS 1.3.
    NoTls {
        /// What TLS says.
        detail: String,
    },
}

impl TlsFault {
    pub(super) fn of(error: &Error) -> Self {
        use CertificateError as Theirs;
        let detail = error.to_string();
        match error {
            // A signature that does not fit is one of another authority of the same name.
            Error::InvalidCertificate(Theirs::UnknownIssuer | Theirs::BadSignature) => {
                Self::Untrusted
            }
            Error::InvalidCertificate(
                Theirs::Expired
                | Theirs::ExpiredContext { .. }
                | Theirs::NotValidYet
                | Theirs::NotValidYetContext { .. },
            ) => Self::Outdated,
            Error::InvalidCertificate(Theirs::NotValidForNameContext { presented, .. }) => {
                Self::Misnamed { names: presented.clone() }
            }
            Error::InvalidCertificate(_) => Self::Unsound { detail },
            Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::DecryptError) => {
                Self::Unaccepted
            }
            Error::AlertReceived(AlertDescription::CertificateExpired) => Self::Expired,
            Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::NoApplicationProtocol,
            )
            | Error::InvalidMessage(_)
            | Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_) => Self::NoTls { detail },
            _ => Self::Rejected { detail },
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unset(_) => Exit::Usage,
            Self::File { .. } => Exit::Failed,
            Self::Untrusted
            | Self::Outdated
            | Self::Misnamed { .. }
            | Self::Unsound { .. }
            | Self::NoTls { .. } => Exit::Unreachable,
            Self::Unaccepted | Self::Expired | Self::Rejected { .. } => Exit::Denied,
        }
    }

    /// What would help, for a daemon of this `name`.
    pub(super) fn hint(&self, name: &str) -> String {
        match self {
            Self::Unset(flag) => format!(
                "name the file with {flag} or {}: netctl and {name} show each other certificates",
                flag.trim_start_matches("--")
                    .replace('-', "_")
                    .to_uppercase()
                    .replace("TLS", "NETCTL_TLS")
            ),
            Self::File { .. } => "files with \"-----BEGIN …\" (PEM) are expected".to_owned(),
            Self::Untrusted => format!(
                "name the authority that made the certificate in remote.certificate of {name}.toml with --tls-ca"
            ),
            Self::Outdated | Self::Unsound { .. } => {
                format!(
                    "have remote.certificate of {name} made anew, then: netctl reload {name}; or mend a clock"
                )
            }
            Self::Misnamed { .. } => format!(
                "call {name} by a name of its certificate, or have that made out to this name, too"
            ),
            Self::Unaccepted => {
                format!(
                    "show one of an authority in remote.client_ca of {name}.toml, with --tls-cert and --tls-key"
                )
            }
            Self::Expired => "have a new one made; or mend a clock".to_owned(),
            Self::Rejected { .. } => format!("see why: {name}'s log with log-level debug"),
            Self::NoTls { .. } => {
                format!(
                    "name the address in remote.listen of {name}.toml; netctl status there shows it"
                )
            }
        }
    }
}

/// To be read after where the daemon is, and a colon.
impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(flag) => write!(f, "{flag} is not given"),
            Self::File { path, problem } => write!(f, "cannot use {}: {problem}", path.display()),
            Self::Untrusted => f.write_str("its certificate is of another authority than we trust"),
            Self::Outdated => f.write_str("its certificate is not valid now"),
            Self::Misnamed { names } => {
                write!(f, "its certificate is made out to {}", names.join(", "))
            }
            Self::Unsound { detail } => write!(f, "its certificate cannot be taken: {detail}"),
            Self::Unaccepted => {
                f.write_str("it takes no certificate of the authority that made ours")
            }
            Self::Expired => f.write_str("our certificate is not valid now"),
            Self::Rejected { detail } => write!(f, "it rejects us: {detail}"),
            Self::NoTls { detail } => write!(f, "it does not speak TLS 1.3 with us: {detail}"),
        }
    }
}
