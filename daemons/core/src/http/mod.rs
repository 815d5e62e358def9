//! HTTP semantics (RFC 9110) that both the file server and the proxy decide by: dates, ranges,
//! preconditions, cache directives, connection-level fields, request targets and their routes.

pub mod cache_control;
pub mod conditional;
pub mod date;
pub mod fields;
pub mod hop_by_hop;
pub mod list;
pub mod message;
pub mod range;
pub mod route;
pub mod target;
pub mod via;
