//! The index from 1 to 4 that Indonesian practice calls TIPHON, and cites as ETSI TR 101 329.
//!
//! ETSI's report classes voice calls by delay; the tables for jitter, loss and throughput are
//! custom, and variants are about: [`Tables`] has them.

use super::Language;
use super::tables::{Bounds, Side, Tables};

/// Bounds of the mean of all indices: from the first on is "Sangat Bagus".
pub const OVERALL_BOUNDS: [f64; 3] = [3.8, 3.0, 2.0];

/// A class of the table; ordered, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// 1, Jelek.
    Poor = 1,
    /// 2, Sedang.
    Fair = 2,
    /// 3, Bagus.
    Good = 3,
    /// 4, Sangat Bagus.
    VeryGood = 4,
}

impl Index {
    /// 1 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What the class is called.
    #[must_use]
    pub fn name(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english(),
            Language::Indonesian => self.indonesian(),
        }
    }

    /// The class in English.
    #[must_use]
    pub fn english(self) -> &'static str {
        match self {
            Self::VeryGood => "Very good",
            Self::Good => "Good",
            Self::Fair => "Fair",
            Self::Poor => "Poor",
        }
    }

    /// The class in Bahasa Indonesia.
    #[must_use]
    pub fn indonesian(self) -> &'static str {
        match self {
            Self::VeryGood => "Sangat Bagus",
            Self::Good => "Bagus",
            Self::Fair => "Sedang",
            Self::Poor => "Jelek",
        }
    }
}

/// What is graded; `None` for what was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Mean round-trip time, ms.
    pub delay_ms: Option<f64>,
    /// Mean difference of consecutive latencies, ms.
    pub jitter_ms: Option<f64>,
    /// Packet loss, percent.
    pub loss_pct: Option<f64>,
    /// Throughput, bit/s.
    pub throughput_bps: Option<f64>,
    /// Nominal bandwidth, bit/s.
    pub bandwidth_bps: Option<f64>,
}

/// The index of each measure, and of all that were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tiphon {
    /// By [`Tables::delay`].
    pub delay: Option<Index>,
    /// By [`Tables::jitter`].
    pub jitter: Option<Index>,
    /// By [`Tables::loss`].
    pub loss: Option<Index>,
    /// By [`Tables::throughput`].
    pub throughput: Option<Index>,
    /// Mean of the indices that there are, 1 to 4.
    pub mean: Option<f64>,
}

impl Tiphon {
    /// Grades what was measured by `tables`.
    #[must_use]
    pub fn of(measured: &Measured, tables: &Tables) -> Self {
        let class = |value: Option<f64>, bounds: &Bounds| value.map(|value| bounds.class(value));
        let delay = class(measured.delay_ms, &tables.delay);
        let jitter = measured.jitter_ms.map(|jitter| tables.jitter_class(jitter));
        let loss = class(measured.loss_pct, &tables.loss);
        let throughput = measured
            .throughput_bps
            .and_then(|bps| tables.throughput_class(bps, measured.bandwidth_bps));
        let mean = mean_index(&[delay, jitter, loss, throughput]);
        Self { delay, jitter, loss, throughput, mean }
    }

    /// The class of the mean.
    #[must_use]
    pub fn overall(&self) -> Option<Index> {
        let bounds = Bounds::new(Side::From, OVERALL_BOUNDS).ok()?;
        self.mean.map(|mean| bounds.class(mean))
    }

    /// The measure of the lowest class, if that is below `class`: a mean hides it.
    #[must_use]
    pub fn worst_below(&self, class: Index) -> Option<(&'static str, Index)> {
        let each = [
            ("delay", self.delay),
            ("jitter", self.jitter),
            ("loss", self.loss),
            ("throughput", self.throughput),
        ];
        let known = each.into_iter().filter_map(|(name, index)| Some((name, index?)));
        known.filter(|(_, index)| *index < class).min_by_key(|(_, index)| *index)
    }
}

fn mean_index(indices: &[Option<Index>]) -> Option<f64> {
    let numbers: Vec<f64> =
        indices.iter().flatten().map(|index| f64::from(index.number())).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
