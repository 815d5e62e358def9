//! Measures the quality of service that a network path gives: no terminal, no files but reports.
//!
//! 1. [`schedule`] (pure) says when each probe is due.
//! 2. [`session`] sends the probes and collects [`sample`]s.
//! 3. [`analysis`] (pure) makes figures of them, each under its formula.
//! 4. [`grade`] (pure) says what the figures are worth to a person.
//! 5. [`report`] writes rows: CSV, JSON, HTML; and every sample, to be read again.
//! 6. [`compare`] (pure) says what changed between two runs, [`sweep`] (pure) which rates a path
//!    carries.

pub mod analysis;
pub mod bulk;
pub mod compare;
pub mod grade;
pub mod http;
pub mod load;
pub mod report;
pub mod responsiveness;
pub mod sample;
pub mod schedule;
pub mod session;
pub mod sweep;
pub mod two_sample;
