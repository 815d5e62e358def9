//! The index from 1 to 4 that Indonesian practice calls TIPHON, and cites as ETSI TR 101 329.
//!
//! ETSI's report classes voice calls by delay; the tables for jitter, loss and throughput are
//! custom, and variants are about. The one used here, in half-open intervals without gaps:
//!
//! | index | delay (RTT), ms | jitter, ms | loss, % | throughput, % of bandwidth |
//! |---|---|---|---|---|
//! | 4 Sangat Bagus | < 150 | 0 | < 3 | ≥ 75 |
//! | 3 Bagus | < 300 | 1 to 75 | < 15 | ≥ 50 |
//! | 2 Sedang | < 450 | 76 to 125 | < 25 | ≥ 25 |
//! | 1 Jelek | ≥ 450 | > 125 | ≥ 25 | < 25 |
//!
//! Jitter is rounded to whole milliseconds first, half up: no real clock measures the 0 that
//! index 4 asks for.

/// Bounds of delay, ms: below the first is index 4, below the second 3, below the third 2.
pub const DELAY_BOUNDS_MS: [f64; 3] = [150.0, 300.0, 450.0];
/// Bounds of jitter, ms, where rounding to whole milliseconds crosses 0, 75 and 125.
pub const JITTER_BOUNDS_MS: [f64; 3] = [0.5, 75.5, 125.5];
/// Bounds of loss, percent.
pub const LOSS_BOUNDS_PCT: [f64; 3] = [3.0, 15.0, 25.0];
/// Bounds of throughput, percent of the nominal bandwidth: from the first on is index 4.
pub const THROUGHPUT_BOUNDS_PCT: [f64; 3] = [75.0, 50.0, 25.0];
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

    /// The class of a measure of which less is better.
    fn of_cost(value: f64, [very_good, good, fair]: [f64; 3]) -> Self {
        match value {
            value if value < very_good => Self::VeryGood,
            value if value < good => Self::Good,
            value if value < fair => Self::Fair,
            _ => Self::Poor,
        }
    }

    /// The class of a measure of which more is better.
    fn of_benefit(value: f64, [very_good, good, fair]: [f64; 3]) -> Self {
        match value {
            value if value >= very_good => Self::VeryGood,
            value if value >= good => Self::Good,
            value if value >= fair => Self::Fair,
            _ => Self::Poor,
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
    /// Throughput, percent of the nominal bandwidth.
    pub bandwidth_pct: Option<f64>,
}

/// The index of each measure, and of all that were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiphon {
    /// By [`DELAY_BOUNDS_MS`].
    pub delay: Option<Index>,
    /// By [`JITTER_BOUNDS_MS`].
    pub jitter: Option<Index>,
    /// By [`LOSS_BOUNDS_PCT`].
    pub loss: Option<Index>,
    /// By [`THROUGHPUT_BOUNDS_PCT`].
    pub throughput: Option<Index>,
    /// Mean of the indices that there are, 1 to 4.
    pub mean: Option<f64>,
}

impl Tiphon {
    /// Grades what was measured.
    #[must_use]
    pub fn of(measured: &Measured) -> Self {
        let cost = |value: Option<f64>, bounds| value.map(|value| Index::of_cost(value, bounds));
        let delay = cost(measured.delay_ms, DELAY_BOUNDS_MS);
        let jitter = cost(measured.jitter_ms, JITTER_BOUNDS_MS);
        let loss = cost(measured.loss_pct, LOSS_BOUNDS_PCT);
        let throughput =
            measured.bandwidth_pct.map(|value| Index::of_benefit(value, THROUGHPUT_BOUNDS_PCT));
        let mean = mean_index(&[delay, jitter, loss, throughput]);
        Self { delay, jitter, loss, throughput, mean }
    }

    /// The class of the mean.
    #[must_use]
    pub fn overall(&self) -> Option<Index> {
        self.mean.map(|mean| Index::of_benefit(mean, OVERALL_BOUNDS))
    }
}

fn mean_index(indices: &[Option<Index>]) -> Option<f64> {
    let numbers: Vec<f64> =
        indices.iter().flatten().map(|index| f64::from(index.number())).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
