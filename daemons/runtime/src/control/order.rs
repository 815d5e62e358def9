//! Orders: everything that changes a daemon's state, whoever asks for it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::Actor;
use crate::{log, supervise::Refused};

/// Orders that may wait to be carried out; the next one is refused.
const QUEUE: usize = 64;

/// Where the answer to an order goes.
pub type Reply<T> = oneshot::Sender<T>;

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Number of the configuration now in force.
    pub generation: u64,
    /// What differs from the one before, one sentence each.
    pub changes: Vec<String>,
}

/// What a drain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Connections that are open.
    pub connections: u64,
    /// Time after which what is left is cut off.
    pub deadline: Duration,
}

/// The process that took over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Its process id.
    pub pid: u32,
    /// Its semantic version.
    pub version: String,
    /// Sessions that it goes on with.
    pub sessions: u64,
}

/// What to do. `D` is what only this daemon can do.
#[derive(Debug)]
pub enum Command<D> {
    /// Read the configuration anew.
    Reload {
        /// Only say whether it would be applied.
        check_only: bool,
        /// What came of it.
        reply: Reply<Result<Reloaded, Refused>>,
    },
    /// Stop accepting, finish what is in flight, and wait for the end.
    Drain {
        /// What is waited for.
        reply: Reply<InFlight>,
    },
    /// Hand over to a new process of the program.
    Upgrade {
        /// What came of it.
        reply: Reply<Result<Upgraded, String>>,
    },
    /// Change the log filter.
    SetLogLevel {
        /// Level or directives.
        filter: String,
        /// Time until the filter before comes back.
        ttl: Option<Duration>,
        /// What came of it.
        reply: Reply<Result<log::Change, log::LogError>>,
    },
    /// Something of the daemon's own.
    Own(D),
}

/// A command, and who gave it.
#[derive(Debug)]
pub struct Order<D> {
    /// Who.
    pub actor: Actor,
    /// What.
    pub command: Command<D>,
}

/// Where orders are given.
#[derive(Debug)]
pub struct Orders<D>(mpsc::Sender<Order<D>>);

impl<D> Clone for Orders<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An order that nobody will carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many wait already.
    #[error("too many orders wait already; try again")]
    Busy,
    /// The daemon is draining or stopping.
    #[error("the daemon is draining or stopping, and takes no orders any more")]
    Stopping,
}

impl From<Unanswered> for Status {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Busy => Self::resource_exhausted(unanswered.to_string()),
            Unanswered::Stopping => Self::unavailable(unanswered.to_string()),
        }
    }
}

impl<D> Orders<D> {
    /// A queue of orders: where they are given, and where they are taken.
    #[must_use]
    pub fn queue() -> (Self, mpsc::Receiver<Order<D>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Gives an order and waits for its answer.
    ///
    /// # Errors
    /// [`Unanswered`] where there will be none.
    pub async fn give<T>(
        &self,
        actor: Actor,
        command: impl FnOnce(Reply<T>) -> Command<D> + Send,
    ) -> Result<T, Unanswered>
    where
        D: Send,
        T: Send,
    {
        let (reply, answer) = oneshot::channel();
        let order = Order { actor, command: command(reply) };
        self.0.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
            mpsc::error::TrySendError::Closed(_) => Unanswered::Stopping,
        })?;
        answer.await.map_err(|_| Unanswered::Stopping)
    }
}
