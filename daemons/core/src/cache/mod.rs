//! What a shared HTTP cache decides (RFC 9111), for a store and a network it does not know.
//!
//! 1. [`key`] names what the client asked for; [`query`] leaves out what does not matter, and
//!    [`key_parts`] adds what does, such as the class of the [`device`].
//! 2. [`policy`] chooses among the stored responses: serve, revalidate, complete, fetch or pass.
//! 3. [`storage`] judges the origin's answer and turns it into a [`stored::StoredMeta`].
//!    [`fields`] packs its header section. [`hit_for_miss`] says what to remember of one that is not stored.
//! 4. [`validation`] merges a 304 or a HEAD into it; [`invalidate`] says what a write spoils;
//!    [`partial`] puts ranges together.
//! 5. [`early`] draws lots for refreshing ahead of time.
//! 6. [`reason`] names every outcome, [`status`] tells the client.

mod compact;
pub mod device;
pub mod early;
pub mod fields;
pub mod freshness;
pub mod hit_for_miss;
pub mod invalidate;
pub mod key;
pub mod key_parts;
pub mod options;
pub mod partial;
pub mod policy;
pub mod query;
pub mod reason;
pub mod status;
pub mod storage;
pub mod stored;
pub mod validation;
pub mod vary;
