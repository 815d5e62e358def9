//! A request's way to its answer.
//!
//! 1. Leave out what the origin will not hear, read the target and find its route.
//! 2. Refuse what no origin should see: no target, a loop.
//! 3. Look up what is stored for the key, and let the policy decide: serve, validate, fetch, or pass.
//! 4. Answer at once where nothing has to be waited for; else in a future of its own.
//! 5. Count the verdict and write the access line, both once.

use std::{
    convert::Infallible,
    mem,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use futures_util::future::{BoxFuture, Either, Ready, ready};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request};
use http_body::Body;
use hyper::body::Incoming;
use selat_core::{
    cache::{
        policy::{Decision, lookup, without_key},
        reason::{HitReason, MissReason, PassReason},
        status::CacheStatus,
    },
    http::{range::RangeSpec, target::Target, via},
};
use selat_runtime::{
    access::{AccessLog, Entry},
    serve::Interims,
};

use crate::{
    body::{ReplyBody, RequestBody},
    cache::{object::Object, resource::Resource},
    fetch::{self, Stored, Why},
    forward::distrust,
    own,
    proxy::{NAME, Proxy, hop},
    purge,
    reply::Served,
    request::{Ask, Reply, Verdict, refresh, refuse},
    route::Route,
};

/// What answers a request: most often an answer that is there already. What waits for an origin takes
/// kilobytes, which a hit would have to move about with it.
pub(crate) type Answer = Either<Ready<Answered>, BoxFuture<'static, Answered>>;

/// A request always has an answer.
type Answered = Result<Response<ReplyBody>, Infallible>;

/// What is to be done about a request.
enum Next {
    /// Serve what is stored.
    Serve(Served, HitReason),
    /// Send what was made of it already.
    Send(Reply),
    /// Wait for the route's origin, or for the store to be purged.
    Wait(Arc<Route>, Wait),
}

/// What a request waits for.
enum Wait {
    /// Its target being purged.
    Purge,
    /// An answer of the origin, about what was found.
    Fetch(Why, Found),
    /// The origin's answer, without the cache.
    Pass(PassReason),
}

/// What is stored for a request, as [`Stored`] has it while the origin is asked.
enum Found {
    Nothing,
    Unconfirmed(Arc<Object>),
    Part(Arc<Object>, RangeSpec, Option<HeaderValue>),
}

impl Found {
    fn stored(&self) -> Stored<'_> {
        match self {
            Self::Nothing => Stored::Nothing,
            Self::Unconfirmed(object) => Stored::Unconfirmed(object),
            Self::Part(object, range, if_range) => Stored::Part(object, *range, if_range.as_ref()),
        }
    }
}

/// A request that waits for its answer.
struct Waiting {
    proxy: Arc<Proxy>,
    route: Arc<Route>,
    client: SocketAddr,
    interims: Interims,
    started: Instant,
    head: request::Parts,
    body: Incoming,
    wait: Wait,
}

/// Answers a request, at once where nothing has to be waited for.
pub(crate) fn answer(
    proxy: &Arc<Proxy>,
    client: SocketAddr,
    interims: &Interims,
    request: Request<Incoming>,
) -> Answer {
    let started = Instant::now();
    let (mut head, body) = request.into_parts();
    announce_content(&mut head, &body);
    join_cookies(&mut head);
    distrust(&mut head.headers);
    let routes = proxy.routes.load();
    let (next, route) = match Target::of(&head.uri, &head.headers, false) {
        _ if own::is_for_server(&head) => (Next::Send((own::options(), Verdict::Refused)), None),
        Ok(target) => {
            let route = routes.of(&target);
            let query = route.query(&target);
            let target = Target { query: query.as_deref(), ..target };
            let made_key = &OnceLock::new();
            let ask = Ask { proxy, route, client, head: &head, target, made_key, interims: None };
            (look(&ask), Some(&**route))
        }
        Err(error) => (Next::Send(refuse(StatusCode::BAD_REQUEST, &error.to_string())), None),
    };
    let reply = match next {
        Next::Serve(served, reason) => {
            let fields = spare(&mut head, &proxy.access);
            (served.response(CacheStatus::of_hit(NAME, reason), fields), Verdict::Hit(reason))
        }
        Next::Send(reply) => reply,
        Next::Wait(route, wait) => {
            let (proxy, interims) = (Arc::clone(proxy), interims.clone());
            let waiting = Waiting { proxy, route, client, interims, started, head, body, wait };
            return Either::Right(Box::pin(waiting.answer()));
        }
    };
    Either::Left(ready(Ok(sent(&proxy.access, route, client, &head, started, reply))))
}

/// Has the head say that content follows also where HTTP/2 needs no field for it: decisions are made by heads.
fn announce_content(head: &mut request::Parts, body: &Incoming) {
    let is_unsaid = head.version == Version::HTTP_2
        && !body.is_end_stream()
        && !head.headers.contains_key(header::CONTENT_LENGTH);
    if is_unsaid {
        head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// RFC 9113 §8.2.3: HTTP/2 may divide a cookie into several fields, which are one to whoever reads it.
fn join_cookies(head: &mut request::Parts) {
    let crumbs = head.headers.get_all(header::COOKIE);
    if head.version != Version::HTTP_2 || crumbs.iter().nth(1).is_none() {
        return;
    }
    let joined = crumbs.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    // What joins values is as fit for one as they are.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        head.headers.insert(header::COOKIE, joined);
    }
}

/// Answers a request by itself or with what is stored, or says what there is to wait for.
fn look(ask: &Ask<'_>) -> Next {
    if via::loops(&ask.head.headers, hop()) {
        return Next::Send(refuse(StatusCode::LOOP_DETECTED, "via_loop"));
    }
    if purge::method::is_purge(ask) {
        return wait(ask, Wait::Purge);
    }
    if let Some(response) = own::answer(ask) {
        return Next::Send((response, Verdict::Refused));
    }
    let Ok(stored) = ask.stored() else {
        let decision = without_key(ask.request_head(), &ask.route.options);
        return follow(ask, decision, &[], SystemTime::now());
    };
    let variants = stored.as_ref().map_or(&[][..], Resource::variants);
    let (candidates, now) = (variants.iter().map(|object| &object.meta), SystemTime::now());
    let decision = lookup(ask.request_head(), candidates, now, &ask.route.options);
    follow(ask, decision, variants, now)
}

/// What follows from a decision about what is stored.
fn follow(ask: &Ask<'_>, decision: Decision, variants: &[Arc<Object>], now: SystemTime) -> Next {
    let object = |which: usize| variants.get(which).cloned();
    let what = match decision {
        Decision::Serve(serve) => match object(serve.which) {
            Some(object) => {
                if serve.wants_refresh() || ask.wants_early_refresh(&object, now) {
                    refresh(ask, &object);
                }
                return Next::Serve(Served::new(ask, &object, now), serve.reason);
            }
            None => Wait::Fetch(Why::Miss(MissReason::Absent), Found::Nothing),
        },
        Decision::Revalidate { which, reason, .. } => {
            let found = object(which).map_or(Found::Nothing, Found::Unconfirmed);
            Wait::Fetch(Why::Revalidate(reason), found)
        }
        Decision::Complete { which, range, if_range } => {
            let part = |object| Found::Part(object, range, if_range);
            Wait::Fetch(Why::Miss(MissReason::Partial), object(which).map_or(Found::Nothing, part))
        }
        Decision::Fetch(reason) => Wait::Fetch(Why::Miss(reason), Found::Nothing),
        Decision::Pass(reason) => Wait::Pass(reason),
        Decision::GatewayTimeout => {
            return Next::Send(refuse(StatusCode::GATEWAY_TIMEOUT, "only_if_cached"));
        }
    };
    wait(ask, what)
}

fn wait(ask: &Ask<'_>, what: Wait) -> Next {
    Next::Wait(Arc::clone(ask.route), what)
}

/// A map for the fields of a response: that of the request's where nobody reads them any more, since one of
/// this size is dear to come by.
fn spare(head: &mut request::Parts, access: &AccessLog) -> HeaderMap {
    if access.is_read() { HeaderMap::new() } else { mem::take(&mut head.headers) }
}

/// Counts and logs an answer.
fn sent(
    access: &AccessLog,
    route: Option<&Route>,
    client: SocketAddr,
    head: &request::Parts,
    started: Instant,
    (response, verdict): Reply,
) -> Response<ReplyBody> {
    let elapsed = started.elapsed();
    if let Some(route) = route {
        verdict.count(&route.counters, elapsed);
    }
    if access.is_read() {
        access.note(&Entry {
            status: response.status(),
            cache: Some(verdict.as_str()),
            route: route.map(|route| &*route.namespace),
            elapsed,
            ..Entry::of(client, head)
        });
    }
    response
}

impl Waiting {
    async fn answer(self) -> Answered {
        let Self { proxy, route, client, interims, started, head, body, wait } = self;
        let reply = match Target::of(&head.uri, &head.headers, false) {
            Ok(target) => {
                let query = route.query(&target);
                let target = Target { query: query.as_deref(), ..target };
                let (proxy, route, made_key) = (&proxy, &route, &OnceLock::new());
                let ask =
                    Ask { proxy, route, client, head: &head, target, made_key, interims: None };
                wait.answer(&ask.with_interims(&interims), body).await
            }
            // It was read once already.
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        Ok(sent(&proxy.access, Some(&route), client, &head, started, reply))
    }
}

impl Wait {
    async fn answer(self, ask: &Ask<'_>, body: Incoming) -> Reply {
        match self {
            Self::Purge => purge::method::answer(ask).await,
            Self::Pass(reason) => {
                fetch::passed(ask, reason, RequestBody::of(body, ask.route.body_timeout)).await
            }
            Self::Fetch(why, found) if ask.is_shareable() => {
                fetch::shared(ask, why, found.stored()).await
            }
            Self::Fetch(why, found) => fetch::alone(ask, why, found.stored()).await,
        }
    }
}
