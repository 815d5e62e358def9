//! Many sockets watched as one: an event queue of their own, which the runtime watches for them.
//! One task can so own thousands of sockets without a wake-up list entry or a lock for each.
#![expect(unsafe_code, reason = "tokio asks for a promise that the event queue stays open")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::batch::BATCH_DATAGRAMS;

/// Most sockets that one wake-up names; the others come with the next, in turn.
const READY_MAX: usize = BATCH_DATAGRAMS;

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Sockets of which any may have something to read.
#[derive(Debug)]
pub struct SocketSet {
    queue: AsyncFd<OwnedFd>,
}

impl SocketSet {
    /// An empty set.
    ///
    /// # Errors
    /// The process has no descriptor left.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn new() -> io::Result<Self> {
        let queue = epoll::create(CreateFlags::CLOEXEC)?;
        // SAFETY: the descriptor is owned by the AsyncFd, which is never taken apart or handed out
        // mutably, so that it stays open and the same until it is deregistered.
        let queue = unsafe { AsyncFd::register_with_interest(queue, Interest::READABLE) }?;
        Ok(Self { queue })
    }

    /// Watches a socket and names it `key`.
    ///
    /// # Errors
    /// The kernel's: no memory, or a watch too many for this user.
    pub fn add(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.queue, socket, EventData::new_u64(key), EventFlags::IN)?)
    }

    /// Stops watching a socket. Closing it is not enough where another process holds a copy of it.
    pub fn remove(&self, socket: impl AsFd) {
        // It can only fail for a socket that was not watched.
        let _ = epoll::delete(&self.queue, socket);
    }

    /// Waits until sockets have something to read, or an error to tell, and puts their keys into
    /// `keys`, which it empties first. Safe to cancel.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub async fn ready(&self, keys: &mut Vec<u64>) -> io::Result<()> {
        self.queue
            .async_io(Interest::READABLE, |queue| {
                let mut events = [const { MaybeUninit::uninit() }; READY_MAX];
                let (events, _) = epoll::wait(queue, &mut events, Some(&AT_ONCE))?;
                keys.clear();
                keys.extend(events.iter().map(|event| event.data.u64()));
                if keys.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            })
            .await
    }
}
