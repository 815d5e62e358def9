//! The client of HTTP that netctl fetches and measures with, and what its errors mean to a user.

use std::io;

pub(crate) use selat_qos::http::{
    Connection, Dialer, HttpError, HttpUrl, Protocol, Responded, Said, Step, Tls, Trust, Verdict,
    said,
};

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
        HttpError::Tls { .. } => Some(
            "name the authority that signed the certificate with --ca, or take any with --insecure"
                .to_owned(),
        ),
        _ => None,
    }
}
