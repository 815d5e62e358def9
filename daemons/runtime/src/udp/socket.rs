//! Receiving and sending batches: on a socket that the runtime watches, or at once on any.

use std::io;
use std::net::{self, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use super::batch::Batch;
use super::mmsg::{self, Departure};

/// How long a loop rests after a receive that failed for no known reason, so that it never spins.
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

/// How long a send waits for room in the socket's buffer before the rest of the batch is given up.
const SEND_PATIENCE: Duration = Duration::from_millis(50);

/// What one receive brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Datagrams added to the batch.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Datagrams left out because they were longer than the batch has room for.
    pub truncated: u64,
    /// Earlier datagrams of this socket that its peer refused: nothing listens on the port.
    pub refused: u64,
}

/// What became of the datagrams that were to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Earlier datagrams of this socket that its peer refused: nothing listens on the port.
    pub refused: u64,
    /// Datagrams that the kernel did not take: too long, no route, no room.
    pub failed: u64,
}

/// A UDP socket that the current runtime watches.
#[derive(Debug)]
pub struct DatagramSocket {
    inner: UdpSocket,
    local: SocketAddr,
}

impl DatagramSocket {
    /// Takes a bound socket. Where it is bound to a wildcard address, replies leave from the address
    /// that each datagram was sent to.
    ///
    /// # Errors
    /// The kernel refused an option, or the descriptor is no UDP socket.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn new(socket: net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        if local.ip().is_unspecified() {
            mmsg::report_destination(socket.as_fd(), &local)?;
        }
        Ok(Self { inner: UdpSocket::from_std(socket)?, local })
    }

    /// Has [`Batch::stamp`] say when each datagram came in and with which TTL, as far as the kernel
    /// knows.
    ///
    /// # Errors
    /// The kernel refused an option.
    pub fn report_arrival(&self) -> io::Result<()> {
        mmsg::report_time(self.inner.as_fd())?;
        mmsg::report_hops(self.inner.as_fd(), &self.local)
    }

    /// The address it is bound to.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for datagrams and appends them to `batch`, which must not be full. Safe to cancel.
    ///
    /// # Errors
    /// The kernel's, after a short pause: a caller may count it and try again without spinning.
    pub async fn receive(&self, batch: &mut Batch) -> io::Result<Received> {
        let socket = &self.inner;
        let received = socket.async_io(Interest::READABLE, || receive_now(socket, batch)).await;
        if received.is_err() {
            sleep(RECEIVE_PAUSE).await;
        }
        received
    }

    /// Sends every datagram of `batch` that was not discarded. Waits a little for room in the
    /// socket's buffer, then counts the rest as failed: a relay that cannot send must drop.
    pub async fn send(&self, batch: &Batch) -> Sent {
        let mut sending = Sending::default();
        let count = batch.kept().count();
        if sending.push_on(self.inner.as_fd(), count, || batch.kept()).is_err() {
            let rest = self.inner.async_io(Interest::WRITABLE, || {
                sending.push_on(self.inner.as_fd(), count, || batch.kept())
            });
            let _ = timeout(SEND_PATIENCE, rest).await;
        }
        sending.give_up(count)
    }
}

/// Appends what a socket has now to `batch`, which must not be full. Refusals that came back for
/// earlier datagrams (ICMP, on connected sockets) are counted and passed over.
///
/// # Errors
/// `WouldBlock` if nothing is there; `InvalidInput` if the batch is full; otherwise the kernel's.
pub fn receive_now(socket: impl AsFd, batch: &mut Batch) -> io::Result<Received> {
    if batch.is_full() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    match batch.fill(socket.as_fd()) {
        Err(error) if is_refusal(&error) => Ok(Received { refused: 1, ..Received::default() }),
        received => received,
    }
}

/// Sends a run of datagrams on a connected socket, without waiting: what does not fit into the
/// socket's buffer is counted as failed.
pub fn send_connected(socket: impl AsFd, batch: &Batch, run: Range<usize>) -> Sent {
    let mut sending = Sending::default();
    let count = batch.run(run.clone()).count();
    let _ = sending.push_on(socket.as_fd(), count, || batch.run(run.clone()));
    sending.give_up(count)
}

/// Progress through the datagrams of one send.
#[derive(Default)]
struct Sending {
    next: usize,
    sent: Sent,
}

impl Sending {
    /// Sends what is left of `count` departures; fails only with `WouldBlock`.
    fn push_on<'a, D>(
        &mut self,
        fd: BorrowedFd<'_>,
        count: usize,
        departures: impl Fn() -> D,
    ) -> io::Result<()>
    where
        D: Iterator<Item = Departure<'a>>,
    {
        while self.next < count {
            match mmsg::send(fd, departures().skip(self.next)) {
                Ok(taken) => self.took(taken, departures().skip(self.next)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The error of an earlier datagram: this one was not tried yet.
                Err(error) if is_refusal(&error) && self.sent.refused < count as u64 => {
                    self.sent.refused += 1;
                }
                Err(_) => self.skip(1),
            }
        }
        Ok(())
    }

    fn took<'a>(&mut self, taken: usize, departures: impl Iterator<Item = Departure<'a>>) {
        self.next += taken;
        self.sent.datagrams += taken as u64;
        self.sent.bytes += departures.take(taken).map(|d| d.payload.len() as u64).sum::<u64>();
    }

    fn skip(&mut self, datagrams: usize) {
        self.next += datagrams;
        self.sent.failed += datagrams as u64;
    }

    fn give_up(mut self, count: usize) -> Sent {
        self.skip(count - self.next);
        self.sent
    }
}

/// Whether the peer's host said that nothing listens there.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
