//! One relayed TCP connection, from its admission to its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::carry::{CarryError, carry};
use super::reason::RefuseReason;
use super::table::{Meter, Place};
use crate::relay::ledger::Ledger;

/// How a connection ended.
#[derive(Debug)]
enum Ending {
    /// Both sides said that they were done.
    Finished,
    /// Nothing moved for the idle timeout.
    Idle,
    Refused(RefuseReason),
}

pub(super) struct Connection {
    client: TcpStream,
    place: Place,
    ledger: Arc<Ledger>,
}

impl Connection {
    pub(super) fn new(client: TcpStream, place: Place, ledger: Arc<Ledger>) -> Self {
        Self { client, place, ledger }
    }

    /// Relays to the end, or until `cut`, and counts how it ended.
    pub(super) async fn run(self, cut: CancellationToken) {
        let ending = self.relay(&cut).await;
        if !matches!(ending, Ending::Finished) {
            reset(&self.client);
        }
        let counters = self.ledger.tcp().here();
        match ending {
            Ending::Finished => {}
            Ending::Idle => counters.expired.increment(),
            Ending::Refused(reason) => counters.refused.increment(reason.index()),
        }
        let (session, client) = (self.place.number, self.place.meter.client);
        debug!(session, %client, ?ending, "TCP session ended");
    }

    async fn relay(&self, cut: &CancellationToken) -> Ending {
        let upstream = tokio::select! {
            connected = self.connect() => match connected {
                Ok(upstream) => upstream,
                Err(reason) => return Ending::Refused(reason),
            },
            () = cut.cancelled() => return Ending::Refused(RefuseReason::Drained),
        };
        let _open = Open::new(&self.ledger);
        // Without it a small message would wait for the acknowledgement of the one before.
        let _ = (self.client.set_nodelay(true), upstream.set_nodelay(true));
        let ending = tokio::select! {
            ending = self.carry_both_ways(&upstream) => ending,
            () = idle(&self.place.meter) => Ending::Idle,
            () = cut.cancelled() => Ending::Refused(RefuseReason::Drained),
        };
        if !matches!(ending, Ending::Finished) {
            reset(&upstream);
        }
        ending
    }

    async fn connect(&self) -> Result<TcpStream, RefuseReason> {
        let config = self.place.meter.config;
        let connecting = TcpStream::connect(config.upstream.socket_addr());
        match timeout(config.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| unreached(&error)),
            Err(_) => Err(RefuseReason::UpstreamTimeout),
        }
    }

    async fn carry_both_ways(&self, upstream: &TcpStream) -> Ending {
        let (meter, counters) = (&self.place.meter, self.ledger.tcp().here());
        let up = carry(&self.client, upstream, |bytes| {
            meter.carried_up(bytes);
            counters.up_bytes.add(bytes);
        });
        let down = carry(upstream, &self.client, |bytes| {
            meter.carried_down(bytes);
            counters.down_bytes.add(bytes);
        });
        let up = async { up.await.map_err(|error| failed(error, Side::Client)) };
        let down = async { down.await.map_err(|error| failed(error, Side::Upstream)) };
        match tokio::try_join!(up, down) {
            Ok(_) => Ending::Finished,
            Err(reason) => Ending::Refused(reason),
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    Upstream,
}

/// Names the side that failed while bytes were carried from `sender` to the other.
fn failed(error: CarryError, sender: Side) -> RefuseReason {
    let (CarryError::From(cause) | CarryError::To(cause)) = &error;
    debug!(%cause, "a relayed connection failed");
    match (error, sender) {
        (CarryError::From(_), Side::Client) | (CarryError::To(_), Side::Upstream) => {
            RefuseReason::ClientFailed
        }
        (CarryError::From(_), Side::Upstream) | (CarryError::To(_), Side::Client) => {
            RefuseReason::UpstreamFailed
        }
    }
}

fn unreached(error: &io::Error) -> RefuseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => RefuseReason::UpstreamRefused,
        io::ErrorKind::TimedOut => RefuseReason::UpstreamTimeout,
        _ => RefuseReason::UpstreamUnreachable,
    }
}

/// Waits until nothing has moved for the idle timeout.
async fn idle(meter: &Meter) {
    let limit = meter.config.idle_timeout;
    let mut deadline = meter.last_used() + limit;
    while Instant::now() < deadline {
        sleep_until(deadline).await;
        deadline = meter.last_used() + limit;
    }
}

/// Makes the coming close a reset, so that a stream that was cut does not look complete.
fn reset(stream: &TcpStream) {
    // It can only fail where the connection is gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Counts a session while the upstream is connected; it ends on the thread it began on.
struct Open<'a>(&'a Ledger);

impl<'a> Open<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        let counters = ledger.tcp().here();
        counters.opened.increment();
        counters.sessions.increment();
        Self(ledger)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.tcp().here().sessions.decrement();
    }
}
