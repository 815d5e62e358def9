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
    OriginAddr, OriginBody, OriginError, OriginLimits,
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
    list: Vec<OriginAddr>,
    next: AtomicUsize,
    pool: Arc<Pool>,
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
    pub(crate) fn new(list: Vec<OriginAddr>, pool: Arc<Pool>, counters: Arc<Counters>) -> Self {
        Self { list, next: AtomicUsize::new(0), pool, counters }
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// [`OriginError`] of the last origin that was tried.
    pub(crate) async fn fetch(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Fetched, OriginError> {
        let fetched = self.fetch_from_any(request).await;
        if let Err(error) = &fetched {
            self.counters.here().origin_errors.increment(error.index());
        }
        fetched
    }

    async fn fetch_from_any(&self, request: Request<RequestBody>) -> Result<Fetched, OriginError> {
        let first = self.next.fetch_add(1, Relaxed);
        let mut failed = OriginError::Unreachable;
        for turn in 0..self.list.len() {
            let origin = &self.list[(first + turn) % self.list.len()];
            match self.pool.connection(origin).await {
                Ok(connection) => return self.exchange(origin, connection, request).await,
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// RFC 9112 §9.3.1: a request that a kept connection lost is sent once more on a new one, if that does no
    /// harm.
    async fn exchange(
        &self,
        origin: &OriginAddr,
        connection: Connection,
        request: Request<RequestBody>,
    ) -> Result<Fetched, OriginError> {
        let again = connection.reused.then(|| repeatable(&request)).flatten();
        match self.send(origin, connection, request).await {
            Ok(fetched) => Ok(fetched),
            Err(Failure { error: OriginError::Timeout, .. }) => Err(OriginError::Timeout),
            Err(Failure { error, request }) => {
                let Some(request) = request.or(again) else { return Err(error) };
                debug!(%origin, "a kept connection was closed, sending the request anew");
                let connection = self.pool.connect(origin).await?;
                let sent = self.send(origin, connection, request).await;
                sent.map_err(|failure| failure.error)
            }
        }
    }

    async fn send(
        &self,
        origin: &OriginAddr,
        mut connection: Connection,
        request: Request<RequestBody>,
    ) -> Result<Fetched, Failure> {
        let sent = SystemTime::now();
        let taken = request.body().taken();
        let answer = connection.sender.try_send_request(request);
        let response = match in_time(answer, taken, self.pool.limits()).await {
            Ok(Ok(response)) => response,
            Ok(Err(mut error)) => {
                let request = error.take_message();
                let error = error.into_error();
                debug!(%origin, %error, "no response");
                return Err(Failure { error: cause(&error), request });
            }
            Err(_) => return Err(Failure { error: OriginError::Timeout, request: None }),
        };
        let times = Times { request: sent, response: SystemTime::now() };
        Ok(self.fetched(origin, connection, response, times))
    }

    fn fetched(
        &self,
        origin: &OriginAddr,
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
        let lease = Lease { pool: Arc::clone(&self.pool), origin: origin.clone(), connection };
        let body = OriginBody::new(incoming, lease, Arc::clone(&self.counters));
        Fetched { head, body, origin: Arc::clone(origin.url()), times, tags }
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

/// The request once more, if sending it twice is as good as once (RFC 9110 §9.2.2) and nothing of it is
/// spent.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    if !idempotent || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut again = Request::new(RequestBody::Empty);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    Some(again)
}
