//! Feeds the service manager's watchdog with the data plane's progress: a thread that is busy takes up new work
//! in time, one that is wedged does not, and then the daemon is not worth keeping.

use std::{convert::Infallible, future, time::Duration};

use tokio::time::{self, MissedTickBehavior};
use tracing::warn;

use crate::{notify, workers::Workers};

/// Says that the daemon lives, as long as all of its data plane does; where nobody asks, it waits for ever. It runs
/// on the control plane's thread, and so speaks for that, too.
pub(crate) async fn feed(workers: &Workers) -> Infallible {
    match notify::watchdog() {
        Some(limit) => feed_within(limit, workers).await,
        None => future::pending().await,
    }
}

/// A thread has half of the limit to take up work, and is asked again after that.
async fn feed_within(limit: Duration, workers: &Workers) -> Infallible {
    let patience = (limit / 2).max(Duration::from_millis(1));
    let mut ticks = time::interval(patience);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if workers.respond_within(patience).await {
            notify::alive();
        } else {
            warn!(?patience, "a data-plane thread made no progress");
        }
    }
}
