//! One request: what it asks for, what is stored for it, and what became of it.

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use http::{Method, Response, StatusCode, Version, header, request};
use selat_core::{
    cache::{
        early::wants_early_refresh,
        key::CacheKey,
        key_parts::TooLong,
        reason::{HitReason, MissReason, PassReason, RevalidateReason},
        status::CacheStatus,
    },
    http::{conditional, message::RequestHead, range::Requested, target::Target},
};
use selat_runtime::serve::Interims;
use tracing::debug;

use crate::{
    body::ReplyBody,
    cache::{flight::Part, object::Object, resource::Resource},
    counters::Counters,
    fetch::{self, Stored, Why},
    proxy::{NAME, Proxy},
    reply,
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
    /// Its key, once it is made.
    pub(crate) made_key: &'r OnceLock<CacheKey>,
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
    /// Purged.
    Purged,
    /// Answered by the daemon itself.
    Refused,
}

/// A response, and how it came about.
pub(crate) type Reply = (Response<ReplyBody>, Verdict);

impl<'r> Ask<'r> {
    /// Passes interim responses on to the client. RFC 9110 §15.2: never to HTTP/1.0; hyper sends
    /// none by HTTP/2.
    pub(crate) fn with_interims(self, interims: &'r Interims) -> Self {
        let takes = self.head.version == Version::HTTP_11;
        Self { interims: takes.then_some(interims), ..self }
    }

    /// Its key. Where a part is too long ([`TooLong`]), one for which nothing is ever stored.
    pub(crate) fn key(&self) -> &'r CacheKey {
        self.made_key.get_or_init(|| {
            let mut text = String::new();
            if self.route.write_key(&mut text, &self.target, &self.head.headers).is_err() {
                text.push_str(" too_long");
            }
            CacheKey::from(text.as_str())
        })
    }

    /// What all keys of its URL have in common.
    pub(crate) fn base_key(&self) -> CacheKey {
        self.route.base_key(&self.target)
    }

    pub(crate) fn request_head(&self) -> RequestHead<'r> {
        self.head.into()
    }

    /// Whether others may share what is fetched for it.
    pub(crate) fn is_shareable(&self) -> bool {
        is_shareable(self.request_head())
    }

    /// Whether what is stored is to be fetched anew although it is fresh.
    pub(crate) fn wants_early_refresh(&self, object: &Object, now: SystemTime) -> bool {
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

/// Whether requests of this kind may share what is fetched for one of them.
pub(crate) fn is_shareable(request: RequestHead<'_>) -> bool {
    *request.method == Method::GET && Requested::of(request.headers) == Requested::Whole
}

pub(crate) fn refuse(status: StatusCode, detail: &str) -> Reply {
    let said = CacheStatus { cache: NAME, detail: Some(detail), ..CacheStatus::default() };
    (reply::error(status, said), Verdict::Refused)
}

/// Validates a response that is being served, unless someone does already.
pub(crate) fn refresh(ask: &Ask<'_>, object: &Arc<Object>) {
    let Part::Leader(permit) = ask.proxy.join(ask.key()) else { return };
    let (proxy, route) = (Arc::clone(ask.proxy), Arc::clone(ask.route));
    let (client, head, object) = (ask.client, refreshing(ask.head), Arc::clone(object));
    tokio::spawn(async move {
        // The target was read once already.
        let Ok(target) = Target::of(&head.uri, &head.headers, false) else { return };
        let query = route.query(&target);
        let target = Target { query: query.as_deref(), ..target };
        let (proxy, route, made_key, interims) = (&proxy, &route, &OnceLock::new(), None);
        let ask = Ask { proxy, route, client, head: &head, target, made_key, interims };
        let why = Why::Revalidate(RevalidateReason::Stale);
        let stored = Stored::Unconfirmed(&object);
        let (_, verdict) = fetch::lead(&ask, why, stored, Some(permit)).await;
        debug!(uri = %head.uri, cache = verdict.as_str(), "refresh");
    });
}

/// A request for all of what this one is served a part or the head of. What the client wishes of caches is not
/// what this one wishes of those further on.
fn refreshing(head: &request::Parts) -> request::Parts {
    let mut head = head.clone();
    head.method = Method::GET;
    for name in [header::RANGE, header::CACHE_CONTROL, header::PRAGMA] {
        head.headers.remove(name);
    }
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

    pub(crate) fn count(self, counters: &Counters, elapsed: Duration) {
        let counters = counters.here();
        if let Self::Hit(reason) = self
            && !reason.is_after_failure()
        {
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
