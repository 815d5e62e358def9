//! The side of the process that comes.

use std::{
    env, io,
    os::fd::{AsFd, OwnedFd},
    process,
    time::Duration,
};

use nix::unistd::{ForkResult, fork};
use rustix::{
    fs::{Mode, OFlags, open},
    stdio::dup2_stdin,
};
use selat_proto::v1::{SuccessorPrepared, SuccessorServes, succession_message::Step};
use tokio::time::timeout;

use super::{
    VARIABLE, VERSION,
    channel::{self, Channel},
};
use crate::{
    keep::{LeftSession, Legacy},
    listen::Inherited,
};

/// Time for the process before to send sockets, and then to say that this one may begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why this process cannot take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// What it was started with makes no sense.
    #[error(
        "${VARIABLE} says that this process takes over from another one, but its stdin is no channel \
         to that, of version {VERSION}"
    )]
    NoChannel,
    /// The kernel refuses something.
    #[error("cannot take over from the process before")]
    Io(#[from] io::Error),
    /// The process before has gone or thought better of it.
    #[error("the process before did not hand over")]
    Alone,
}

/// A process that is to take over.
#[derive(Debug)]
pub struct Successor(OwnedFd);

/// What it takes over beside the sockets.
#[derive(Debug)]
pub struct TakeOver {
    /// Counters and sessions.
    pub legacy: Legacy,
    /// The memory that the service manager keeps, if there is any.
    pub memory: Option<OwnedFd>,
    /// The process before.
    pub predecessor: Finishing,
}

impl Successor {
    /// Whether this process is to take over from another one; then it goes on as a child of init's, and the one that
    /// was started ends here. To be called first in the life of a process.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub fn begin() -> Result<Option<Self>, TakeOverError> {
        match env::var(VARIABLE) {
            Err(_) => return Ok(None),
            Ok(version) if version != VERSION => return Err(TakeOverError::NoChannel),
            Ok(_) => {}
        }
        let channel = io::stdin().as_fd().try_clone_to_owned()?;
        if !channel::is_channel(&channel) {
            return Err(TakeOverError::NoChannel);
        }
        let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        dup2_stdin(null.map_err(io::Error::from)?).map_err(io::Error::from)?;
        leave_parent()?;
        Ok(Some(Self(channel)))
    }

    /// Another hold on it, to give up by whatever becomes of this one.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Says why it gives up.
    pub fn give_up(&self, reason: String) {
        channel::give_up(&self.0, reason);
    }

    /// The listening sockets of the process before. To be called within a runtime.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub async fn sockets(&self) -> Result<Inherited, TakeOverError> {
        let channel = Channel::watch(self.0.try_clone()?)?;
        let mut sockets = Vec::new();
        loop {
            match next(&channel).await? {
                (Step::Socket(socket), Some(fd)) => sockets.push((socket.name, fd)),
                (Step::AllSockets(_), _) => return Ok(sockets.into()),
                _ => {}
            }
        }
    }

    /// Says that everything is prepared, and waits for the word to begin.
    ///
    /// # Errors
    /// [`TakeOverError`].
    pub async fn take_over(self, version: &str) -> Result<TakeOver, TakeOverError> {
        let channel = Channel::watch(self.0)?;
        let prepared = SuccessorPrepared { pid: process::id(), version: version.to_owned() };
        channel.send(Step::Prepared(prepared), None).await?;
        let mut legacy = Legacy::default();
        loop {
            match next(&channel).await? {
                (Step::Session(session), Some(socket)) => {
                    let is_kept = session.is_kept;
                    let socket = Some(socket);
                    let of = |record| LeftSession { record, socket, is_kept };
                    legacy.sessions.extend(session.session.map(of));
                }
                (Step::Counters(part), _) => legacy.counters.extend(part.counters),
                (Step::Begin(begin), memory) => {
                    let predecessor = Finishing { pid: begin.pid, channel };
                    return Ok(TakeOver { legacy, memory, predecessor });
                }
                _ => {}
            }
        }
    }
}

/// The process before, which finishes what it has in flight.
#[derive(Debug)]
pub struct Finishing {
    pid: u32,
    channel: Channel,
}

impl Finishing {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Says that this process serves, and waits until the one before has ended.
    pub async fn ended(self) {
        if self.channel.send(Step::Serves(SuccessorServes {}), None).await.is_ok() {
            while let Ok(Some(_)) = self.channel.receive().await {}
        }
    }
}

/// The next packet, which must come.
async fn next(channel: &Channel) -> Result<(Step, Option<OwnedFd>), TakeOverError> {
    let received = timeout(PATIENCE, channel.receive()).await;
    received.map_err(|_| TakeOverError::Alone)??.ok_or(TakeOverError::Alone)
}

/// Goes on in a child, whose parent ends, so that it becomes a child of init's: a service manager supervises no
/// other process.
#[expect(
    unsafe_code,
    reason = "fork is sound in a process of one thread, which only its begin can promise"
)]
fn leave_parent() -> io::Result<()> {
    // SAFETY: this is called first in the life of the process, which has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => process::exit(0),
        ForkResult::Child => Ok(()),
    }
}
