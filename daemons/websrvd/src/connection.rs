//! One HTTP connection: each of its requests is answered, counted and logged.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use selat_runtime::{
    counters::{Counter, PerThread, Tally},
    serve::{self, Connections},
};
use tokio::net::TcpStream;
use tracing::{debug, info};

use crate::files::{self, Body, BodyError, Outcome, Site};

/// What one thread's requests came to. Named and explained in `web.proto`.
#[derive(Debug, Default)]
pub(crate) struct WebCounters {
    /// Requests answered, by [`Outcome::index`].
    pub(crate) outcomes: Tally<{ Outcome::COUNT }>,
    /// Body bytes handed to clients.
    pub(crate) body_bytes: Counter,
    /// Bodies that ended before their announced length.
    pub(crate) bodies_cut: Counter,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Web {
    /// What is served now.
    pub(crate) site: ArcSwap<Site>,
    /// Every connection.
    pub(crate) connections: Arc<Connections>,
    /// What their requests came to.
    pub(crate) counters: PerThread<WebCounters>,
}

/// Serves one connection to its end.
pub(crate) async fn serve(web: Arc<Web>, stream: TcpStream, client: SocketAddr) {
    let limits = web.site.load().limits.clone();
    let shared = Arc::clone(&web);
    let service = service_fn(move |request| answer(Arc::clone(&shared), client, request));
    serve::connection(stream, service, &limits, web.connections.drain()).await;
}

async fn answer(
    web: Arc<Web>,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Tracked>, Infallible> {
    let begun = Instant::now();
    // No request that is served has a use for content; hyper closes a connection that sends much.
    let (head, _) = request.into_parts();
    let site = web.site.load_full();
    let answer = files::answer(&site, &head, SystemTime::now()).await;
    let answer = if head.method == Method::HEAD { answer.without_content() } else { answer };
    web.connections.count_request();
    web.counters.here().outcomes.increment(answer.outcome.index());
    let status = answer.response.status();
    let exchange =
        Exchange { web, client, method: head.method, uri: head.uri, status, begun, bytes: 0 };
    Ok(answer.response.map(|body| Tracked { body, exchange }))
}

/// One request and what became of it: an access line once it is over.
struct Exchange {
    web: Arc<Web>,
    client: SocketAddr,
    method: Method,
    uri: Uri,
    status: StatusCode,
    begun: Instant,
    bytes: u64,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // HTTP/2 and proxies' requests name the host in the target: the same line for all.
        let target = self.uri.path_and_query().map_or("", |target| target.as_str());
        info!(
            target: "access",
            client = %self.client,
            method = %self.method,
            target = %target.escape_debug(),
            status = self.status.as_u16(),
            bytes = self.bytes,
            elapsed_us = self.begun.elapsed().as_micros() as u64,
            "request"
        );
    }
}

/// A body that knows whose answer it is, and ends the exchange when it ends.
struct Tracked {
    body: Body,
    exchange: Exchange,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let counters = this.exchange.web.counters.here();
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.exchange.bytes += bytes;
                counters.body_bytes.add(bytes);
            }
            Some(Err(error)) => {
                counters.bodies_cut.increment();
                debug!(client = %this.exchange.client, %error, "body cut off");
            }
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
