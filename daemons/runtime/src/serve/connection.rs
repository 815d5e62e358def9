//! One HTTP connection: HTTP/1.1, or HTTP/2 where the client begins with its preface.

use std::{error::Error, io, pin::pin, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time};
use tracing::debug;

use super::{
    Drain, HttpLimits,
    deadline::WriteDeadline,
    head_deadline::HeadDeadline,
    interim::{Interims, WithInterims},
    opening::{Opening, Reopened},
    streams::{Paced, Streams},
};

/// Time between pings to a silent HTTP/2 client, and for its answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Header fields that hyper takes where it is not told.
const HYPER_HEADERS_MAX: usize = 100;

type BoxError = Box<dyn Error + Send + Sync>;

/// Serves one connection to its end. A client's fault ends it with a line in the log at debug.
pub async fn connection<S, B>(stream: TcpStream, service: S, limits: &HttpLimits, drain: &Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send + Unpin> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    connection_with_interims(stream, service, &Interims::default(), limits, drain).await;
}

/// As [`connection`], with interim responses to HTTP/1.1 clients: those that `service` sends by `interims`.
pub async fn connection_with_interims<S, B>(
    mut stream: TcpStream,
    service: S,
    interims: &Interims,
    limits: &HttpLimits,
    drain: &Drain,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send + Unpin> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let ended = async {
        stream.set_nodelay(true)?;
        let mut opening = Opening::default();
        tokio::select! {
            // What has come is heard before the end is.
            biased;
            read = time::timeout(limits.header_timeout, opening.read(&mut stream)) => read??,
            () = drain.closed() => {}
        }
        if opening.is_empty() {
            return Ok(());
        }
        let is_http2 = opening.is_http2();
        let io = Reopened::new(TokioIo::new(stream), opening);
        let io = WriteDeadline::new(io, limits.write_timeout);
        if is_http2 {
            serve_http2(io, service, limits, drain).await
        } else {
            serve_http1(io, service, interims, limits, drain).await
        }
    };
    if let Err(error) = ended.await {
        debug!(error = %crate::exit::chain(error.as_ref()), "connection ended");
    }
}

type Io = WriteDeadline<Reopened<TokioIo<TcpStream>>>;

async fn serve_http1<S, B>(
    io: Io,
    service: S,
    interims: &Interims,
    limits: &HttpLimits,
    drain: &Drain,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let closing = service_fn(|request: Request<Incoming>| {
        let answer = service.call(request);
        async move {
            let mut response = interims.before(answer).await?;
            // RFC 9112 §9.6: the last response says so, and the client opens a new connection.
            if drain.has_begun() && response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, S::Error>(response)
        }
    });
    let io = WithInterims::new(io, interims.clone());
    let head_deadline = HeadDeadline::default();
    let mut http1 = http1::Builder::new();
    http1
        .timer(head_deadline.clone())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max);
    // Where its own limit will do, hyper reads heads onto the stack.
    if limits.headers_max != HYPER_HEADERS_MAX {
        http1.max_headers(limits.headers_max);
    }
    let connection = http1.serve_connection(io, closing).with_upgrades();
    let mut connection = pin!(connection);
    // These are polled only when they are woken, not with each request.
    let mut events = FuturesUnordered::<BoxFuture<'_, Event>>::new();
    events.push(Box::pin(drain.closed().map(|()| Event::Closed)));
    let head_is_late =
        || head_deadline.clone().over(limits.header_timeout).map(|()| Event::HeadIsLate);
    events.push(Box::pin(head_is_late()));
    loop {
        tokio::select! {
            // hyper closes a connection of which it has read no request: it is let to read first.
            biased;
            ended = connection.as_mut() => return Ok(ended?),
            Some(event) = events.next() => match event {
                Event::Closed => connection.as_mut().graceful_shutdown(),
                // The connection looks at its deadline next.
                Event::HeadIsLate => events.push(Box::pin(head_is_late())),
            },
        }
    }
}

/// What happens to an HTTP/1 connection from without.
enum Event {
    /// It is to close between two requests.
    Closed,
    /// The head that it waits for should have come.
    HeadIsLate,
}

async fn serve_http2<S, B>(
    io: Io,
    service: S,
    limits: &HttpLimits,
    drain: &Drain,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data: Send + Unpin> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let paced = service_fn(|request| {
        let answer = service.call(request);
        async move { Ok::<_, S::Error>(answer.await?.map(Paced::new)) }
    });
    let streams = Streams::new(limits.write_timeout);
    let head_bytes = u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(head_bytes)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .serve_connection(io, paced);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = drain.begun() => {}
        () = streams.idle(limits.header_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => Ok(ended?),
        // It says nothing to that, or does not take the end of a response.
        () = streams.idle(limits.header_timeout) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not go").into())
        }
    }
}
