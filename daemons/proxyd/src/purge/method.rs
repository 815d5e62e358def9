//! `PURGE URL` as an HTTP request, as plugins of content management systems send it: removes all that is
//! stored for the URL. Only for the clients that `cache.purge_allow` names.

use http::{HeaderValue, Response, StatusCode, header};
use selat_core::cache::status::CacheStatus;
use selat_runtime::control::Actor;

use super::Purge;
use crate::{
    body::ReplyBody,
    cache::{
        selection::Selection,
        store::{PurgeMode, Purged},
    },
    network::Network,
    proxy::NAME,
    reply,
    request::{Ask, Reply, Verdict},
};

/// Whether the request is such a one.
pub(crate) fn is_purge(ask: &Ask<'_>) -> bool {
    ask.head.method.as_str() == "PURGE"
}

/// Answers it: 200 with the count as JSON, 403 where the client may not, 501 where nobody may, 503 where too much
/// waits to be done. It is an order like any other, carried out and logged in one place.
pub(crate) async fn answer(ask: &Ask<'_>) -> Reply {
    match refusal(&ask.route.purge_allow, ask.client.ip()) {
        Some((status, detail)) => refuse(status, detail),
        None => purge(ask).await,
    }
}

fn refusal(allow: &[Network], client: std::net::IpAddr) -> Option<(StatusCode, &'static str)> {
    if allow.is_empty() {
        return Some((StatusCode::NOT_IMPLEMENTED, "purge_allow_is_empty"));
    }
    let allowed = allow.iter().any(|network| network.contains(client));
    (!allowed).then_some((StatusCode::FORBIDDEN, "not_in_purge_allow"))
}

fn refuse(status: StatusCode, detail: &str) -> Reply {
    let said = CacheStatus { cache: NAME, detail: Some(detail), ..CacheStatus::default() };
    let mut response = reply::error(status, said);
    let hint = match status {
        StatusCode::FORBIDDEN => "this address may not purge: see cache.purge_allow\n",
        StatusCode::NOT_IMPLEMENTED => {
            "PURGE is off: cache.purge_allow names who may; netctl cache purge needs no such leave\n"
        }
        _ => "nothing was purged: try again\n",
    };
    *response.body_mut() = ReplyBody::text(hint);
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    (response, Verdict::Refused)
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

async fn purge(ask: &Ask<'_>) -> Reply {
    let purge = Purge { selection: Selection::resource(&ask.base_key()), mode: PurgeMode::Remove };
    let Ok(purged) = ask.proxy.order(Actor::Client(ask.client), purge).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "no_order");
    };
    let Purged { variants, bytes } = purged;
    let count = format!("{{\"purged_count\":{variants},\"purged_bytes\":{bytes}}}\n");
    let mut response = Response::new(ReplyBody::text(count));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (response, Verdict::Purged)
}
