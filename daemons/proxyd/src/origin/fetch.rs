//! One exchange with an origin: the head of the request out, the head of the response in.

use std::{
    error::Error,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use http::{Method, Request, Response, header, response};
use hyper::body::Incoming;
use selat_core::cache::freshness::Times;
use tokio::{
    sync::watch,
    time::{self, error::Elapsed},
};
use tracing::debug;

use super::{
    OriginBody, OriginError, OriginLimits,
    body::Lease,
    pool::{Connection, Pool},
};
use crate::{
    body::{BodyError, RequestBody},
    cache::tags::Tags,
    counters::Counters,
};

/// The origins of a route, asked in turn; one that cannot be reached is passed over.
#[derive(Debug)]
pub(crate) struct Origins {
    pools: Vec<Arc<Pool>>,
    next: AtomicUsize,
    counters: Arc<Counters>,
}

/// A response that has begun to arrive.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) head: response::Parts,
    pub(crate) body: OriginBody,
    pub(crate) origin: Arc<str>,
    pub(crate) times: Times,
    /// What the response may be purged by; `None` where it says nothing about that.
    pub(crate) tags: Option<Tags>,
}

/// A request that failed, and itself if it can be sent anew.
struct Failure {
    error: OriginError,
    request: Option<Request<RequestBody>>,
}

impl Origins {
    pub(crate) fn new(pools: Vec<Arc<Pool>>, counters: Arc<Counters>) -> Self {
        Self { pools, next: AtomicUsize::new(0), counters }
    }

    /// Sends the request that `make` makes of `content`, and waits for the head of its response.
    ///
    /// # Errors
    /// [`OriginError`] of the last origin that was tried.
    pub(crate) async fn fetch(
        &self,
        make: impl Fn(RequestBody) -> Request<RequestBody>,
        content: RequestBody,
    ) -> Result<Fetched, OriginError> {
        let fetched = self.fetch_from_any(make, content).await;
        if let Err(error) = &fetched {
            self.counters.here().origin_errors.increment(error.index());
        }
        fetched
    }

    async fn fetch_from_any(
        &self,
        make: impl Fn(RequestBody) -> Request<RequestBody>,
        content: RequestBody,
    ) -> Result<Fetched, OriginError> {
        let first = self.next.fetch_add(1, Relaxed);
        let mut failed = OriginError::Unreachable;
        for turn in 0..self.pools.len() {
            let pool = &self.pools[(first + turn) % self.pools.len()];
            match pool.connection().await {
                Ok(connection) => return self.exchange(pool, connection, make, content).await,
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// RFC 9112 §9.3.1: a request that a kept connection lost is sent once more on a new one, if that does no
    /// harm.
    async fn exchange(
        &self,
        pool: &Arc<Pool>,
        connection: Connection,
        make: impl Fn(RequestBody) -> Request<RequestBody>,
        content: RequestBody,
    ) -> Result<Fetched, OriginError> {
        let (reused, is_empty) = (connection.reused, matches!(content, RequestBody::Empty));
        let request = make(content);
        let is_repeatable = reused && is_empty && is_idempotent(request.method());
        match self.send(pool, connection, request).await {
            Ok(fetched) => Ok(fetched),
            Err(Failure { error: OriginError::Timeout, .. }) => Err(OriginError::Timeout),
            Err(Failure { error, request }) => {
                let again = || is_repeatable.then(|| make(RequestBody::Empty));
                let Some(request) = request.or_else(again) else { return Err(error) };
                debug!(origin = %pool.origin(), "a kept connection was closed, sending the request anew");
                let connection = pool.connect().await?;
                let sent = self.send(pool, connection, request).await;
                sent.map_err(|failure| failure.error)
            }
        }
    }

    async fn send(
        &self,
        pool: &Arc<Pool>,
        mut connection: Connection,
        request: Request<RequestBody>,
    ) -> Result<Fetched, Failure> {
        let sent = SystemTime::now();
        let taken = request.body().taken();
        let answer = connection.sender.try_send_request(request);
        let response = match in_time(answer, taken, pool.limits()).await {
            Ok(Ok(response)) => response,
            Ok(Err(mut error)) => {
                let request = error.take_message();
                let error = error.into_error();
                debug!(origin = %pool.origin(), %error, "no response");
                return Err(Failure { error: cause(&error), request });
            }
            Err(_) => return Err(Failure { error: OriginError::Timeout, request: None }),
        };
        let times = Times { request: sent, response: SystemTime::now() };
        Ok(self.fetched(pool, connection, response, times))
    }

    fn fetched(
        &self,
        pool: &Arc<Pool>,
        mut connection: Connection,
        response: Response<Incoming>,
        times: Times,
    ) -> Fetched {
        let (mut head, incoming) = response.into_parts();
        connection.heed(&head.headers);
        // RFC 9112 §6.3: the coding of the transfer overrides a length, which must not be passed on.
        if head.headers.contains_key(header::TRANSFER_ENCODING) {
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let tags = Tags::take(&mut head.headers);
        let lease = Lease { pool: Arc::clone(pool), connection };
        let body = OriginBody::new(incoming, lease, Arc::clone(&self.counters));
        Fetched { head, body, origin: Arc::clone(pool.origin().url()), times, tags }
    }
}

/// Whose fault it is that there is no response.
fn cause(error: &hyper::Error) -> OriginError {
    let of_content = error.source().and_then(|source| source.downcast_ref());
    match of_content {
        Some(BodyError::Timeout) => OriginError::Stalled,
        _ if error.is_user() => OriginError::Request,
        _ => OriginError::Broken,
    }
}

/// The answer to a request, if the origin is in time with it once the request is sent. While it is being sent,
/// only the time between two pieces of its content (`taken` tells) is limited.
async fn in_time<T>(
    answer: impl Future<Output = T>,
    taken: Option<watch::Receiver<()>>,
    limits: &OriginLimits,
) -> Result<T, Elapsed> {
    let mut answer = pin!(answer);
    if let Some(mut taken) = taken {
        // The client has its own deadline for the next piece, and the origin then has to take it.
        let limit = limits.body_timeout + limits.head_timeout;
        loop {
            tokio::select! {
                answer = &mut answer => return Ok(answer),
                piece = time::timeout(limit, taken.changed()) => if piece?.is_err() { break },
            }
        }
    }
    time::timeout(limits.head_timeout, answer).await
}

/// Whether sending a request twice is as good as once (RFC 9110 §9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
