//! The cache: what is stored, what is being fetched for it, and how both are kept true to each
//! other.
//!
//! 1. [`store`] holds the responses, bounded in bytes, by key and variant.
//! 2. [`flight`] makes one fetch out of concurrent misses for a key.
//! 3. [`filling`] is a response on its way into the store: many read it while it arrives.
//! 4. [`epochs`] keeps out of the store what was on its way when it was purged.

pub(crate) mod content;
pub(crate) mod epochs;
pub(crate) mod filling;
pub(crate) mod flight;
pub(crate) mod object;
pub(crate) mod store;
