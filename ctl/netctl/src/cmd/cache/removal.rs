//! What a purge or a flush took away.

use prost::{Message, Name};
use selat_proto::json::to_json;
use serde_json::Value;

use crate::output::{Page, Records, Report, unit};

pub(super) struct Removal<M> {
    pub(super) message: M,
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Of what, with a space in front; empty for everything.
    pub(super) of: String,
}

impl<M: Message + Name> Report for Removal<M> {
    fn page(&self, page: &mut Page) {
        let (count, of) = (unit::plural(self.count, "variant", "variants"), &self.of);
        page.line(match self.count {
            0 => format!("nothing was stored{of}"),
            _ => format!("removed {count}{of} ({})", unit::bytes(self.bytes)),
        });
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(to_json(&self.message)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(std::slice::from_ref(&self.message))
    }
}
