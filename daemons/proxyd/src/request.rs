//! One request, from its head to the head of its response.
//!
//! 1. Refuse what no origin should see: no target, a loop.
//! 2. Look up what is stored for the key.
//! 3. Let the policy decide: serve, validate, fetch, or pass.
//! 4. Count the verdict and write the access line, both once.

use std::{
    cell::RefCell,
    mem,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{Method, Request, Response, StatusCode, Version, header, request};
use hyper::body::Incoming;
use selat_core::{
    cache::{
        early::wants_early_refresh,
        key::CacheKey,
        policy::{Decision, lookup},
        reason::{HitReason, MissReason, PassReason, RevalidateReason},
        status::CacheStatus,
    },
    http::{
        conditional,
        message::RequestHead,
        range::Requested,
        target::{Target, TargetError},
        via,
    },
};
use selat_runtime::{access::Entry, serve::Interims};
use tracing::debug;

use crate::{
    body::{ReplyBody, RequestBody},
    cache::{flight::Part, object::Object, store::Resource},
    counters::Counters,
    fetch::{self, Stored, Why},
    own,
    proxy::{NAME, Proxy, Route, hop},
    purge, reply,
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
    pub(crate) fn new(
        proxy: &'r Arc<Proxy>,
        route: &'r Arc<Route>,
        client: SocketAddr,
        head: &'r request::Parts,
    ) -> Result<Self, TargetError> {
        let target = Target::of(&head.uri, &head.headers, false)?;
        Ok(Self { proxy, route, client, head, target, interims: None })
    }

    /// Passes interim responses on to the client. RFC 9110 §15.2: never to HTTP/1.0; hyper sends
    /// none by HTTP/2.
    fn with_interims(self, interims: &'r Interims) -> Self {
        let takes = self.head.version == Version::HTTP_11;
        Self { interims: takes.then_some(interims), ..self }
    }

    pub(crate) fn key(&self) -> CacheKey {
        CacheKey::new(self.route.namespace, &self.target)
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
    pub(crate) fn stored(&self) -> Option<Resource> {
        thread_local! {
            static KEY: RefCell<String> = const { RefCell::new(String::new()) };
        }
        KEY.with_borrow_mut(|text| {
            CacheKey::write(text, self.route.namespace, &self.target);
            self.proxy.store.lookup(text)
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
    let route = proxy.route.load_full();
    let asked = route.rewritten(&head.uri).map(|uri| mem::replace(&mut head.uri, uri));
    let (response, verdict) = match Ask::new(&proxy, &route, client, &head) {
        _ if own::is_for_server(&head) => (own::options(), Verdict::Refused),
        Ok(_) if via::loops(&head.headers, hop()) => refuse(StatusCode::LOOP_DETECTED, "via_loop"),
        Ok(ask) if purge::method::is_purge(&ask) => {
            (purge::method::answer(&ask).await, Verdict::Purged)
        }
        Ok(ask) => match own::answer(&ask) {
            Some(response) => (response, Verdict::Refused),
            None => answer(&ask.with_interims(interims), body).await,
        },
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let elapsed = started.elapsed();
    verdict.count(&proxy.counters, elapsed);
    proxy.access.note(&Entry {
        target: Entry::target_of(asked.as_ref().unwrap_or(&head.uri)),
        status: response.status(),
        cache: Some(verdict.as_str()),
        elapsed,
        ..Entry::of(client, &head)
    });
    response
}

fn refuse(status: StatusCode, detail: &str) -> Reply {
    let said = CacheStatus { cache: NAME, detail: Some(detail), ..CacheStatus::default() };
    (reply::error(status, said), Verdict::Refused)
}

async fn answer(ask: &Ask<'_>, body: Incoming) -> Reply {
    let stored = ask.stored();
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
        if let Ok(ask) = Ask::new(&proxy, &route, client, &head) {
            let why = Why::Revalidate(RevalidateReason::Stale);
            let stored = Stored::Unconfirmed(&object);
            let (_, verdict) = fetch::lead(&ask, why, stored, Some(permit)).await;
            debug!(uri = %head.uri, cache = verdict.as_str(), "refresh");
        }
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
