//! The content of an origin's response: under a deadline for each piece, counted, and giving the
//! connection back at its end.

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
use tokio::time::{Instant, Sleep, sleep};
use tracing::debug;

use super::pool::{Connection, Pool};
use crate::{body::BodyError, counters::Counters};

/// The content of a response. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub(crate) struct OriginBody {
    incoming: Incoming,
    lease: Option<Lease>,
    limit: Duration,
    /// For the next piece; none before the first that had to be waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    counters: Arc<Counters>,
}

/// The connection that a response comes by, and where it goes after.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) pool: Arc<Pool>,
    pub(crate) connection: Connection,
}

impl OriginBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease, counters: Arc<Counters>) -> Self {
        let limit = lease.pool.limits().body_timeout;
        let mut body = Self { incoming, lease: Some(lease), limit, deadline: None, counters };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    /// Octets of the content, where the head of the response says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    fn give_back(&mut self) {
        if let Some(Lease { pool, connection }) = self.lease.take() {
            pool.keep(connection);
        }
    }

    fn arrived(&mut self, frame: &Frame<Bytes>) {
        if let Some(piece) = frame.data_ref() {
            self.counters.here().origin_body_bytes.add(piece.len() as u64);
        }
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(deadline) = &mut this.deadline {
                    deadline.as_mut().reset(Instant::now() + this.limit);
                }
                this.arrived(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                debug!(%error, "an origin cut its response off");
                Poll::Ready(Some(Err(BodyError::Origin)))
            }
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(this.limit)));
                deadline.as_mut().poll(context).map(|()| Some(Err(BodyError::Timeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
