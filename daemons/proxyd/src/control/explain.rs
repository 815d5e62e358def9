//! What the cache would do with a request now, and why: the policy that requests go through, asked
//! without a request.

mod next;
mod own;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header, request};
use selat_core::{
    cache::{
        hit_for_miss::HitForMiss,
        key::CacheKey,
        key_parts::TooLong,
        policy::{Decision, lookup, stale_on_error, without_key},
        reason::{HitReason, MissReason},
    },
    http::{message::RequestHead, target::Target},
};
use selat_proto::v1::{CacheDecision, ExplainRequest, ExplainResponse, Field};
use selat_runtime::control::brief;
use tonic::Status;

use super::{
    entries::{self, span},
    url,
};
use crate::{
    cache::{object::Object, resource::Resource},
    forward::distrust,
    proxy::Proxy,
    request::{Ask, is_shareable},
};

/// Who sends the request that is asked about: what depends on that is told for everyone.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Header fields of the request that is asked about.
const FIELDS_MAX: usize = 100;

/// Explains what becomes of a request.
///
/// # Errors
/// `INVALID_ARGUMENT` where no client could send it.
pub(super) fn explain(
    proxy: &Arc<Proxy>,
    asked: ExplainRequest,
    now: SystemTime,
) -> Result<ExplainResponse, Status> {
    let head = head(&asked)?;
    let target = url::target(&asked.url, &head.uri, &head.headers)?;
    let routes = proxy.routes.load();
    let route = routes.of(&target);
    let query = route.query(&target);
    let target = Target { query: query.as_deref(), ..target };
    let mut text = String::new();
    let fits = route.write_key(&mut text, &target, &head.headers);
    let key = CacheKey::from(text.as_str());
    let stored = fits.ok().and_then(|()| proxy.store.peek(key.as_str()));
    let variants = stored.as_ref().map_or(&[][..], Resource::variants);
    let mut explained = ExplainResponse {
        url: key.uri().to_owned(),
        variants: u32::try_from(variants.len()).unwrap_or(u32::MAX),
        route: key.namespace().to_owned(),
        key_parts: entries::key_parts(&key),
        ..ExplainResponse::default()
    };
    let made_key = &OnceLock::new();
    let ask = Ask { proxy, route, client: NOBODY, head: &head, target, made_key, interims: None };
    if own::tell(&ask, &mut explained) {
        return Ok(explained);
    }
    let decision = match fits {
        Ok(()) => {
            let candidates = variants.iter().map(|object| &object.meta);
            lookup(ask.request_head(), candidates, now, &route.options)
        }
        Err(TooLong) => without_key(ask.request_head(), &route.options),
    };
    tell(&ask, &key, decision, stored.as_ref(), now, &mut explained);
    Ok(explained)
}

/// Says what is decided about a request, and what follows.
fn tell(
    ask: &Ask<'_>,
    key: &CacheKey,
    decision: Decision,
    stored: Option<&Resource>,
    now: SystemTime,
    to: &mut ExplainResponse,
) {
    let (proxy, request) = (ask.proxy, ask.request_head());
    let unshared = unshared(proxy, key, request, &decision, now);
    let decision = match decision {
        Decision::Fetch(MissReason::Absent) if unshared.is_some() => {
            Decision::Fetch(MissReason::HitForMiss)
        }
        decision => decision,
    };
    to.decision = kind(&decision).into();
    reason(&decision).clone_into(&mut to.reason);
    decision.rule().text.clone_into(&mut to.rule);
    decision.rule().clause.clone_into(&mut to.clause);
    next::next(&decision, request.method).clone_into(&mut to.next);
    if let Some((stored, which)) = stored.zip(selected(&decision))
        && let Some(object) = stored.variants().get(which)
    {
        to.variant = entries::variant(key, stored, which, now);
        let lifetime = object.meta.lifetime().source.rule();
        lifetime.text.clone_into(&mut to.lifetime_rule);
        lifetime.clause.clone_into(&mut to.lifetime_clause);
        if let Decision::Revalidate { .. } = decision {
            tell_if_error(ask, object, now, to);
        }
    }
    to.fetching = unshared.is_none() && proxy.flights.is_fetching(key);
    if let Some(said) = unshared {
        let (refusal, rule) = (said.refusal(), said.refusal().rule());
        refusal.as_str().clone_into(&mut to.last_refusal);
        rule.text.clone_into(&mut to.last_refusal_rule);
        rule.clause.clone_into(&mut to.last_refusal_clause);
        to.last_refusal_ttl = said.until().duration_since(now).ok().and_then(span);
    }
}

/// Says what would happen if the origin failed when it is asked about `object`, and for how long.
fn tell_if_error(ask: &Ask<'_>, object: &Object, now: SystemTime, to: &mut ExplainResponse) {
    let (request, options) = (ask.request_head(), &ask.route.options);
    let left = stale_on_error(request, &object.meta, now, options);
    next::if_error(left).clone_into(&mut to.if_error);
    to.if_error_ttl = left.ok().and_then(|(left, _)| span(left));
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

fn head(asked: &ExplainRequest) -> Result<request::Parts, Status> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = method(&asked.method)?;
    head.headers = headers(&asked.headers)?;
    distrust(&mut head.headers);
    head.uri = url::parse(&asked.url)?;
    Ok(head)
}

fn method(name: &str) -> Result<Method, Status> {
    match name {
        "" => Ok(Method::GET),
        name => Method::from_bytes(name.as_bytes()).map_err(|_| {
            Status::invalid_argument(format!("{:?} is no method", brief::subject(name)))
        }),
    }
}

fn headers(fields: &[Field]) -> Result<HeaderMap, Status> {
    if fields.len() > FIELDS_MAX {
        let text = format!("at most {FIELDS_MAX} header fields can be asked about");
        return Err(Status::invalid_argument(text));
    }
    let mut headers = HeaderMap::new();
    for Field { name, value } in fields {
        let wrong = |()| {
            let line = format!("{name}: {value}");
            Status::invalid_argument(format!("{:?} is no header field", brief::subject(&line)))
        };
        let parsed: HeaderName = name.parse().map_err(|_| ()).map_err(wrong)?;
        if parsed == header::HOST {
            let host = brief::subject(value);
            let text = format!("the host of a request is that of its URL: put {host} there");
            return Err(Status::invalid_argument(text));
        }
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
