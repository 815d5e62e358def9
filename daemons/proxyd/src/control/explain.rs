//! What the cache would do with a request now, and why: the policy that requests go through, asked
//! without a request.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use selat_core::{
    cache::{
        hit_for_miss::HitForMiss,
        key::CacheKey,
        key_parts::TooLong,
        policy::{Decision, lookup},
        reason::{HitReason, MissReason, PassReason, StoreRefusal},
    },
    http::{message::RequestHead, target::Target},
};
use selat_proto::v1::{CacheDecision, ExplainRequest, ExplainResponse, Field};
use tonic::Status;

use super::{
    entries::{self, span},
    url,
};
use crate::{cache::store::Resource, proxy::Proxy, request::is_shareable};

/// Header fields of the request that is asked about.
const FIELDS_MAX: usize = 100;

/// Explains the decision about a request.
///
/// # Errors
/// `INVALID_ARGUMENT` where no client could send it.
pub(super) fn explain(
    proxy: &Proxy,
    asked: ExplainRequest,
    now: SystemTime,
) -> Result<ExplainResponse, Status> {
    let (method, headers) = (method(&asked.method)?, headers(&asked.headers)?);
    let uri = url::parse(&asked.url)?;
    let target = url::target(&asked.url, &uri, &headers)?;
    let routes = proxy.routes.load();
    let route = routes.of(&target);
    let query = route.query(&target);
    let mut text = String::new();
    let target = Target { query: query.as_deref(), ..target };
    let fits = route.write_key(&mut text, &target, &headers);
    let key = CacheKey::from(text.as_str());
    let stored = fits.ok().and_then(|()| proxy.store.peek(key.as_str()));
    let variants = stored.iter().flat_map(Resource::variants);
    let request = RequestHead { method: &method, headers: &headers };
    let candidates = variants.clone().map(|object| &object.meta);
    let decision = match fits {
        Ok(()) => lookup(request, candidates, now, &route.options),
        Err(TooLong) => Decision::Pass(PassReason::KeyTooLong),
    };
    let unshared = unshared(proxy, &key, request, &decision, now);
    let decision = match decision {
        Decision::Fetch(MissReason::Absent) if unshared.is_some() => {
            Decision::Fetch(MissReason::HitForMiss)
        }
        decision => decision,
    };
    let selected = selected(&decision).and_then(|which| variants.clone().nth(which));
    let lifetime = selected.map(|object| object.meta.lifetime().source.rule());
    let (rule, refusal) = (decision.rule(), unshared.as_ref().map(HitForMiss::refusal));
    Ok(ExplainResponse {
        url: key.uri().to_owned(),
        decision: kind(&decision).into(),
        reason: reason(&decision).to_owned(),
        rule: rule.text.to_owned(),
        clause: rule.clause.to_owned(),
        next: next(&decision).to_owned(),
        variant: selected.map(|object| entries::variant(&key, object, now)),
        variants: u32::try_from(variants.count()).unwrap_or(u32::MAX),
        lifetime_rule: lifetime.map_or("", |rule| rule.text).to_owned(),
        lifetime_clause: lifetime.map_or("", |rule| rule.clause).to_owned(),
        fetching: unshared.is_none() && proxy.flights.is_fetching(&key),
        route: key.namespace().to_owned(),
        key_parts: entries::key_parts(&key),
        last_refusal: refusal.map_or("", StoreRefusal::as_str).to_owned(),
        last_refusal_rule: refusal.map_or("", |refusal| refusal.rule().text).to_owned(),
        last_refusal_clause: refusal.map_or("", |refusal| refusal.rule().clause).to_owned(),
        last_refusal_ttl: unshared.and_then(|said| span(said.until().duration_since(now).ok()?)),
    })
}

/// What says that the request would not wait for another's fetch.
fn unshared(
    proxy: &Proxy,
    key: &CacheKey,
    request: RequestHead<'_>,
    decision: &Decision,
    now: SystemTime,
) -> Option<HitForMiss> {
    let fetches = matches!(decision, Decision::Fetch(_) | Decision::Revalidate { .. });
    let selects = selected(decision).is_some();
    let is_shared = fetches && is_shareable(request);
    is_shared.then(|| proxy.hits_for_miss.find(key, selects, now, &proxy.store)).flatten()
}

fn method(name: &str) -> Result<Method, Status> {
    match name {
        "" => Ok(Method::GET),
        name => Method::from_bytes(name.as_bytes())
            .map_err(|_| Status::invalid_argument(format!("{name:?} is no method"))),
    }
}

fn headers(fields: &[Field]) -> Result<HeaderMap, Status> {
    if fields.len() > FIELDS_MAX {
        let text = format!("at most {FIELDS_MAX} header fields can be asked about");
        return Err(Status::invalid_argument(text));
    }
    let mut headers = HeaderMap::new();
    for Field { name, value } in fields {
        let wrong = |_| Status::invalid_argument(format!("\"{name}: {value}\" is no header field"));
        let parsed: HeaderName = name.parse().map_err(|_| ()).map_err(wrong)?;
        headers.append(parsed, HeaderValue::from_str(value).map_err(|_| ()).map_err(wrong)?);
    }
    Ok(headers)
}

fn selected(decision: &Decision) -> Option<usize> {
    match decision {
        Decision::Serve(serve) => Some(serve.which),
        Decision::Revalidate { which, .. } | Decision::Complete { which, .. } => Some(*which),
        Decision::Fetch(_) | Decision::Pass(_) | Decision::GatewayTimeout => None,
    }
}

fn kind(decision: &Decision) -> CacheDecision {
    match decision {
        Decision::Serve(serve) if serve.reason == HitReason::Fresh => CacheDecision::Serve,
        Decision::Serve(_) => CacheDecision::ServeStale,
        Decision::Revalidate { .. } => CacheDecision::Revalidate,
        Decision::Complete { .. } => CacheDecision::Complete,
        Decision::Fetch(_) => CacheDecision::Fetch,
        Decision::Pass(_) => CacheDecision::Pass,
        Decision::GatewayTimeout => CacheDecision::GatewayTimeout,
    }
}

fn reason(decision: &Decision) -> &'static str {
    match decision {
        Decision::Serve(serve) => serve.reason.as_str(),
        Decision::Revalidate { reason, .. } => reason.as_str(),
        Decision::Fetch(reason) => reason.as_str(),
        Decision::Pass(reason) => reason.as_str(),
        Decision::Complete { .. } | Decision::GatewayTimeout => "",
    }
}

/// What would happen next, as one sentence.
fn next(decision: &Decision) -> &'static str {
    match decision {
        Decision::Serve(serve) if serve.wants_refresh() => {
            "It is served at once, and refreshed from the origin in the background."
        }
        Decision::Serve(_) => "It is served; the origin hears nothing of it.",
        Decision::Revalidate { conditions, .. } if conditions.is_empty() => {
            "The origin is asked for it anew, since it has no validator to ask by."
        }
        Decision::Revalidate { .. } => {
            "The origin is asked whether it changed: a 304 makes it fresh again, anything else takes its place."
        }
        Decision::Complete { .. } => "The origin is asked for the octets that are missing.",
        Decision::Fetch(MissReason::HitForMiss) => {
            "The origin is asked, whoever else asks it; the response is stored where that is allowed."
        }
        Decision::Fetch(_) => {
            "The origin is asked, and the response is stored where that is allowed."
        }
        Decision::Pass(_) => "The request goes to the origin; the cache stays out of it.",
        Decision::GatewayTimeout => "The client gets a 504; the origin hears nothing of it.",
    }
}
