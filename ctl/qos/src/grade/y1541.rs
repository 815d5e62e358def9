//! The network QoS class of ITU-T Y.1541 (table 1) that a path kept during a run.
//!
//! The objectives are of one way: IPTD, the mean delay; IPDV, the upper 1 − 10⁻³ quantile of delay
//! less its minimum; IPLR, the loss ratio. Where a reflector's clock tells both ways, the worse of
//! them is held to a class. Where it does not, the whole round trip is: it bounds each way from
//! above, so that a class which it keeps is kept on both.

use crate::analysis::{Analysis, Distribution, ms, ratio};

/// The quantile of delay that IPDV is taken at, percent.
const IPDV_PERCENT: f64 = 99.9;

/// A class with its objectives; `None` is unspecified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// 0 to 7.
    pub number: u8,
    /// Upper bound of the mean delay, ms.
    pub iptd_ms: Option<f64>,
    /// Upper bound of the delay variation, ms.
    pub ipdv_ms: Option<f64>,
    /// Upper bound of the loss ratio.
    pub iplr: Option<f64>,
}

/// Every class, the most demanding first. Classes 6 and 7 are provisional in the Recommendation.
pub const CLASSES: [Class; 8] = [
    class(6, Some(100.0), Some(50.0), Some(1e-5)),
    class(7, Some(400.0), Some(50.0), Some(1e-5)),
    class(0, Some(100.0), Some(50.0), Some(1e-3)),
    class(1, Some(400.0), Some(50.0), Some(1e-3)),
    class(2, Some(100.0), None, Some(1e-3)),
    class(3, Some(400.0), None, Some(1e-3)),
    class(4, Some(1_000.0), None, Some(1e-3)),
    class(5, None, None, None),
];

const fn class(number: u8, iptd_ms: Option<f64>, ipdv_ms: Option<f64>, iplr: Option<f64>) -> Class {
    Class { number, iptd_ms, ipdv_ms, iplr }
}

/// What was held to the objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The worse of both ways.
    OneWay,
    /// The round trip, an upper bound of each way.
    RoundTrip,
}

impl Basis {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneWay => "one_way",
            Self::RoundTrip => "round_trip",
        }
    }
}

/// How a run fares against Y.1541.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Y1541 {
    /// What the figures are of.
    pub basis: Basis,
    /// Mean delay, ms.
    pub iptd_ms: f64,
    /// Upper 1 − 10⁻³ quantile of delay less the minimum, ms.
    pub ipdv_ms: f64,
    /// Loss ratio, 0 to 1.
    pub iplr: f64,
    /// Probes that were sent: as many as the ratio is of.
    pub packets: u64,
}

impl Y1541 {
    /// `None` where no latency was measured.
    pub(super) fn of(analysis: &Analysis) -> Option<Self> {
        let packets = analysis.sent;
        let round_trip = Self::figures(&analysis.latency)?;
        let one_way = analysis
            .one_way
            .as_ref()
            .and_then(|ways| Some((Self::figures(&ways.up)?, Self::figures(&ways.down)?)));
        let (basis, (iptd_ms, ipdv_ms)) = match one_way {
            Some((up, down)) => (Basis::OneWay, (up.0.max(down.0), up.1.max(down.1))),
            None => (Basis::RoundTrip, round_trip),
        };
        Some(Self { basis, iptd_ms, ipdv_ms, iplr: worse_loss(analysis)?, packets })
    }

    fn figures(delays: &Distribution) -> Option<(f64, f64)> {
        Some((ms(delays.mean()?), ms(delays.delay_variation(IPDV_PERCENT)?)))
    }

    /// Whether the run keeps `class`.
    #[must_use]
    pub fn keeps(&self, class: &Class) -> bool {
        let within = |value: f64, bound: Option<f64>| bound.is_none_or(|bound| value <= bound);
        within(self.iptd_ms, class.iptd_ms)
            && within(self.ipdv_ms, class.ipdv_ms)
            && within(self.iplr, class.iplr)
            && self.can_tell(class)
    }

    /// The most demanding class that the run keeps. Class 5 asks nothing.
    #[must_use]
    pub fn class(&self) -> u8 {
        let [.., unspecified] = CLASSES;
        CLASSES.into_iter().find(|class| self.keeps(class)).unwrap_or(unspecified).number
    }

    /// Whether the run is long enough for a loss ratio and a quantile of 10⁻³ to mean anything:
    /// what it says of classes 0 to 4 is else only that nothing speaks against them.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.packets >= Self::SOUND_PACKETS
    }

    /// Fewest packets of which one in a thousand can be told.
    pub const SOUND_PACKETS: u64 = 1_000;

    /// A class that allows one loss in 100,000 is not claimed by a run that could not have seen it.
    fn can_tell(&self, class: &Class) -> bool {
        let strict = class.iplr.is_some_and(|iplr| iplr < 1e-3);
        !strict || class.iplr.is_some_and(|iplr| self.packets as f64 * iplr >= 1.0)
    }
}

/// The loss ratio of the worse way where both are known to the last probe, else of the round trip.
fn worse_loss(analysis: &Analysis) -> Option<f64> {
    let both = ratio(analysis.lost, analysis.sent)?;
    let Some(lost) = analysis.loss_direction.filter(|lost| lost.unknown == 0) else {
        return Some(both);
    };
    let up = ratio(lost.up, analysis.sent)?;
    let down = ratio(lost.down, analysis.sent - lost.up).unwrap_or(0.0);
    Some(up.max(down))
}
