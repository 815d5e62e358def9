//! What a purge or a flush took away, or would have.

use prost::{Message, Name};
use selat_proto::json::to_json;
use serde_json::Value;

use crate::output::{Page, Records, Report, unit};

pub(super) struct Removal<M> {
    pub(super) message: M,
    pub(super) verb: Verb,
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Of what, with a space in front; empty for everything.
    pub(super) of: String,
    /// Why it may be that nothing was found.
    pub(super) hint: Option<&'static str>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Removed,
    MarkedStale,
    WouldRemove,
    WouldMarkStale,
}

impl<M: Message + Name> Report for Removal<M> {
    fn page(&self, page: &mut Page) {
        let (count, of) = (unit::plural(self.count, "variant", "variants"), &self.of);
        let size = unit::bytes(self.bytes);
        page.line(match (self.count, self.verb) {
            (0, _) => format!("nothing was stored{of}"),
            (_, Verb::Removed) => format!("removed {count}{of} ({size})"),
            (_, Verb::MarkedStale) => format!("marked {count}{of} stale ({size})"),
            (_, Verb::WouldRemove) => format!("would remove {count}{of} ({size})"),
            (_, Verb::WouldMarkStale) => format!("would mark {count}{of} stale ({size})"),
        });
        if let (0, Some(hint)) = (self.count, self.hint) {
            page.line(format!("  {hint}"));
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(to_json(&self.message)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(std::slice::from_ref(&self.message))
    }
}
