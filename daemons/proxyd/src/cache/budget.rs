//! Memory for content on its way into the store, one budget for all fills.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes that all fills together may take.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Budget {
    /// For `limit_bytes`.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, used_bytes: AtomicU64::new(0) }
    }

    /// Bytes that it is for.
    pub(crate) fn bytes(&self) -> u64 {
        self.limit_bytes
    }
}

/// A fill's share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Share {
    /// Nothing yet.
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Takes `bytes` more; false, and none of it, where there are not as many left.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let Budget { limit_bytes, used_bytes } = &*self.budget;
        let more = |used: u64| used.checked_add(bytes).filter(|sum| sum <= limit_bytes);
        let grown = used_bytes.fetch_update(Relaxed, Relaxed, more).is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Gives `bytes` back, or as many as it has.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.used_bytes.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_one_budget_and_come_back() {
        let budget = Arc::new(Budget::new(10));
        let (mut one, mut other) = (Share::of(&budget), Share::of(&budget));
        assert!(one.grow(6) && other.grow(4));
        assert!(!one.grow(1));
        other.shrink(100);
        assert!(one.grow(4) && !other.grow(1));
        drop(one);
        assert!(other.grow(10));
    }
}
