//! The bounds of the TIPHON index: those that are customary, in the variants that are about, and any
//! others that somebody grades by. Every table classes every value, and a better value never worse.
//!
//! | variant | index 4 | index 3 | index 2 | index 1 |
//! |---|---|---|---|---|
//! | D-A: delay (RTT), ms | < 150 | < 300 | < 450 | else |
//! | J-A: jitter, whole ms | 0 | to 75 | to 125 | else |
//! | J-B: jitter, ms | < 75 | < 125 | < 225 | else |
//! | L-A: loss, % | 0 | to 3 | to 15 | else |
//! | L-B: loss, % | < 3 | < 15 | < 25 | else |
//! | T-P: throughput, % of the bandwidth | ≥ 75 | ≥ 50 | ≥ 25 | else |
//! | T-A: throughput, bit/s | ≥ 2.1 M | ≥ 1.2 M | ≥ 700 k | else |
//!
//! The default is D-A, J-A, L-B and T-P. J-A rounds to whole milliseconds, half up: no real clock
//! measures the 0 that its index 4 asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tiphon::Index;

/// Most of one percentage.
const PERCENT_MAX: f64 = 100.0;

/// On which side of a bound the better class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Less is better, the bound itself is of the worse class.
    Below,
    /// Less is better, the bound itself is of the better class.
    UpTo,
    /// More is better, the bound itself is of the better class.
    From,
    /// More is better, the bound itself is of the worse class.
    Above,
}

impl Side {
    /// As it stands in a profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::UpTo => "up_to",
            Self::From => "from",
            Self::Above => "above",
        }
    }

    /// Whether less is better.
    #[must_use]
    pub fn is_cost(self) -> bool {
        matches!(self, Self::Below | Self::UpTo)
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::UpTo => value <= bound,
            Self::From => value >= bound,
            Self::Above => value > bound,
        }
    }
}

/// Why three numbers are no bounds.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BoundsError {
    /// Below zero, or no number.
    #[error("the bound of index {index}, {bound}, must be a number from 0")]
    Number {
        /// Of which class, 4 to 2.
        index: usize,
        /// What it is.
        bound: f64,
    },
    /// A worse class would begin before a better one ends.
    #[error("the bound of index {index}, {bound}, must be {order} that of index {}, {better}", index + 1)]
    Order {
        /// Of which class, 3 or 2.
        index: usize,
        /// What it is.
        bound: f64,
        /// `above` or `below`.
        order: &'static str,
        /// The bound of the class before it.
        better: f64,
    },
}

/// The bounds of the classes 4, 3 and 2; what none of them holds is 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Bounds {
    side: Side,
    cuts: [f64; 3],
}

#[derive(Serialize, Deserialize)]
struct Raw(Side, [f64; 3]);

impl Bounds {
    /// Bounds in the order of the classes 4, 3, 2.
    ///
    /// # Errors
    /// A bound that is no number from 0, or that is not on the worse side of the one before it.
    pub fn new(side: Side, cuts: [f64; 3]) -> Result<Self, BoundsError> {
        for (place, bound) in cuts.into_iter().enumerate() {
            if !bound.is_finite() || bound < 0.0 {
                return Err(BoundsError::Number { index: 4 - place, bound });
            }
        }
        for place in 1..cuts.len() {
            let (better, bound) = (cuts[place - 1], cuts[place]);
            let (is_ordered, order) =
                if side.is_cost() { (bound > better, "above") } else { (bound < better, "below") };
            if !is_ordered {
                return Err(BoundsError::Order { index: 4 - place, bound, order, better });
            }
        }
        Ok(Self { side, cuts })
    }

    /// The class of `value`; what is no number is of the worst.
    #[must_use]
    pub fn class(&self, value: f64) -> Index {
        let [very_good, good, fair] = self.cuts.map(|bound| self.side.holds(value, bound));
        match (very_good, good, fair) {
            (true, ..) => Index::VeryGood,
            (_, true, _) => Index::Good,
            (.., true) => Index::Fair,
            _ => Index::Poor,
        }
    }

    /// On which side of the bounds the better classes are.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The bounds of the classes 4, 3 and 2.
    #[must_use]
    pub fn cuts(&self) -> [f64; 3] {
        self.cuts
    }

    const fn fixed(side: Side, cuts: [f64; 3]) -> Self {
        Self { side, cuts }
    }
}

impl TryFrom<Raw> for Bounds {
    type Error = BoundsError;

    fn try_from(Raw(side, cuts): Raw) -> Result<Self, BoundsError> {
        Self::new(side, cuts)
    }
}

impl From<Bounds> for Raw {
    fn from(bounds: Bounds) -> Self {
        Self(bounds.side, bounds.cuts)
    }
}

/// `4 below 150, 3 below 300, 2 below 450`.
impl fmt::Display for Bounds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side.name().replace('_', " ");
        let [very_good, good, fair] = self.cuts;
        write!(out, "4 {side} {very_good}, 3 {side} {good}, 2 {side} {fair}")
    }
}

/// What throughput is graded by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Throughput {
    /// Percent of the nominal bandwidth; not graded where none is known.
    Share(Bounds),
    /// bit/s.
    Rate(Bounds),
}

impl Throughput {
    /// The bounds and their unit.
    #[must_use]
    pub fn bounds(&self) -> (Bounds, &'static str) {
        match self {
            Self::Share(bounds) => (*bounds, "% of bandwidth"),
            Self::Rate(bounds) => (*bounds, "bit/s"),
        }
    }
}

/// The tables of the index, each with its bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// What they are called: `TIPHON (customary)`, with the variants that are not the usual ones.
    pub name: String,
    /// Mean round-trip time, ms.
    pub delay: Bounds,
    /// Mean difference of consecutive latencies, ms.
    pub jitter: Bounds,
    /// Whether jitter is rounded to whole milliseconds first, half up.
    pub whole_jitter: bool,
    /// Loss, percent.
    pub loss: Bounds,
    /// Throughput.
    pub throughput: Throughput,
}

/// What all tables without a name of their own are called.
const CUSTOMARY: &str = "TIPHON (customary)";

/// The names of the built-in variants.
pub const VARIANTS: [&str; 7] = ["D-A", "J-A", "J-B", "L-A", "L-B", "T-P", "T-A"];

impl Default for Tables {
    fn default() -> Self {
        Self {
            name: CUSTOMARY.to_owned(),
            delay: Bounds::fixed(Side::Below, [150.0, 300.0, 450.0]),
            jitter: Bounds::fixed(Side::UpTo, [0.0, 75.0, 125.0]),
            whole_jitter: true,
            loss: Bounds::fixed(Side::Below, [3.0, 15.0, 25.0]),
            throughput: Throughput::Share(Bounds::fixed(Side::From, [75.0, 50.0, 25.0])),
        }
    }
}

impl Tables {
    /// Takes the variant `name` of [`VARIANTS`], in capitals or not; false where there is none.
    pub fn take_variant(&mut self, name: &str) -> bool {
        let usual = Self::default();
        match name.to_ascii_uppercase().as_str() {
            "D-A" => self.delay = usual.delay,
            "J-A" => (self.jitter, self.whole_jitter) = (usual.jitter, usual.whole_jitter),
            "J-B" => {
                self.jitter = Bounds::fixed(Side::Below, [75.0, 125.0, 225.0]);
                self.whole_jitter = false;
            }
            "L-A" => self.loss = Bounds::fixed(Side::UpTo, [0.0, 3.0, 15.0]),
            "L-B" => self.loss = usual.loss,
            "T-P" => self.throughput = usual.throughput,
            "T-A" => {
                let bounds = Bounds::fixed(Side::From, [2_100_000.0, 1_200_000.0, 700_000.0]);
                self.throughput = Throughput::Rate(bounds);
            }
            _ => return false,
        }
        true
    }

    /// The customary tables with these variants; the first that there is not, as an error.
    ///
    /// # Errors
    /// The name that is no variant's.
    pub fn of_variants<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut tables = Self::default();
        let mut taken = Vec::new();
        for name in names {
            if !tables.take_variant(name) {
                return Err(name);
            }
            taken.push(name.to_ascii_uppercase());
        }
        tables.name = format!("{CUSTOMARY}, {}", taken.join(", "));
        Ok(tables)
    }

    /// The class of a jitter, ms.
    #[must_use]
    pub fn jitter_class(&self, jitter_ms: f64) -> Index {
        // Half up, as people round.
        let whole = (jitter_ms + 0.5).floor();
        self.jitter.class(if self.whole_jitter { whole } else { jitter_ms })
    }

    /// The class of a throughput; `None` where it is graded as a share of a bandwidth that is not
    /// known.
    #[must_use]
    pub fn throughput_class(&self, bps: f64, bandwidth_bps: Option<f64>) -> Option<Index> {
        match &self.throughput {
            Throughput::Share(bounds) => Some(bounds.class(bps / bandwidth_bps? * PERCENT_MAX)),
            Throughput::Rate(bounds) => Some(bounds.class(bps)),
        }
    }
}
