//! Content on its way: of requests to an origin, of responses to a client. Nothing is collected.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep},
};

use crate::{
    cache::{content::Content, filling::Reader},
    counters::Counters,
    origin::OriginBody,
};

/// Why content ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The origin cut it off.
    #[error("the origin's response ended before it was whole")]
    Origin,
    /// The origin or the client sent nothing for too long.
    #[error("no content arrived in time")]
    Timeout,
    /// The client cut it off.
    #[error("the client's request ended before it was whole")]
    Client,
}

/// The content of a response.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// None. The length is of what a GET would get.
    Empty,
    /// Octets of our own making.
    Text(Option<Bytes>),
    /// Stored content.
    Stored(StoredBody),
    /// Content that is being stored; counted as the cache's where another request fetched it.
    Filling(Reader, Option<Arc<Counters>>),
    /// Content that only passes through.
    Origin(Box<OriginBody>),
}

impl ReplyBody {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub(crate) fn stored(content: Content) -> Self {
        let left = content.length();
        Self::Stored(StoredBody { content, next: 0, left })
    }
}

/// Stored content, piece by piece.
#[derive(Debug)]
pub(crate) struct StoredBody {
    content: Content,
    next: usize,
    left: u64,
}

impl StoredBody {
    fn next(&mut self) -> Option<Bytes> {
        let piece = self.content.pieces().get(self.next)?.clone();
        self.next += 1;
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stored(stored) => Poll::Ready(stored.next().map(|piece| Ok(Frame::data(piece)))),
            Self::Filling(reader, counters) => {
                let frame = Pin::new(reader).poll_frame(context);
                if let (Poll::Ready(Some(Ok(frame))), Some(counters)) = (&frame, counters) {
                    let octets = frame.data_ref().map_or(0, Bytes::len);
                    counters.here().cache_body_bytes.add(octets as u64);
                }
                frame.map(|frame| frame.map(|piece| piece.map_err(|_| BodyError::Origin)))
            }
            Self::Origin(body) => Pin::new(body.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Text(None) => true,
            Self::Text(Some(text)) => text.is_empty(),
            Self::Stored(stored) => stored.left == 0,
            Self::Filling(reader, _) => reader.is_end_stream(),
            Self::Origin(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Text(None) => SizeHint::with_exact(0),
            Self::Text(Some(text)) => SizeHint::with_exact(text.len() as u64),
            Self::Stored(stored) => SizeHint::with_exact(stored.left),
            Self::Filling(reader, _) => reader.size_hint(),
            Self::Origin(body) => body.size_hint(),
        }
    }
}

/// The content of a request.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Client(ClientBody),
}

impl RequestBody {
    /// What a client sends, a piece each `limit` at least.
    pub(crate) fn of(incoming: Incoming, limit: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let (deadline, taken) = (Box::pin(sleep(limit)), watch::Sender::new(()));
        Self::Client(ClientBody { incoming, limit, deadline, taken })
    }

    /// Tells of each piece that the origin's connection takes from now on, and is closed when there are no
    /// more; `None` where there is none.
    pub(crate) fn taken(&self) -> Option<watch::Receiver<()>> {
        match self {
            Self::Empty => None,
            Self::Client(body) => Some(body.taken.subscribe()),
        }
    }
}

/// Content that a client sends, under a deadline for each piece.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    taken: watch::Sender<()>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Client(body) = &mut *self else { return Poll::Ready(None) };
        match Pin::new(&mut body.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                body.deadline.as_mut().reset(Instant::now() + body.limit);
                body.taken.send_replace(());
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::Client)))
            }
            Poll::Pending => match body.deadline.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::Timeout))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.incoming.size_hint(),
        }
    }
}
