//! A listening stream socket that can be asked whether somebody waits before a connection is taken from
//! its queue.

use std::{
    io, iter,
    net::{self, SocketAddr},
};

use rustix::{
    io::Errno,
    net::{SocketFlags, acceptfrom_with},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpStream,
    task::consume_budget,
};

use crate::listen::BACKLOG;

/// A listener on the thread that made it.
#[derive(Debug)]
pub struct Acceptor {
    listener: AsyncFd<net::TcpListener>,
    /// Whether somebody else holds the socket, too, and with it the queue.
    is_shared: bool,
}

impl Acceptor {
    /// Watches `listener`, which does not block and is ours alone. To be called within a runtime.
    ///
    /// # Errors
    /// Where it cannot be watched.
    pub fn new(listener: net::TcpListener) -> io::Result<Self> {
        Self::watch(listener, false)
    }

    /// Watches `listener`, which the service manager keeps open whatever becomes of us.
    ///
    /// # Errors
    /// Where it cannot be watched.
    pub fn inherited(listener: net::TcpListener) -> io::Result<Self> {
        Self::watch(listener, true)
    }

    #[expect(unsafe_code, reason = "the runtime is to watch a descriptor that is not its own")]
    fn watch(listener: net::TcpListener, is_shared: bool) -> io::Result<Self> {
        // SAFETY: the descriptor is owned by the AsyncFd until that is taken apart, which ends the watch.
        let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?;
        Ok(Self { listener, is_shared })
    }

    /// Waits until somebody is in the queue, or was a moment ago. Nothing is lost where the wait is given up.
    ///
    /// # Errors
    /// Where the runtime ends.
    pub async fn queued(&self) -> io::Result<()> {
        // However many come, others on this thread have their turn, too.
        consume_budget().await;
        self.listener.readable().await.map(|mut ready| ready.retain_ready())
    }

    /// Takes who is next in the queue; nobody, where another thread was faster.
    ///
    /// # Errors
    /// For want of descriptors or memory. A client that hung up is passed over.
    pub fn take(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let taken = self.listener.try_io(Interest::READABLE, |listener| {
            // Told apart from an empty queue, which ends the readiness.
            next(listener)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            taken => taken.map(Some),
        }
    }

    /// Closes, and gives everybody that the kernel has queued by now, of whom the runtime may not have heard yet:
    /// closing the socket would reset who is not taken. One that somebody else holds, too, stays open with its
    /// queue, which is left to whoever serves it next.
    pub fn into_queue(self) -> impl Iterator<Item = io::Result<(TcpStream, SocketAddr)>> {
        let count = if self.is_shared { 0 } else { BACKLOG as usize };
        let listener = self.listener.into_inner();
        iter::from_fn(move || next(&listener).transpose()).take(count)
    }
}

/// The next connection in the queue, if there is any.
fn next(listener: &net::TcpListener) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match first(|| acceptfrom_with(listener, flags))? {
        Some((stream, Some(client))) => {
            let stream = TcpStream::from_std(stream.into())?;
            Ok(Some((stream, client.try_into()?)))
        }
        Some((_, None)) => Err(io::Error::other("a client without an address")),
        None => Ok(None),
    }
}

/// The first that `accept` takes whose client did not hang up before, until its queue is empty.
fn first<T>(mut accept: impl FnMut() -> Result<T, Errno>) -> io::Result<Option<T>> {
    loop {
        match accept() {
            Ok(taken) => return Ok(Some(taken)),
            // It says nothing about us, nor about those behind it.
            Err(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn a_client_that_hung_up_in_the_queue_costs_nobody_behind_it() {
        let mut queue =
            VecDeque::from([Err(Errno::CONNABORTED), Ok(1), Err(Errno::CONNABORTED), Ok(2)]);
        let taken =
            iter::from_fn(|| first(|| queue.pop_front().unwrap_or(Err(Errno::AGAIN))).transpose());
        assert_eq!(taken.map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_want_of_descriptors_is_told() {
        let error = first(|| Err::<(), _>(Errno::MFILE)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
    }
}
