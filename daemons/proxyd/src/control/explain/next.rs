//! What follows from a decision, one sentence each.

use std::time::Duration;

use http::Method;
use selat_core::cache::{
    invalidate::is_safe,
    policy::Decision,
    reason::{ErrorRefusal, HitReason, MissReason, PassReason},
};

/// What would happen next.
pub(super) fn next(decision: &Decision, method: &Method) -> &'static str {
    let is_head = *method == Method::HEAD;
    match decision {
        Decision::Serve(serve) if serve.wants_refresh() => {
            "It is served at once, and refreshed from the origin in the background."
        }
        Decision::Serve(_) => "It is served; the origin hears nothing of it.",
        Decision::Revalidate { conditions, .. } if conditions.is_empty() && is_head => {
            "The origin is asked; nothing of its answer is stored, since HEAD brings no content."
        }
        Decision::Revalidate { conditions, .. } if conditions.is_empty() => {
            "The origin is asked for it anew, since it has no validator to ask by."
        }
        Decision::Revalidate { .. } if is_head => {
            "The origin is asked whether it changed: a 304 makes it fresh again, anything else is for this client alone."
        }
        Decision::Revalidate { .. } => {
            "The origin is asked whether it changed: a 304 makes it fresh again, anything else takes its place."
        }
        Decision::Complete { .. } => "The origin is asked for the octets that are missing.",
        Decision::Fetch(MissReason::HitForMiss) => {
            "The origin is asked, whoever else asks it; the response is stored where that is allowed."
        }
        Decision::Fetch(_) if is_head => {
            "The origin is asked; nothing of its answer is stored, since HEAD brings no content."
        }
        Decision::Fetch(_) => {
            "The origin is asked, and the response is stored where that is allowed."
        }
        Decision::Pass(reason) => passed(*reason, method),
        Decision::GatewayTimeout => "The client gets a 504; the origin hears nothing of it.",
    }
}

/// What becomes of a request that the cache does not answer.
fn passed(reason: PassReason, method: &Method) -> &'static str {
    match reason {
        // These say nothing against the response: it is for whoever asks next.
        PassReason::Precondition | PassReason::Upgrade if *method == Method::GET => {
            "The request goes to the origin, whatever is stored; the response is stored where that is allowed."
        }
        PassReason::Method if *method == Method::POST => {
            "The request goes to the origin. If that does not fail, what is stored for the URL is removed; a response \
             that answers a later GET, too, is stored."
        }
        PassReason::Method if !is_safe(method) => {
            "The request goes to the origin. If that does not fail, what is stored for the URL is removed."
        }
        _ => "The request goes to the origin; the cache stays out of it.",
    }
}

/// What would happen if the origin failed when it is asked about what is stored.
pub(super) fn if_error(left: Result<(Duration, HitReason), ErrorRefusal>) -> &'static str {
    match left {
        Ok((_, HitReason::IfError)) => {
            "Where the origin gives no answer, or a 500, 502, 503 or 504, it is served all the same, as stale-if-error allows."
        }
        Ok(_) => {
            "Where the origin gives no answer, or a 500, 502, 503 or 504, it is served all the same, as cache.grace_if_error allows."
        }
        Err(ErrorRefusal::Forbidden) => {
            "Where the origin fails, the client is told so: a directive forbids serving it stale."
        }
        Err(_) => {
            "Where the origin fails, the client is told so: neither stale-if-error nor cache.grace_if_error lets it be served any longer."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_stored_is_said_to_be() {
        for (reason, method, is_stored) in [
            (PassReason::Precondition, Method::GET, true),
            (PassReason::Upgrade, Method::GET, true),
            (PassReason::Precondition, Method::HEAD, false),
            (PassReason::NoStore, Method::GET, false),
            (PassReason::Content, Method::GET, false),
            (PassReason::Configured, Method::GET, false),
            (PassReason::KeyTooLong, Method::GET, false),
            (PassReason::Method, Method::OPTIONS, false),
            (PassReason::Method, Method::POST, true),
        ] {
            let next = next(&Decision::Pass(reason), &method);
            assert_eq!(next.contains("is stored"), is_stored, "{reason} {method}: {next}");
        }
    }
}
