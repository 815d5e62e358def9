//! Query parameters that do not tell resources apart: left out, or put in order, before a key is
//! formed. The origin is asked with the same query, so that what is not in the key cannot choose
//! the response.

use std::borrow::Cow;

use crate::http::target::normalised_query;

/// What is done to the query of a route's requests. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRules {
    /// Names of parameters to leave out. One that ends in `*` names all that begin so, such as
    /// `utm_*`. Names are compared octet by octet, in normal form (RFC 3986 §6.2.2.2).
    pub drop: Vec<String>,
    /// Whether to sort parameters by name. Those of one name keep their order.
    pub sort: bool,
}

impl QueryRules {
    /// The query without what the rules leave out; `None` if nothing is left. Borrowed where the rules change
    /// nothing, whatever the query.
    #[must_use]
    pub fn kept<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, str>> {
        if self.is_empty() {
            query.map(Cow::Borrowed)
        } else {
            // In the form that a key has it, so that what a key says names that key again.
            self.apply(&normalised_query(query?)).map(Cow::Owned)
        }
    }

    /// The query without what the rules leave out; `None` if nothing is left.
    #[must_use]
    pub fn apply(&self, query: &str) -> Option<String> {
        let mut kept: Vec<_> =
            query.split('&').filter(|parameter| !self.drops(name(parameter))).collect();
        if self.sort {
            kept.sort_by_key(|parameter| name(parameter));
        }
        // An empty query is one as well: it goes only with a parameter that was left out.
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    /// Whether the rules change nothing, whatever the query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && !self.sort
    }

    fn drops(&self, name: &str) -> bool {
        self.drop.iter().any(|rule| match rule.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == rule,
        })
    }
}

/// The name of a parameter: what comes before the `=`.
fn name(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default()
}
