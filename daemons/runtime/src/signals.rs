//! Signals become orders: SIGHUP reloads, SIGUSR2 upgrades in place, SIGTERM and SIGINT stop, and stop at once when
//! they come again.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// What a signal orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOrder {
    /// Read the configuration anew.
    Reload,
    /// Hand over to a new process of the program.
    Upgrade,
}

/// The orders that signals gave and that wait to be carried out, one of each kind at most: it will find what is there
/// by then.
#[derive(Clone, Debug, Default)]
pub struct SignalOrders(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    reload: Notify,
    upgrade: Notify,
}

impl SignalOrders {
    /// Gives an order.
    pub fn give(&self, order: SignalOrder) {
        match order {
            SignalOrder::Reload => self.0.reload.notify_one(),
            SignalOrder::Upgrade => self.0.upgrade.notify_one(),
        }
    }

    /// Takes the next order, once there is one.
    pub async fn next(&self) -> SignalOrder {
        tokio::select! {
            biased;
            () = self.0.reload.notified() => SignalOrder::Reload,
            () = self.0.upgrade.notified() => SignalOrder::Upgrade,
        }
    }
}

/// Listens to signals from now on: the token is cancelled by SIGTERM or SIGINT, each of the others gives an order. The
/// task ends when SIGTERM or SIGINT comes again: who asks twice does not want to wait.
///
/// # Errors
/// Where the signals cannot be taken over.
pub fn listen(shutdown: CancellationToken) -> io::Result<(SignalOrders, JoinHandle<()>)> {
    let mut signals = Signals {
        hangup: signal(SignalKind::hangup())?,
        user_defined2: signal(SignalKind::user_defined2())?,
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let orders = SignalOrders::default();
    let given = orders.clone();
    let task = tokio::spawn(async move {
        while let Some(order) = signals.next().await {
            given.give(order);
        }
        shutdown.cancel();
        while signals.next().await.is_some() {}
    });
    Ok((orders, task))
}

struct Signals {
    hangup: Signal,
    user_defined2: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// What the next signal orders; `None` where it asks to stop.
    async fn next(&mut self) -> Option<SignalOrder> {
        tokio::select! {
            Some(()) = self.hangup.recv() => Some(SignalOrder::Reload),
            Some(()) = self.user_defined2.recv() => Some(SignalOrder::Upgrade),
            _ = self.interrupt.recv() => None,
            _ = self.terminate.recv() => None,
        }
    }
}
