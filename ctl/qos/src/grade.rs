//! Pure: what the figures are worth to a person. Voice quality by the E-model (ITU-T G.107), and the
//! index from 1 to 4 of the TIPHON tables that are customary in Indonesia.

pub mod emodel;
pub mod tiphon;

use self::emodel::{Codec, Voice};
use self::tiphon::{Measured, Tiphon};
use crate::analysis::{Analysis, ms};

/// What the grades presume.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// The codec of the call that the E-model imagines on this path.
    pub codec: Codec,
    /// Nominal bandwidth of the path, bit/s. Throughput is graded only against it: a paced run
    /// receives what it sends, which says nothing about the path.
    pub bandwidth_bps: Option<f64>,
}

/// The grades of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grades {
    /// Voice quality; `None` when no latency was measured.
    pub voice: Option<Voice>,
    /// TIPHON index of each measure and of all.
    pub tiphon: Tiphon,
}

impl Grades {
    /// Grades `analysis` under `profile`.
    #[must_use]
    pub fn of(analysis: &Analysis, profile: &Profile) -> Self {
        let latency_ms = analysis.latency.mean().map(ms);
        let jitter_ms = analysis.jitter.mean_ms;
        let usage_pct = analysis.throughput_bps.zip(profile.bandwidth_bps);
        Self {
            voice: Voice::of(
                profile.codec,
                latency_ms,
                jitter_ms,
                analysis.loss_pct,
                analysis.loss_runs.burst_ratio(),
            ),
            tiphon: Tiphon::of(&Measured {
                delay_ms: latency_ms,
                jitter_ms,
                loss_pct: analysis.loss_pct,
                bandwidth_pct: usage_pct.map(|(bps, nominal)| bps / nominal * 100.0),
            }),
        }
    }
}
