//! Requests that proxyd answers by itself, before any decision of the cache: told by the functions that
//! answer them.

use selat_core::{cache::reason::Rule, http::via};
use selat_proto::v1::{CacheDecision, ExplainResponse};

use crate::{own, proxy::hop, purge, request::Ask};

/// The rule by which proxyd answers a request itself, and what it answers; `None` where it does not.
fn rule(ask: &Ask<'_>) -> Option<(Rule, String)> {
    if via::loops(&ask.head.headers, hop()) {
        let rule = Rule {
            clause: "RFC 9110 §7.6.3",
            text: "Its Via says that it goes round in circles.",
        };
        return Some((rule, answered(508)));
    }
    if purge::method::is_purge(ask) {
        let rule = Rule {
            clause: "cache.purge_allow",
            text: "PURGE is an order to this cache, from clients that cache.purge_allow names.",
        };
        return Some((rule, purged(ask)));
    }
    let status = own::answer(ask)?.status().as_u16();
    let rule = match status {
        405 => Rule {
            clause: "RFC 9110 §9.3.8",
            text: "TRACE would show scripts the cookies and credentials of a request.",
        },
        _ => Rule {
            clause: "RFC 9110 §7.6.2",
            text: "Max-Forwards of 0 makes this proxy the last that is asked.",
        },
    };
    Some((rule, answered(status)))
}

/// Says so if proxyd answers the request itself.
pub(super) fn tell(ask: &Ask<'_>, explained: &mut ExplainResponse) -> bool {
    let Some((rule, next)) = rule(ask) else { return false };
    explained.decision = CacheDecision::OwnAnswer.into();
    rule.text.clone_into(&mut explained.rule);
    rule.clause.clone_into(&mut explained.clause);
    explained.next = next;
    true
}

fn answered(status: u16) -> String {
    format!("The client gets a {status}; the origin hears nothing of it.")
}

fn purged(ask: &Ask<'_>) -> String {
    let allowed = ask.route.purge_allow.iter().map(ToString::to_string).collect::<Vec<_>>();
    if allowed.is_empty() {
        return "The client gets a 501: cache.purge_allow names nobody.".to_owned();
    }
    format!(
        "What is stored for the URL is removed, and the client gets a 200, if its address is in {}; \
         others get a 403.",
        allowed.join(", ")
    )
}
