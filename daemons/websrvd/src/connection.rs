//! One HTTP connection: each of its requests is answered, counted and logged.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use selat_runtime::{
    access::{AccessLog, Entry},
    counters::{Counter, Named, PerThread, Tally},
    serve::{self, Connections},
};
use tokio::net::TcpStream;
use tracing::debug;

use crate::{
    files::{self, Body, BodyError, Outcome, Site},
    measure::{Asked, Download, Measure, MeasureOutcome},
};

/// What one thread's requests came to. Named and explained in `web.proto`.
#[derive(Debug, Default)]
pub(crate) struct WebCounters {
    /// Requests answered, by [`Outcome::index`].
    pub(crate) outcomes: Tally<{ Outcome::COUNT }>,
    /// Body bytes handed to clients.
    pub(crate) body_bytes: Counter,
    /// Requests below the measurement path, by [`MeasureOutcome::index`].
    pub(crate) measured: Tally<{ MeasureOutcome::ALL.len() }>,
    /// Body bytes that clients sent to be measured.
    pub(crate) uploaded_bytes: Counter,
    /// Bodies that ended before their announced length.
    pub(crate) bodies_cut: Counter,
}

impl Named for WebCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.outcomes.visit("web.", Outcome::NAMES, visit);
        visit("web.body_bytes", &self.body_bytes);
        let measured = MeasureOutcome::ALL.map(MeasureOutcome::as_str);
        self.measured.visit("web.measured.", measured, visit);
        visit("web.uploaded_bytes", &self.uploaded_bytes);
        visit("web.bodies_cut", &self.bodies_cut);
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Web {
    /// What is served now.
    pub(crate) site: ArcSwap<Site>,
    /// What is measured against now, if anything.
    pub(crate) measure: ArcSwapOption<Measure>,
    /// Every connection.
    pub(crate) connections: Arc<Connections>,
    /// What their requests came to.
    pub(crate) counters: PerThread<WebCounters>,
    /// Where each request is noted.
    pub(crate) access: AccessLog,
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
    let (head, content) = request.into_parts();
    let measure = web.measure.load_full();
    let asked = measure.as_ref().and_then(|measure| Some((measure, measure.asked(&head)?)));
    let response = match asked {
        Some((measure, asked)) => measured(&web, measure, asked, &head, content, begun).await,
        // No file has a use for content; hyper closes a connection that sends much.
        None => file(&web, &head).await,
    };
    web.connections.count_request();
    let status = response.status();
    let exchange = Exchange { web, client, head, status, begun, bytes: 0 };
    Ok(response.map(|content| Tracked { content, exchange }))
}

async fn file(web: &Web, head: &Parts) -> Response<Content> {
    let site = web.site.load_full();
    let answer = files::answer(&site, head, SystemTime::now()).await;
    let answer = if head.method == Method::HEAD { answer.without_content() } else { answer };
    web.counters.here().outcomes.increment(answer.outcome.index());
    answer.response.map(Content::File)
}

async fn measured(
    web: &Web,
    measure: &Measure,
    asked: Asked,
    head: &Parts,
    content: Incoming,
    begun: Instant,
) -> Response<Content> {
    let measured = measure.answer(asked, head, content, begun.into()).await;
    let counters = web.counters.here();
    counters.measured.increment(measured.outcome.index());
    counters.uploaded_bytes.add(measured.uploaded_bytes);
    measured.response.map(Content::Generated)
}

/// The content of a response, wherever it comes from.
enum Content {
    File(Body),
    Generated(Download),
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<BodyError> {
        match &mut *self {
            Self::File(body) => Pin::new(body).poll_frame(context),
            Self::Generated(download) => {
                Pin::new(download).poll_frame(context).map_err(BodyError::from)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::File(body) => body.is_end_stream(),
            Self::Generated(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::File(body) => body.size_hint(),
            Self::Generated(download) => download.size_hint(),
        }
    }
}

/// One request and what became of it: an access line once it is over.
struct Exchange {
    web: Arc<Web>,
    client: SocketAddr,
    head: Parts,
    status: StatusCode,
    begun: Instant,
    bytes: u64,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.web.access.note(&Entry {
            status: self.status,
            bytes: Some(self.bytes),
            elapsed: self.begun.elapsed(),
            ..Entry::of(self.client, &self.head)
        });
    }
}

/// A body that knows whose answer it is, and ends the exchange when it ends.
struct Tracked {
    content: Content,
    exchange: Exchange,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<BodyError> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.content).poll_frame(context));
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
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
