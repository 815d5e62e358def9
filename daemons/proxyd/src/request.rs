//! One request, from its head to the head of its response.
//!
//! 1. Read the target and find its route.
//! 2. Refuse what no origin should see: no target, a loop.
//! 3. Look up what is stored for the key.
//! 4. Let the policy decide: serve, validate, fetch, or pass.
//! 5. Count the verdict and write the access line, both once.

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use http_body::Body;
use hyper::body::Incoming;
use selat_core::{
    cache::{
        early::wants_early_refresh,
        key::CacheKey,
        key_parts::TooLong,
        policy::{Decision, lookup},
        reason::{HitReason, MissReason, PassReason, RevalidateReason},
        status::CacheStatus,
    },
    http::{conditional, message::RequestHead, range::Requested, target::Target, via},
};
use selat_runtime::{access::Entry, serve::Interims};
use tracing::debug;

use crate::{
    body::{ReplyBody, RequestBody},
    cache::{flight::Part, object::Object, store::Resource},
    counters::Counters,
    fetch::{self, Stored, Why},
    own,
    proxy::{NAME, Proxy, hop},
    purge, reply,
    route::Route,
};

/// A request, and all that answering it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'r> {
    pub(crate) proxy: &'r Arc<Proxy>,
    pub(crate) route: &'r Arc<Route>,
    pub(crate) client: SocketAddr,
    pub(crate) head: &'r request::Parts,
    pub(crate) target: Target<'r>,
    /// Where interim responses go, if the client takes them.
    pub(crate) interims: Option<&'r Interims>,
}

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Served what was stored.
    Hit(HitReason),
    /// Served what was stored after the origin confirmed it.
    Revalidated,
    /// Served what another request fetched.
    Collapsed,
    /// Fetched: nothing fit was stored.
    Miss(MissReason),
    /// Fetched in place of what was stored.
    Replaced(RevalidateReason),
    /// Forwarded.
    Passed(PassReason),
    /// Purged, or refused to.
    Purged,
    /// Answered by the daemon itself.
    Refused,
}

/// A response, and how it came about.
pub(crate) type Reply = (Response<ReplyBody>, Verdict);

impl<'r> Ask<'r> {
    /// Passes interim responses on to the client. RFC 9110 §15.2: never to HTTP/1.0; hyper sends
    /// none by HTTP/2.
    fn with_interims(self, interims: &'r Interims) -> Self {
        let takes = self.head.version == Version::HTTP_11;
        Self { interims: takes.then_some(interims), ..self }
    }

    /// Its key. Where a part is too long ([`TooLong`]), one for which nothing is ever stored.
    pub(crate) fn key(&self) -> CacheKey {
        let mut text = String::new();
        if self.route.write_key(&mut text, &self.target, &self.head.headers).is_err() {
            text.push_str(" too_long");
        }
        CacheKey::from(text.as_str())
    }

    /// Answers it: by itself where no origin is to see it, else from the cache or the origin.
    async fn handle(&self, body: Incoming) -> Reply {
        if via::loops(&self.head.headers, hop()) {
            return refuse(StatusCode::LOOP_DETECTED, "via_loop");
        }
        if purge::method::is_purge(self) {
            return (purge::method::answer(self).await, Verdict::Purged);
        }
        match own::answer(self) {
            Some(response) => (response, Verdict::Refused),
            None => answer(self, body).await,
        }
    }

    /// What all keys of its URL have in common.
    pub(crate) fn base_key(&self) -> CacheKey {
        self.route.base_key(&self.target)
    }

    pub(crate) fn request_head(&self) -> RequestHead<'r> {
        self.head.into()
    }

    /// Whether others may share what is fetched for it.
    fn is_shareable(&self) -> bool {
        self.head.method == Method::GET && Requested::of(&self.head.headers) == Requested::Whole
    }

    /// Whether what is stored is to be fetched anew although it is fresh.
    fn wants_early_refresh(&self, object: &Object, now: SystemTime) -> bool {
        let eagerness = self.route.early_refresh;
        // A draw in (0, 1].
        let draw = || 1.0 - rand::random::<f64>();
        eagerness > 0.0 && wants_early_refresh(&object.meta, now, eagerness, draw())
    }

    /// What is stored for its key.
    ///
    /// # Errors
    /// [`TooLong`] where it can have none.
    pub(crate) fn stored(&self) -> Result<Option<Resource>, TooLong> {
        thread_local! {
            static KEY: RefCell<String> = const { RefCell::new(String::new()) };
        }
        KEY.with_borrow_mut(|text| {
            self.route.write_key(text, &self.target, &self.head.headers)?;
            Ok(self.proxy.store.lookup(text))
        })
    }
}

/// Answers a request. It always has an answer.
pub(crate) async fn handle(
    proxy: Arc<Proxy>,
    client: SocketAddr,
    interims: &Interims,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let started = Instant::now();
    let (mut head, body) = request.into_parts();
    announce_content(&mut head, &body);
    let (response, verdict, elapsed) = match Target::of(&head.uri, &head.headers, false) {
        _ if own::is_for_server(&head) => (own::options(), Verdict::Refused, started.elapsed()),
        Ok(target) => {
            let route = Arc::clone(proxy.routes.load().of(&target));
            let query = route.query(&target);
            let target = Target { query: query.as_deref(), ..target };
            let (proxy, route) = (&proxy, &route);
            let ask = Ask { proxy, route, client, head: &head, target, interims: None };
            let (response, verdict) = ask.with_interims(interims).handle(body).await;
            let elapsed = started.elapsed();
            verdict.count(&route.counters, elapsed);
            (response, verdict, elapsed)
        }
        Err(error) => {
            let (response, verdict) = refuse(StatusCode::BAD_REQUEST, &error.to_string());
            (response, verdict, started.elapsed())
        }
    };
    proxy.access.note(&Entry {
        status: response.status(),
        cache: Some(verdict.as_str()),
        elapsed,
        ..Entry::of(client, &head)
    });
    response
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

fn refuse(status: StatusCode, detail: &str) -> Reply {
    let said = CacheStatus { cache: NAME, detail: Some(detail), ..CacheStatus::default() };
    (reply::error(status, said), Verdict::Refused)
}

async fn answer(ask: &Ask<'_>, body: Incoming) -> Reply {
    let Ok(stored) = ask.stored() else {
        let body = RequestBody::of(body, ask.route.body_timeout);
        return fetch::passed(ask, PassReason::KeyTooLong, body).await;
    };
    let now = SystemTime::now();
    let variants = stored.iter().flat_map(Resource::variants);
    let candidates = variants.map(|object| &object.meta);
    let decision = lookup(ask.request_head(), candidates, now, &ask.route.options);
    let object = |which: usize| stored.as_ref().and_then(|stored| stored.variants().get(which));
    match &decision {
        Decision::Serve(serve) => match object(serve.which) {
            Some(object) => {
                if serve.wants_refresh() || ask.wants_early_refresh(object, now) {
                    refresh(ask, object);
                }
                let served = reply::from_object(ask, object, now, CacheStatus::of(NAME, &decision));
                (served, Verdict::Hit(serve.reason))
            }
            None => fetch(ask, Why::Miss(MissReason::Absent), Stored::Nothing).await,
        },
        Decision::Revalidate { which, reason, .. } => {
            let stored = object(*which).map_or(Stored::Nothing, Stored::Unconfirmed);
            fetch(ask, Why::Revalidate(*reason), stored).await
        }
        Decision::Complete { which, range, if_range } => {
            let part = |object| Stored::Part(object, *range, if_range.as_ref());
            let stored = object(*which).map_or(Stored::Nothing, part);
            fetch(ask, Why::Miss(MissReason::Partial), stored).await
        }
        Decision::Fetch(reason) => fetch(ask, Why::Miss(*reason), Stored::Nothing).await,
        Decision::Pass(reason) => {
            let body = RequestBody::of(body, ask.route.body_timeout);
            fetch::passed(ask, *reason, body).await
        }
        Decision::GatewayTimeout => refuse(StatusCode::GATEWAY_TIMEOUT, "only_if_cached"),
    }
}

async fn fetch(ask: &Ask<'_>, why: Why, stored: Stored<'_>) -> Reply {
    if ask.is_shareable() {
        fetch::shared(ask, why, stored).await
    } else {
        fetch::alone(ask, why, stored).await
    }
}

/// Validates a response that is being served, unless someone does already.
fn refresh(ask: &Ask<'_>, object: &Arc<Object>) {
    let Part::Leader(permit) = ask.proxy.join(&ask.key()) else { return };
    let (proxy, route) = (Arc::clone(ask.proxy), Arc::clone(ask.route));
    let (client, head, object) = (ask.client, refreshing(ask.head), Arc::clone(object));
    tokio::spawn(async move {
        // The target was read once already.
        let Ok(target) = Target::of(&head.uri, &head.headers, false) else { return };
        let query = route.query(&target);
        let target = Target { query: query.as_deref(), ..target };
        let (proxy, route, interims) = (&proxy, &route, None);
        let ask = Ask { proxy, route, client, head: &head, target, interims };
        let why = Why::Revalidate(RevalidateReason::Stale);
        let stored = Stored::Unconfirmed(&object);
        let (_, verdict) = fetch::lead(&ask, why, stored, Some(permit)).await;
        debug!(uri = %head.uri, cache = verdict.as_str(), "refresh");
    });
}

/// A request for all of what this one is served a part or the head of.
fn refreshing(head: &request::Parts) -> request::Parts {
    let mut head = head.clone();
    head.method = Method::GET;
    head.headers.remove(header::RANGE);
    conditional::strip(&mut head.headers);
    head
}

impl Verdict {
    /// Its name in the access line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit(HitReason::Fresh) => "hit",
            Self::Hit(_) => "stale",
            Self::Revalidated => "revalidated",
            Self::Collapsed => "collapsed",
            Self::Miss(_) | Self::Replaced(_) => "miss",
            Self::Passed(_) => "pass",
            Self::Purged => "purge",
            Self::Refused => "refused",
        }
    }

    fn count(self, counters: &Counters, elapsed: Duration) {
        let counters = counters.here();
        if let Self::Hit(_) = self {
            counters.hit_latency.record(elapsed);
        }
        match self {
            Self::Hit(HitReason::Fresh) => counters.hits.increment(),
            Self::Hit(_) => counters.stale_hits.increment(),
            Self::Revalidated => counters.revalidated.increment(),
            Self::Collapsed => counters.collapsed.increment(),
            Self::Miss(reason) => counters.misses.increment(reason.index()),
            Self::Replaced(reason) => counters.replaced.increment(reason.index()),
            Self::Passed(reason) => counters.passes.increment(reason.index()),
            Self::Purged | Self::Refused => {}
        }
    }
}
