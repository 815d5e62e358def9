//! The client of HTTP that netctl fetches and measures with, and what its errors mean to a user.

mod trust;

use std::io;

pub(crate) use selat_qos::http::{
    Connection, Dialer, HttpError, HttpUrl, Protocol, Responded, Said, Step, Tls, Trust, Verdict,
    said,
};

use tokio_rustls::rustls::{self, CertificateError};

pub(crate) use self::trust::TrustArgs;
use crate::exit::Exit;

/// How a command ends for want of a response.
pub(crate) fn exit(error: &HttpError) -> Exit {
    match error {
        HttpError::Lookup { .. } | HttpError::Connect { .. } => Exit::Unreachable,
        HttpError::Slow { step: Step::Body, .. } => Exit::Failed,
        HttpError::Slow { .. } => Exit::Unreachable,
        HttpError::Tls { .. } | HttpError::Response { .. } | HttpError::Incomplete { .. } => {
            Exit::Failed
        }
    }
}

/// What the user can do about it.
pub(crate) fn hint(error: &HttpError) -> Option<String> {
    match error {
        HttpError::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
            Some("see which addresses are served: netctl status".to_owned())
        }
        HttpError::Slow { .. } => Some("wait longer with --timeout".to_owned()),
        HttpError::Tls { source, .. } => tls_hint(source).map(str::to_owned),
        _ => None,
    }
}

fn tls_hint(error: &io::Error) -> Option<&'static str> {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref()) else {
        return Some("see that --ca names a file of certificates (PEM)");
    };
    match error {
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("ask by a name of its certificate, or take any certificate with --insecure"),
        InvalidCertificate(_) => Some(
            "name the authority that signed the certificate with --ca, or take any with --insecure",
        ),
        InvalidMessage(_) => Some("see whether it speaks TLS: try http:// in place of https://"),
        _ => None,
    }
}
