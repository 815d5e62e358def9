//! What the origin's answer about a stored response does to it: a 304, and a response to HEAD.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, header};
use selat_core::{
    cache::{
        reason::RevalidateReason,
        status::CacheStatus,
        stored::{StoredMeta, withheld},
        validation::{HeadUpdate, Validation, freshened_by_head, revalidated},
    },
    http::via,
};

use super::{Why, exchange};
use crate::{
    cache::{
        epochs::Ticket,
        flight::{Landing, Permit, land},
        object::{Object, Uses},
    },
    origin::fetch::Fetched,
    proxy::NAME,
    reply,
    request::{Ask, Reply, Verdict},
};

/// What becomes of a stored response that the origin has confirmed.
#[derive(Clone, Copy)]
enum Keep {
    Updated,
    AsItIs,
    Nothing,
}

/// Takes in a 304; `None` where the origin spoke of something else than what is stored.
pub(super) fn confirm(
    ask: &Ask<'_>,
    why: Why,
    stored: &Arc<Object>,
    permit: Option<&Permit>,
    ticket: Ticket,
    fetched: &Fetched,
) -> Option<Reply> {
    let mut headers = stored.meta.fields().to_map();
    let exchange = exchange(ask, fetched);
    let (meta, keep) = match revalidated(&stored.meta, &mut headers, &exchange, &ask.route.options)
    {
        Validation::Updated(meta) => (meta, Keep::Updated),
        Validation::Apart(meta) => (meta, Keep::AsItIs),
        Validation::Withdrawn(meta) => (meta, Keep::Nothing),
        Validation::Mismatch => return None,
    };
    if !via::loops(&headers, NAME) {
        via::append(&mut headers, fetched.head.version, NAME);
    }
    let object = Arc::new(updated(stored, *meta, headers, fetched));
    let key = ask.key();
    let kept = match keep {
        Keep::Updated => ask.proxy.store.update(key, ticket, stored, &object),
        Keep::AsItIs => false,
        Keep::Nothing => {
            ask.proxy.store.drop_variant(key, ticket, &ask.head.headers);
            false
        }
    };
    // What was purged meanwhile, withdrawn, or said to one client is for this client alone.
    land(
        permit,
        || if kept { Landing::Confirmed(Arc::clone(&object)) } else { Landing::NotShared },
    );
    let said = CacheStatus { forward_status: Some(304), stored: kept, ..why.said() };
    let mut response = reply::from_object(ask, &object, SystemTime::now(), said);
    response.headers_mut().extend(own_fields(ask, &object, fetched));
    Some((response, Verdict::Revalidated))
}

fn updated(stored: &Object, meta: StoredMeta, headers: HeaderMap, fetched: &Fetched) -> Object {
    let (content, origin) = (stored.content.clone(), Arc::clone(&fetched.origin));
    let tags = fetched.tags.as_ref().unwrap_or(&stored.tags).clone();
    Object::new(meta, headers, content, origin, tags, Uses::continuing(&stored.uses))
}

/// The fields of a 304 that are for this client alone: those that it says are, and cookies that were not stored with
/// the response.
fn own_fields(ask: &Ask<'_>, object: &Object, fetched: &Fetched) -> HeaderMap {
    let mut sent = fetched.head.headers.clone();
    // Where it has no Cache-Control, that of what it confirms stands.
    if !sent.contains_key(header::CACHE_CONTROL) {
        for stands in object.meta.fields().to_map().get_all(header::CACHE_CONTROL) {
            sent.append(header::CACHE_CONTROL, stands.clone());
        }
    }
    let mut own = withheld(&sent, &ask.route.options);
    if !object.meta.fields().contains(&header::SET_COOKIE) && !own.contains_key(header::SET_COOKIE)
    {
        for cookie in sent.get_all(header::SET_COOKIE) {
            own.append(header::SET_COOKIE, cookie.clone());
        }
    }
    own
}

/// RFC 9111 §4.3.5: what a response to HEAD says of what is stored.
pub(super) fn freshen(ask: &Ask<'_>, ticket: Ticket, fetched: &Fetched) {
    let key = ask.key();
    let Some(resource) = ask.proxy.store.peek(key.as_str()) else { return };
    let request = &ask.head.headers;
    let selected = |object: &&Arc<Object>| object.meta.vary().matches(request);
    for stored in resource.variants().iter().filter(selected) {
        let mut headers = stored.meta.fields().to_map();
        let exchange = exchange(ask, fetched);
        let update = freshened_by_head(&stored.meta, &mut headers, &exchange, &ask.route.options);
        let object = match update {
            HeadUpdate::Updated(meta) => updated(stored, *meta, headers, fetched),
            HeadUpdate::Stale => {
                stored.marked_stale(RevalidateReason::HeadDiffered, fetched.times.response)
            }
            HeadUpdate::Unaffected => continue,
        };
        ask.proxy.store.update(key, ticket, stored, &Arc::new(object));
    }
}
