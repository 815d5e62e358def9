//! Selat's decisions, as pure functions: what an HTTP message means, whether a response may be
//! stored and served again, which relay session a datagram belongs to.
//!
//! Nothing here performs I/O, reads a clock or draws a random number. Time comes in as an argument,
//! answers go out as enums that say what to do next, so that every rule can be tested as a table.

pub mod cache;
pub mod http;
pub mod relay;
