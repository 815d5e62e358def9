//! Why somebody from elsewhere was turned away, and how often.

use std::collections::HashMap;

use crate::counters::{Counter, Tally};

/// Why somebody from elsewhere was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum RefusalReason {
    /// No TLS 1.3, or no certificate that is valid and of an authority that is trusted.
    Handshake,
    /// The handshake took too long.
    Slow,
    /// As many as may be are connected.
    Full,
    /// No name of the certificate has a role.
    NoRole,
    /// A change was asked for by who may look.
    LookingOnly,
}

impl RefusalReason {
    /// Every reason, in the order of [`RefusalReason::index`].
    const ALL: [Self; 5] =
        [Self::Handshake, Self::Slow, Self::Full, Self::NoRole, Self::LookingOnly];

    /// Place of this reason in an array of counters.
    const fn index(self) -> usize {
        self as usize
    }

    /// Name in the API.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::NoRole => "no_role",
            Self::LookingOnly => "looking_only",
        }
    }
}

/// How often each reason turned somebody away.
#[derive(Debug, Default)]
pub(in crate::control) struct Refusals(Tally<{ RefusalReason::ALL.len() }>);

impl Refusals {
    /// Counts one.
    pub(in crate::control) fn count(&self, reason: RefusalReason) {
        self.0.increment(reason.index());
    }

    /// Shows every counter with its name.
    pub(in crate::control) fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.0.visit("remote.refused.", RefusalReason::ALL.map(RefusalReason::as_str), visit);
    }

    /// Those that there were, by name.
    pub(super) fn by_reason(&self) -> HashMap<String, u64> {
        let each = RefusalReason::ALL.map(|reason| (reason, self.0.value(reason.index())));
        let counted = each.into_iter().filter(|(_, count)| *count > 0);
        counted.map(|(reason, count)| (reason.as_str().to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reasons_that_there_were_are_told() {
        let refusals = Refusals::default();
        assert!(refusals.by_reason().is_empty());
        refusals.count(RefusalReason::LookingOnly);
        refusals.count(RefusalReason::Handshake);
        refusals.count(RefusalReason::Handshake);
        let expected = [("handshake", 2), ("looking_only", 1)];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(refusals.by_reason(), HashMap::from(expected));
    }
}
