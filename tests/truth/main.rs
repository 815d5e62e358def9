//! What measurements say beside what is known to be true, ours and irtt's through the same kinds of link, in turns. A
//! program of its own, in which no other test runs beside one and takes the processor away from it. `--nocapture`
//! shows the tables.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
#![allow(clippy::print_stdout, reason = "tables of what was measured")]

mod counts;
mod delays;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by the one test that runs.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Half of them are less.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
