//! Requests over HTTP: open loop, so that a server that stalls cannot slow its own measurement down, or
//! closed loop, to see what it can do.
//!
//! 1. [`LoadSpec`] says what to ask for, when, and over how many connections; [`run`] opens these.
//! 2. `queue`: a thread of its own says when each request is due, to some 50 µs.
//! 3. `worker`: whichever is free first takes the next one up, sends it, and reads the answer.
//! 4. [`LoadRun`] holds every [`Exchange`]; `figures` (pure) makes of them what is shown.
//!
//! Latency counts from when a request was due, never from when a connection was free to send it:
//! what waits behind a stall has waited (no coordinated omission).

mod exchange;
mod figures;
mod queue;
mod run;
mod spec;
mod worker;

pub use self::exchange::{Exchange, Failure, Outcome};
pub(crate) use self::figures::total_time;
pub use self::figures::{Comparison, LATE, LoadFigures, VerdictFigures};
pub use self::run::{LoadRun, run};
pub use self::spec::{Aim, CONCURRENCY_MAX, DURATION_MAX, LoadError, LoadSpec, Mode};
