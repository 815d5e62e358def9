//! What a measurement must not exceed, and what it means when nothing can be measured.

use std::time::Duration;

use selat_qos::analysis::{Analysis, ms};

use crate::duration;
use crate::exit::Exit;

/// Bounds that a measurement must keep.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Thresholds")]
pub(super) struct Thresholds {
    /// End with 4 where more than this many percent are lost
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_loss: Option<f64>,
    /// End with 4 where the mean latency is above this, such as 20ms
    #[arg(long, value_name = "TIME", value_parser = duration::parse_with_unit)]
    max_latency: Option<Duration>,
    /// End with 4 where the jitter is above this, such as 5ms
    #[arg(long, value_name = "TIME", value_parser = duration::parse_with_unit)]
    max_jitter: Option<Duration>,
}

/// Why a measurement that was made is no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unmet {
    /// A bound was exceeded, or the measure that it bounds could not be taken.
    #[error("{measure} is {measured}, above the threshold of {bound}")]
    Threshold {
        /// Of what.
        measure: &'static str,
        /// How much.
        measured: String,
        /// How much at most.
        bound: String,
    },
    /// A bound was missed from below.
    #[error("{measure} is {measured}, below the threshold of {bound}")]
    Fewer {
        /// Of what.
        measure: &'static str,
        /// How much.
        measured: String,
        /// How much at least.
        bound: String,
    },
    /// A measure got worse by more than was allowed.
    #[error("{measure} changed by {measured}, more than the threshold of {bound}")]
    Change {
        /// Of what.
        measure: &'static str,
        /// By how much.
        measured: String,
        /// By how much at most.
        bound: String,
    },
    /// More than one of these, or of a test that has to be named.
    #[error("{told}")]
    Several {
        /// Each as if it were alone.
        told: String,
    },
    /// The target has no address.
    #[error("cannot find the address of {target}: {reason}")]
    NoAddress {
        /// As it was given.
        target: String,
        /// What was found out.
        reason: String,
    },
    /// The target's host says that nobody listens.
    #[error("nobody listens on UDP {target}")]
    Refused {
        /// Where probes went.
        target: String,
    },
    /// Nothing came back at all.
    #[error("nothing came back from {target}")]
    Silent {
        /// Where it was sent.
        target: String,
    },
    /// Not one request got a good answer.
    #[error("no request to {target} succeeded: {reason}")]
    Failed {
        /// What was asked.
        target: String,
        /// Why, with counts.
        reason: String,
    },
    /// The server was reached, and then nothing was answered.
    #[error("nothing that was asked of {target} was answered")]
    Unanswered {
        /// What was asked.
        target: String,
    },
    /// The streams broke off, and no probe beside them was answered.
    #[error("no load could be carried with {target}: {reason}")]
    Broken {
        /// What was asked.
        target: String,
        /// Why, with counts.
        reason: String,
    },
    /// The last Ctrl-C that there is.
    #[error("interrupted; nothing was kept")]
    Interrupted,
}

impl Unmet {
    /// All of `missed`, told in one go; each with the test that it is of, where that has to be named.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn all(missed: Vec<(Option<String>, Self)>) -> Result<(), Self> {
        match <[_; 1]>::try_from(missed) {
            Ok([(None, unmet)]) => Err(unmet),
            Ok([(Some(test), unmet)]) => Err(Self::Several { told: format!("{test}: {unmet}") }),
            Err(missed) if missed.is_empty() => Ok(()),
            Err(missed) => {
                let told = missed.into_iter().map(|(test, unmet)| match test {
                    Some(test) => format!("{test}: {unmet}"),
                    None => unmet.to_string(),
                });
                Err(Self::Several { told: told.collect::<Vec<_>>().join("; ") })
            }
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Threshold { .. }
            | Self::Fewer { .. }
            | Self::Change { .. }
            | Self::Several { .. } => Exit::Missed,
            Self::NoAddress { .. } | Self::Refused { .. } | Self::Silent { .. } => {
                Exit::Unreachable
            }
            Self::Failed { .. }
            | Self::Unanswered { .. }
            | Self::Broken { .. }
            | Self::Interrupted => Exit::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => Some(
                "see where proxyd relays UDP: netctl status proxyd; or name a target: netctl qos \
                 udp HOST:PORT"
                    .to_owned(),
            ),
            Self::Silent { .. } => Some(
                "check that an echo or a STAMP reflector is there, and no filter on the way"
                    .to_owned(),
            ),
            Self::Unanswered { .. } => Some(
                "see with netctl status how the server fares, or wait longer with --timeout"
                    .to_owned(),
            ),
            Self::Broken { .. } => Some("see with netctl status how the server fares".to_owned()),
            _ => None,
        }
    }
}

impl Thresholds {
    /// Every bound that is exceeded.
    pub(super) fn exceeded(&self, analysis: &Analysis) -> impl Iterator<Item = Unmet> {
        let latency_ms = analysis.latency.mean().map(ms);
        let bound_ms = |bound: Option<Duration>| bound.map(ms);
        [
            exceeded("loss", analysis.loss_pct, self.max_loss, "%"),
            exceeded("latency", latency_ms, bound_ms(self.max_latency), "ms"),
            exceeded("jitter", analysis.jitter.mean_ms, bound_ms(self.max_jitter), "ms"),
        ]
        .into_iter()
        .flatten()
    }
}

fn exceeded(
    measure: &'static str,
    measured: Option<f64>,
    bound: Option<f64>,
    unit: &str,
) -> Option<Unmet> {
    let bound = bound?;
    let measured = match measured {
        Some(measured) if measured > bound => format!("{measured:.3} {unit}"),
        Some(_) => return None,
        None => "not measured".to_owned(),
    };
    Some(Unmet::Threshold { measure, measured, bound: format!("{bound} {unit}") })
}

/// `5` or `5%`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').trim().parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a percentage is 0 to 100".to_owned()),
    }
}
