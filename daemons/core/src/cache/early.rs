//! Refreshing a response before it goes stale, so that a hot one is never fetched by many at once:
//! each hit draws a lot, and the nearer the end and the slower the fetch, the likelier it wins
//! (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, 2015).

use std::time::SystemTime;

use super::stored::StoredMeta;

/// Whether this hit should refresh the response in the background.
///
/// `eagerness` scales how early refreshes come: 1 is the
/// optimum of the paper, 0 turns them off. `draw` is a random number, uniform in (0, 1].
#[must_use]
pub fn wants_early_refresh(meta: &StoredMeta, now: SystemTime, eagerness: f64, draw: f64) -> bool {
    if !meta.is_fresh(now) {
        return false;
    }
    // A number that is none counts as the draw that never wins.
    let draw = if draw.is_nan() { 1.0 } else { draw.clamp(f64::MIN_POSITIVE, 1.0) };
    let ahead = meta.delay().as_secs_f64() * eagerness * -draw.ln();
    ahead > meta.fresh_for(now).as_secs_f64()
}
