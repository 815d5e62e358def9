//! How netctl ends: one exit code for each thing that a script does differently.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use selat_qos::bulk::{BulkError, BulkSpecError};
use selat_qos::load::LoadError;
use selat_qos::schedule::ScheduleError;
use selat_qos::session::SpecError;
use selat_qos::sweep::SweepError;

use crate::client::ControlError;
use crate::cmd::qos::{NoFigure, Unmet};
use crate::cmd::restart::UnitError;
use crate::http::{self, HttpError};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Success,
    /// It could not.
    Failed,
    /// It was asked something that makes no sense.
    Usage,
    /// A daemon or a target cannot be reached.
    Unreachable,
    /// A measurement missed a threshold that was set.
    Missed,
    /// The daemon's socket is not open to this user.
    Denied,
}

impl Exit {
    /// The code that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Missed => 4,
            Self::Denied => 77,
        }
    }

    /// What an error that reached the top means.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(exit_of).unwrap_or(Self::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Arguments that make no sense together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) &'static str);

/// What the user can do about an error, if we know.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let control = cause.downcast_ref::<ControlError>().and_then(ControlError::hint);
        let http = || cause.downcast_ref::<HttpError>().and_then(http::hint);
        let unmet = || cause.downcast_ref::<Unmet>().and_then(Unmet::hint);
        let unit = || cause.downcast_ref::<UnitError>().map(UnitError::hint);
        let bulk = || cause.downcast_ref::<BulkError>().and_then(bulk_hint);
        control.or_else(bulk).or_else(http).or_else(unmet).or_else(unit)
    })
}

fn bulk_hint(error: &BulkError) -> Option<String> {
    match error {
        BulkError::Refused { .. } => Some(
            "have websrvd offer something to measure against: path = \"/.well-known/nq\" in the section \
             [measure] of its configuration; and name that path"
                .to_owned(),
        ),
        // Whoever is transparent, is asked itself.
        BulkError::Http(error) => http::hint(error),
        BulkError::Thread(_) => None,
    }
}

fn exit_of(cause: &(dyn Error + 'static)) -> Option<Exit> {
    if let Some(error) = cause.downcast_ref::<ControlError>() {
        return Some(error.exit());
    }
    if let Some(error) = cause.downcast_ref::<HttpError>() {
        return Some(http::exit(error));
    }
    if let Some(BulkError::Http(error)) = cause.downcast_ref::<BulkError>() {
        return Some(http::exit(error));
    }
    if let Some(error) = cause.downcast_ref::<Unmet>() {
        return Some(error.exit());
    }
    let is_measure = cause.is::<ScheduleError>()
        || cause.is::<SpecError>()
        || cause.is::<SweepError>()
        || cause.is::<LoadError>()
        || cause.is::<BulkSpecError>();
    if cause.is::<Misuse>() || cause.is::<NoFigure>() || is_measure {
        return Some(Exit::Usage);
    }
    // Whoever reads our output has read enough.
    let io = cause.downcast_ref::<io::Error>()?;
    (io.kind() == io::ErrorKind::BrokenPipe).then_some(Exit::Success)
}
