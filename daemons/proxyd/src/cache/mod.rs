//! The cache: what is stored, what is being fetched for it, and how both are kept true to each
//! other.
//!
//! 1. [`store`] holds the responses, bounded in bytes, by key and variant.
//! 2. [`flight`] makes one fetch out of concurrent misses for a key.
//!    [`hit_for_miss`] knows the keys for which that is of no use.
//! 3. [`filling`] is a response on its way into the store: many read it while it arrives.
//! 4. [`epochs`] keeps out of the store what was on its way when it was purged.
//! 5. [`heads`] has the header maps of what is sent most.
//! 6. [`index`] finds what is stored by the prefix of its URL and by its [`tags`]; a [`selection`] is
//!    what a purge or a listing is about.

pub(crate) mod budget;
pub(crate) mod content;
pub(crate) mod epochs;
pub(crate) mod filling;
pub(crate) mod flight;
pub(crate) mod heads;
pub(crate) mod hit_for_miss;
pub(crate) mod index;
pub(crate) mod object;
pub(crate) mod resource;
pub(crate) mod selection;
pub(crate) mod store;
pub(crate) mod tags;

#[cfg(test)]
mod tests;
