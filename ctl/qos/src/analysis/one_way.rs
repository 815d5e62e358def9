//! One-way delays between two clocks that nobody synchronised.
//!
//! 1. The offset of the reflector's clock is estimated from the third of the answers with the lowest
//!    round trip, in the first and in the second half of the run: there the ways are most alike.
//! 2. Between the two halves it drifts along a line.
//! 3. Every delay is read against it, from zero to the round trip.
//!
//! The estimate takes the fastest ways for equally long; the error bar is what it is off at most if
//! they are not (Crusader's method; the bound is NTP's, RFC 5905 §11.1: half of the round trip).

use std::time::Duration;

use super::Distribution;
use crate::sample::Sample;

/// Answers that each half must have for a drift to be told.
const HALF_MIN: usize = 6;
/// Share of each half that is taken for undisturbed.
const BEST_SHARE: usize = 3;
/// Shortest time between the halves for a drift to be told; over less it is noise.
const DRIFT_SPAN_MIN_NS: f64 = 5e8;
/// A drift that no clock has which is not being set: a step in between.
const DRIFT_MAX: f64 = 500e-6;
/// Share of delays that may be impossible under the estimate.
const IMPOSSIBLE_MAX: f64 = 0.01;

/// Delays on each way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OneWay {
    /// From here to the reflector.
    pub up: Distribution,
    /// From the reflector to here.
    pub down: Distribution,
    /// How far every delay may be off, in either way, if the fastest ways are not alike.
    pub error: Duration,
    /// How far the reflector's clock was ahead of this host's at the start of the run, ms.
    pub offset_ms: f64,
    /// How much faster it ran, parts per million; `None` where the run was too short to tell.
    pub drift_ppm: Option<f64>,
}

/// An answer's four times, ns; the reflector's by its own clock.
#[derive(Clone, Copy)]
struct Exchange {
    sent: f64,
    round_trip: f64,
    /// T2 − T1, by two clocks.
    there: f64,
    /// The offset that this answer alone would give.
    offset: f64,
}

/// A clock's offset as a line through a moment, ns.
struct Offset {
    at: f64,
    offset: f64,
    drift: Option<f64>,
    error: f64,
}

impl OneWay {
    /// `None` where no answer carries the reflector's times, or its clock was set meanwhile.
    pub(super) fn of(clients: &[&[Sample]]) -> Option<Self> {
        let mut exchanges: Vec<Exchange> =
            clients.iter().copied().flatten().filter_map(Exchange::of).collect();
        exchanges.sort_by(|a, b| a.sent.total_cmp(&b.sent));
        let offset = Offset::of(&exchanges)?;
        let there = |it: &Exchange| it.there - offset.at(it.sent);
        let is_impossible = |it: &&Exchange| {
            let slack = offset.error.max(1_000.0);
            there(it) < -slack || there(it) > it.round_trip + slack
        };
        let impossible = exchanges.iter().filter(is_impossible).count();
        if impossible as f64 > exchanges.len() as f64 * IMPOSSIBLE_MAX {
            return None;
        }
        let up = |it: &Exchange| there(it).clamp(0.0, it.round_trip);
        let down = |it: &Exchange| it.round_trip - up(it);
        let of = |delay: &dyn Fn(&Exchange) -> f64| {
            Distribution::new(exchanges.iter().map(|it| nanos(delay(it))).collect())
        };
        Some(Self {
            up: of(&up),
            down: of(&down),
            error: nanos(offset.error),
            offset_ms: offset.at(0.0) / 1e6,
            drift_ppm: offset.drift.map(|drift| drift * 1e6),
        })
    }
}

impl Exchange {
    fn of(sample: &Sample) -> Option<Self> {
        let reflection = sample.reflection?;
        let sent = sample.sent_at.as_nanos() as f64;
        let received = sample.received_at?.as_nanos() as f64;
        let there = reflection.received_ns as f64 - sent;
        let back = received - reflection.sent_ns as f64;
        let round_trip = (there + back).max(0.0);
        Some(Self { sent, round_trip, there, offset: (there - back) / 2.0 })
    }
}

impl Offset {
    fn of(exchanges: &[Exchange]) -> Option<Self> {
        let (before, after) = exchanges.split_at(exchanges.len() / 2);
        if before.len() < HALF_MIN {
            return best(exchanges);
        }
        let (before, after) = (best(before)?, best(after)?);
        let span = after.at - before.at;
        if span < DRIFT_SPAN_MIN_NS {
            return best(exchanges);
        }
        let drift = (after.offset - before.offset) / span;
        let error = before.error.max(after.error);
        (drift.abs() <= DRIFT_MAX).then_some(Self { drift: Some(drift), error, ..before })
    }

    fn at(&self, moment: f64) -> f64 {
        self.offset + self.drift.unwrap_or(0.0) * (moment - self.at)
    }
}

/// The offset by the exchanges with the lowest round trips.
fn best(exchanges: &[Exchange]) -> Option<Offset> {
    let mut best = exchanges.to_vec();
    best.sort_by(|a, b| a.round_trip.total_cmp(&b.round_trip));
    best.truncate(exchanges.len().div_ceil(BEST_SHARE));
    let mean = |of: fn(&Exchange) -> f64| {
        (!best.is_empty()).then(|| best.iter().map(of).sum::<f64>() / best.len() as f64)
    };
    Some(Offset {
        at: mean(|it| it.sent)?,
        offset: mean(|it| it.offset)?,
        drift: None,
        error: mean(|it| it.round_trip)? / 2.0,
    })
}

fn nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.max(0.0).round() as u64)
}
