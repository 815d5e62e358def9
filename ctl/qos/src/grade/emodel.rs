//! The E-model of ITU-T G.107 in its simplified form: every parameter at its default but delay,
//! codec and packet loss. Within one point of R of the full model up to 300 ms.
//!
//! R = 93.2 − Id − Ie,eff with
//! Id = 0.024 d + 0.11 (d − 177.3) H(d − 177.3), d the one-way mouth-to-ear delay in ms, and
//! Ie,eff = Ie + (95 − Ie) Ppl / (Ppl / BurstR + Bpl) (G.107 §7.4), Ppl the loss in percent.

use serde::{Deserialize, Serialize};

/// R of a path without impairment, all parameters at their defaults (G.107 table 2).
pub const R_MAX: f64 = 93.2;
/// Delay from which speakers begin to interrupt each other, ms.
const INTERRUPTING_DELAY_MS: f64 = 177.3;
/// Largest impairment by codec and loss (G.107 §7.4).
const IE_MAX: f64 = 95.0;

/// A speech codec, with its equipment impairment factor Ie and packet-loss robustness Bpl
/// (ITU-T G.113 appendix I) and the delay it adds: frames of a packet plus look-ahead (G.114).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// G.711 that conceals losses (G.711 appendix I), 20 ms a packet. The default: what the
    /// endpoints of a call over IP agree on when nothing else is said.
    #[default]
    G711Plc,
    /// G.711 that plays silence for a loss, 20 ms a packet.
    G711,
    /// G.729A with voice activity detection, two frames of 10 ms a packet.
    G729a,
    /// G.723.1 at 6.3 kbit/s, one frame of 30 ms a packet.
    G7231,
    /// GSM enhanced full rate, one frame of 20 ms a packet.
    GsmEfr,
}

impl Codec {
    /// Every codec of the table.
    pub const ALL: [Self; 5] = [Self::G711Plc, Self::G711, Self::G729a, Self::G7231, Self::GsmEfr];

    /// The name to print beside every grade: it moves the grade by more than a point.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::G711Plc => "G.711 with PLC",
            Self::G711 => "G.711 without PLC",
            Self::G729a => "G.729A with VAD",
            Self::G7231 => "G.723.1 at 6.3 kbit/s",
            Self::GsmEfr => "GSM-EFR",
        }
    }

    /// Ie, Bpl, and milliseconds that the codec adds one way.
    fn parameters(self) -> (f64, f64, f64) {
        match self {
            Self::G711Plc => (0.0, 25.1, 20.0),
            Self::G711 => (0.0, 4.3, 20.0),
            Self::G729a => (11.0, 19.0, 25.0),
            Self::G7231 => (15.0, 16.1, 37.5),
            Self::GsmEfr => (5.0, 10.0, 20.0),
        }
    }
}

/// The quality of a call over the measured path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// The codec that is presumed.
    pub codec: Codec,
    /// Presumed one-way delay from mouth to ear, ms: half the mean round trip, twice the jitter
    /// for the receiver's buffer, and the codec's own.
    pub delay_ms: f64,
    /// Transmission rating factor R, 0 to 93.2.
    pub r_factor: f64,
    /// Mean opinion score, 1 to 4.5.
    pub mos: f64,
}

impl Voice {
    /// The rating of a path; `None` without a latency. A jitter that was not measured (a single
    /// answer) needs no buffer; a burst ratio that was not measured (no loss) is that of random
    /// loss, and so is one below 1.
    pub(super) fn of(
        codec: Codec,
        latency_ms: Option<f64>,
        jitter_ms: Option<f64>,
        loss_pct: Option<f64>,
        burst_ratio: Option<f64>,
    ) -> Option<Self> {
        let (_, _, codec_delay_ms) = codec.parameters();
        let delay_ms = latency_ms? / 2.0 + 2.0 * jitter_ms.unwrap_or(0.0) + codec_delay_ms;
        let r_factor = r_factor(codec, delay_ms, loss_pct?, burst_ratio.unwrap_or(1.0));
        Some(Self { codec, delay_ms, r_factor, mos: mos(r_factor) })
    }

    /// What users say of a call with this R (ITU-T G.107 annex B, G.109).
    #[must_use]
    pub fn satisfaction(&self) -> &'static str {
        match self.r_factor {
            r if r >= 90.0 => "very satisfied",
            r if r >= 80.0 => "satisfied",
            r if r >= 70.0 => "some users dissatisfied",
            r if r >= 60.0 => "many users dissatisfied",
            r if r >= 50.0 => "nearly all users dissatisfied",
            _ => "not recommended",
        }
    }
}

/// R for a one-way mouth-to-ear delay in ms, a loss in percent and a burst ratio of at least 1;
/// clamped to 0 to [`R_MAX`].
#[must_use]
pub fn r_factor(codec: Codec, delay_ms: f64, loss_pct: f64, burst_ratio: f64) -> f64 {
    let (impairment, robustness, _) = codec.parameters();
    let delay_impairment = 0.024 * delay_ms + 0.11 * (delay_ms - INTERRUPTING_DELAY_MS).max(0.0);
    let loss_weight = loss_pct / (loss_pct / burst_ratio.max(1.0) + robustness);
    let effective_impairment = impairment + (IE_MAX - impairment) * loss_weight;
    (R_MAX - delay_impairment - effective_impairment).clamp(0.0, R_MAX)
}

/// The mean opinion score for an R (G.107 annex B): 1 to 4.5.
#[must_use]
pub fn mos(r_factor: f64) -> f64 {
    let r = r_factor.clamp(0.0, 100.0);
    // The polynomial dips below 1 for R under 6.5; the scale does not.
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 4.5)
}
