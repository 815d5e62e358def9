//! Pure: what the figures are worth to a person. Voice quality by the E-model (ITU-T G.107), the
//! index from 1 to 4 of the TIPHON tables that are customary in Indonesia, and the class of ITU-T
//! Y.1541 that the path keeps.

pub mod emodel;
mod file;
pub mod tables;
pub mod tiphon;
pub mod y1541;

use serde::{Deserialize, Serialize};

use self::emodel::{Codec, Voice};
pub use self::file::{PROFILE_BYTES_MAX, ProfileError};
use self::tables::Tables;
use self::tiphon::{Measured, Tiphon};
use self::y1541::Y1541;
use crate::analysis::{Analysis, ms};

/// What the grades presume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The codec of the call that the E-model imagines on this path.
    pub codec: Codec,
    /// Nominal bandwidth of the path, bit/s. Against it throughput is graded by default: a paced
    /// run receives what it sends, which says nothing about the path.
    pub bandwidth_bps: Option<f64>,
    /// The bounds of the TIPHON index.
    pub tables: Tables,
    /// What classes are called in.
    pub language: Language,
}

/// What the classes of the TIPHON index are called in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Very good, good, fair, poor.
    #[default]
    English,
    /// Sangat Bagus, Bagus, Sedang, Jelek.
    Indonesian,
}

/// The grades of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grades {
    /// Voice quality; `None` when no latency was measured.
    pub voice: Option<Voice>,
    /// TIPHON index of each measure and of all.
    pub tiphon: Tiphon,
    /// The class of network QoS; `None` when no latency was measured.
    pub y1541: Option<Y1541>,
}

impl Grades {
    /// Grades `analysis` under `profile`.
    #[must_use]
    pub fn of(analysis: &Analysis, profile: &Profile) -> Self {
        let latency_ms = analysis.latency.mean().map(ms);
        let jitter_ms = analysis.jitter.mean_ms;
        let measured = Measured {
            delay_ms: latency_ms,
            jitter_ms,
            loss_pct: analysis.loss_pct,
            throughput_bps: analysis.throughput_bps,
            bandwidth_bps: profile.bandwidth_bps,
        };
        Self {
            voice: Voice::of(
                profile.codec,
                latency_ms,
                jitter_ms,
                analysis.loss_pct,
                analysis.loss_runs.burst_ratio(),
            ),
            tiphon: Tiphon::of(&measured, &profile.tables),
            y1541: Y1541::of(analysis),
        }
    }
}
