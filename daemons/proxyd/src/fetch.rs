//! Asking the origin: once for many where that is right, and what to make of its answer.
//!
//! 1. [`shared`] joins the flight for the key: lead, or follow who does; or neither, after a response that could not be
//!    shared.
//! 2. [`lead`] asks; a failure may still be answered from what is stored.
//! 3. A 304 confirms what is stored. Else the policy says whether the response is stored.
//! 4. If it is, a task of its own fills the store, and this request and its followers read along.
//!    If not, followers ask for themselves.

mod confirm;
mod why;

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use http::{Method, Response, StatusCode};
use selat_core::{
    cache::{
        hit_for_miss::HitForMiss,
        invalidate::invalidated,
        policy::{Decision, lookup},
        reason::{PassReason, StoreRefusal},
        status::CacheStatus,
        storage::{Exchange, Storability, storable},
        stored::{StoredMeta, prepare, withheld},
        validation::takes_back,
    },
    http::{hop_by_hop, message::ResponseHead, via},
};

use crate::{
    body::{ReplyBody, RequestBody},
    cache::{
        budget::Share,
        epochs::Ticket,
        filling::Filling,
        flight::{Landing, Part, Permit, land},
        hit_for_miss::Refused,
        object::Object,
    },
    failure::{failed, give_up, rescue, serve_stale},
    fill::Fill,
    forward::{self, Asking},
    origin::{OriginError, fetch::Fetched},
    parts::{self, Joint},
    proxy::NAME,
    reply,
    request::{Ask, Reply, Verdict},
};

use self::confirm::{confirm, freshen};
pub(crate) use self::why::{Stored, Why};

/// Fetches for everyone who asks for the same now, unless the last response was for nobody else.
pub(crate) async fn shared(ask: &Ask<'_>, why: Why, stored: Stored<'_>) -> Reply {
    let now = SystemTime::now();
    if ask.proxy.hits_for_miss.find(ask.key(), why.selects(), now, &ask.proxy.store).is_some() {
        return lead(ask, why.unshared(), stored, None).await;
    }
    loop {
        match ask.proxy.join(ask.key()) {
            Part::Leader(permit) => {
                if let Some(reply) = landed_before(ask) {
                    return reply;
                }
                return lead(ask, why, stored, Some(permit)).await;
            }
            Part::Follower(follower) => {
                // Where the leader is gone, one of those who waited leads, and the others wait for that one.
                let Some(landing) = follower.landing().await else { continue };
                return match follow(ask, why, stored.fallback(), &landing) {
                    Some(reply) => reply,
                    None => lead(ask, why, stored, None).await,
                };
            }
        }
    }
}

/// Answers with what another flight stored after this request had looked and before it joined.
fn landed_before(ask: &Ask<'_>) -> Option<Reply> {
    let (resource, now) = (ask.stored().ok()??, SystemTime::now());
    let candidates = resource.variants().iter().map(|object| &object.meta);
    let decision = lookup(ask.request_head(), candidates, now, &ask.route.options);
    let Decision::Serve(serve) = &decision else { return None };
    let object = resource.variants().get(serve.which).filter(|_| !serve.wants_refresh())?;
    let response = reply::from_object(ask, object, now, CacheStatus::of(NAME, &decision));
    Some((response, Verdict::Hit(serve.reason)))
}

/// Fetches for this request alone.
pub(crate) async fn alone(ask: &Ask<'_>, why: Why, stored: Stored<'_>) -> Reply {
    lead(ask, why, stored, None).await
}

/// Forwards a request that the cache cannot answer, with its content.
pub(crate) async fn passed(ask: &Ask<'_>, reason: PassReason, body: RequestBody) -> Reply {
    let why = Why::Pass(reason);
    let ticket = ask.proxy.store.ticket(ask.key());
    let request = |content| forward::request(ask, Asking::AsAsked, content);
    match ask.route.origins.fetch(request, body).await {
        Ok(fetched) if fetched.head.status == StatusCode::SWITCHING_PROTOCOLS => {
            (failed(OriginError::Broken, why), why.verdict())
        }
        Ok(fetched) => take_in(ask, why, ticket, fetched, None),
        Err(error) => (failed(error, why), why.verdict()),
    }
}

/// Answers from what a leader learned; `None` where that does not fit this request.
fn follow(
    ask: &Ask<'_>,
    why: Why,
    stored: Option<&Arc<Object>>,
    landing: &Landing,
) -> Option<Reply> {
    let now = SystemTime::now();
    let said = CacheStatus { collapsed: true, ..why.said() };
    let fits = |meta| {
        let decision = lookup(ask.request_head(), [meta], now, &ask.route.options);
        matches!(decision, Decision::Serve(_))
    };
    let response = match landing {
        Landing::Filling(filling) if fits(&filling.meta) => {
            reply::from_filling(ask, filling, now, said)?
        }
        Landing::Confirmed(object) if fits(&object.meta) => {
            reply::from_object(ask, object, now, said)
        }
        Landing::Failed(error) => {
            // What the leader would not have, this client may.
            return serve_stale(ask, stored, None, error.failure())
                .or_else(|| Some((failed(*error, why), why.verdict())));
        }
        Landing::Filling(_) | Landing::Confirmed(_) | Landing::NotShared => return None,
    };
    Some((response, Verdict::Collapsed))
}

/// Asks the origin, about `stored` if there is something, and lands what it says.
pub(crate) async fn lead(
    ask: &Ask<'_>,
    why: Why,
    stored: Stored<'_>,
    permit: Option<Permit>,
) -> Reply {
    let ticket = ask.proxy.store.ticket(ask.key());
    // What was purged while the request waited is not to come back.
    let stored = if stored.is_gone(ask) { Stored::Nothing } else { stored };
    let asking = stored.asking(&ask.head.method);
    let validates = matches!(asking, Asking::Whether(_));
    let request = |content| forward::request(ask, asking.clone(), content);
    let fetched = match ask.route.origins.fetch(request, RequestBody::Empty).await {
        // RFC 9110 §15.2.2: nobody asked for another protocol.
        Ok(fetched) if fetched.head.status == StatusCode::SWITCHING_PROTOCOLS => {
            let error = OriginError::Broken;
            return give_up(ask, why, stored.fallback(), permit.as_ref(), error);
        }
        Ok(fetched) => fetched,
        Err(error) => return give_up(ask, why, stored.fallback(), permit.as_ref(), error),
    };
    let status = fetched.head.status;
    if let Some(reply) = rescue(ask, stored.fallback(), permit.as_ref(), status) {
        return reply;
    }
    match (stored, status) {
        (Stored::Unconfirmed(stored), StatusCode::NOT_MODIFIED) if validates => {
            match confirm(ask, why, stored, permit.as_ref(), ticket, &fetched) {
                Some(reply) => reply,
                None => Box::pin(lead(ask, why, Stored::Nothing, permit)).await,
            }
        }
        (Stored::Part(part, ..), StatusCode::PARTIAL_CONTENT) => {
            match complete(ask, why, ticket, part, fetched, permit) {
                Ok(reply) => reply,
                Err(permit) => Box::pin(lead(ask, why, Stored::Nothing, permit)).await,
            }
        }
        // The stored part is of another representation.
        (Stored::Part(..), StatusCode::RANGE_NOT_SATISFIABLE) => {
            Box::pin(lead(ask, why, Stored::Nothing, permit)).await
        }
        _ => take_in(ask, why, ticket, fetched, permit),
    }
}

/// Takes in the range that a stored part lacked. Gives the permit back where the two make no whole.
fn complete(
    ask: &Ask<'_>,
    why: Why,
    ticket: Ticket,
    part: &Arc<Object>,
    mut fetched: Fetched,
    permit: Option<Permit>,
) -> Result<Reply, Option<Permit>> {
    let exchange = exchange(ask, &fetched);
    let Some((combined, rest)) = parts::completed(ask, part, &exchange, &fetched) else {
        return Err(permit);
    };
    fetched.head.headers = combined.headers;
    Ok(fill(ask, why, ticket, combined.meta, fetched, Joint::Rest(rest), permit))
}

/// Stores a response, or passes it on.
fn take_in(
    ask: &Ask<'_>,
    why: Why,
    ticket: Ticket,
    mut fetched: Fetched,
    permit: Option<Permit>,
) -> Reply {
    let exchange = exchange(ask, &fetched);
    let ticket = invalidate(ask, ticket, &exchange);
    let judged = if why == Why::Pass(PassReason::KeyTooLong) {
        Storability::Pass(StoreRefusal::KeyTooLong)
    } else {
        storable(&exchange, &ask.route.options)
    };
    if ask.head.method == Method::HEAD {
        freshen(ask, ticket, &fetched);
    }
    let limit = ask.route.object_bytes_max;
    let refusal = match judged {
        Storability::Store(_) if fetched.body.length().is_some_and(|length| length > limit) => {
            StoreRefusal::TooLarge
        }
        Storability::Store(meta) => {
            ask.proxy.hits_for_miss.forget_unless(ask.key(), StoreRefusal::TooLarge);
            let joint = parts::extension(ask, &exchange, &fetched);
            let withheld = withheld(&fetched.head.headers, &ask.route.options);
            let received = fetched.times.response;
            prepare(&mut fetched.head.headers, received, &ask.route.options);
            via::append(&mut fetched.head.headers, fetched.head.version, NAME);
            let (mut response, verdict) = fill(ask, why, ticket, *meta, fetched, joint, permit);
            response.headers_mut().extend(withheld);
            return (response, verdict);
        }
        Storability::Pass(refusal) => refusal,
    };
    if let Why::Revalidate(reason) = why
        && takes_back(reason, refusal, fetched.head.status)
    {
        ask.proxy.store.drop_variant(ask.key(), ticket, &ask.head.headers);
    }
    remember(ask, why, ticket, &fetched, refusal);
    land(permit.as_ref(), || Landing::NotShared);
    (pass_on(ask, why, fetched, refusal), why.verdict())
}

/// Remembers that what anyone might have shared was for one client.
fn remember(ask: &Ask<'_>, why: Why, ticket: Ticket, fetched: &Fetched, refusal: StoreRefusal) {
    let (status, now) = (fetched.head.status, fetched.times.response);
    if let Some(said) = hit_for_miss(ask, why, status, now, refusal) {
        let tags = fetched.tags.clone().unwrap_or_default();
        ask.proxy.hits_for_miss.remember(ask.key().clone(), Refused { said, ticket, tags });
    }
}

/// What is to be remembered of a response that cannot be stored.
fn hit_for_miss(
    ask: &Ask<'_>,
    why: Why,
    status: StatusCode,
    now: SystemTime,
    refusal: StoreRefusal,
) -> Option<HitForMiss> {
    let is_shared = ask.is_shareable() && !matches!(why, Why::Pass(_));
    let of = || HitForMiss::of(refusal, status, why.selects(), now, &ask.route.options);
    is_shared.then(of).flatten()
}

/// RFC 9111 §4.4: removes what a write spoils. The ticket outlives that: the response to a POST may itself
/// be stored.
fn invalidate(ask: &Ask<'_>, ticket: Ticket, exchange: &Exchange<'_>) -> Ticket {
    let routes = ask.proxy.routes.load();
    let keys = invalidated(exchange, |target| routes.base_key(target));
    for key in &keys {
        ask.proxy.purge(key);
    }
    // The first is the target's own.
    if keys.is_empty() { ticket } else { ticket.after_own_purge() }
}

/// Begins to store a response, and answers with it.
fn fill(
    ask: &Ask<'_>,
    why: Why,
    ticket: Ticket,
    meta: StoredMeta,
    fetched: Fetched,
    joint: Joint,
    permit: Option<Permit>,
) -> Reply {
    let limit = ask.route.object_bytes_max;
    let Fetched { head, body, origin, tags, times } = fetched;
    let (length, stored_tags) = match &joint {
        Joint::Nothing => (body.length(), None),
        Joint::Part(extension) => (body.length(), Some(&extension.part.tags)),
        Joint::Rest(rest) => (Some(rest.length), Some(&rest.part.tags)),
    };
    let tags = tags.or_else(|| stored_tags.cloned()).unwrap_or_default();
    let memory = Share::of(&ask.route.filling_memory);
    let filling = Arc::new(Filling::new(meta, head.headers, origin, length, limit, memory));
    let said = CacheStatus {
        stored: true,
        forward_status: (head.status == StatusCode::PARTIAL_CONTENT).then_some(206),
        ..why.said()
    };
    // Before anything was fed, everyone may still join.
    let response = reply::from_filling(ask, &filling, SystemTime::now(), said);
    land(permit.as_ref(), || Landing::Filling(Arc::clone(&filling)));
    let (request, too_large) = (ask.head.headers.clone(), StoreRefusal::TooLarge);
    let fill = Fill {
        proxy: Arc::clone(ask.proxy),
        counters: Arc::clone(&ask.route.counters),
        key: ask.key().clone(),
        ticket,
        too_large: hit_for_miss(ask, why, head.status, times.response, too_large),
        request,
        variants_max: ask.route.variants_max,
        tags,
        asked: times.request,
        filling,
        joint,
        object_bytes_max: limit,
        permit,
    };
    tokio::spawn(fill.run(body));
    let response = response.unwrap_or_else(|| failed(OriginError::Broken, why));
    (response, why.verdict())
}

/// Passes a response on that is not stored.
fn pass_on(
    ask: &Ask<'_>,
    why: Why,
    fetched: Fetched,
    refusal: StoreRefusal,
) -> Response<ReplyBody> {
    ask.route.counters.here().not_stored.increment(refusal.index());
    let Fetched { mut head, body, .. } = fetched;
    hop_by_hop::strip_response(&mut head.headers);
    via::append(&mut head.headers, head.version, NAME);
    let said = why.said();
    let detail = match said.detail {
        Some(detail) => format!("{refusal}, {detail}").into(),
        None => Cow::Borrowed(refusal.as_str()),
    };
    reply::say(&mut head.headers, CacheStatus { detail: Some(&detail), ..said });
    let mut response = Response::new(ReplyBody::Origin(Box::new(body)));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

fn exchange<'a>(ask: &Ask<'a>, fetched: &'a Fetched) -> Exchange<'a> {
    Exchange {
        request: ask.request_head(),
        target: ask.target,
        response: ResponseHead::from(&fetched.head),
        times: fetched.times,
    }
}
