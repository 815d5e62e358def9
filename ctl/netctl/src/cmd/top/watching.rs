//! The events of both daemons, for as long as anybody watches; a stream that ends is begun again.

use std::sync::mpsc::Sender;
use std::time::Duration;

use selat_proto::socket::Daemon;
use selat_proto::v1::{WatchEventsRequest, WatchEventsResponse};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::Global;
use crate::client::ControlError;
use crate::screen::daemons::News;

/// From the end of a stream to the next attempt.
const AGAIN: Duration = Duration::from_secs(1);

/// Something that a daemon did.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) daemon: Daemon,
    pub(crate) event: WatchEventsResponse,
}

/// Tells of the events of both daemons until it is dropped.
pub(super) fn watch(global: &Global, news: Sender<News>) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    for daemon in Daemon::ALL {
        let (global, news) = (global.clone(), news.clone());
        watching.spawn(async move {
            loop {
                // What is wrong with the daemon its readings say.
                let _ = follow(daemon, &global, &news).await;
                sleep(AGAIN).await;
            }
        });
    }
    watching
}

async fn follow(daemon: Daemon, global: &Global, news: &Sender<News>) -> Result<(), ControlError> {
    let control = global.connect(daemon).await?;
    let mut events = control.answer(control.daemon().watch_events(WatchEventsRequest {})).await?;
    while let Ok(Some(event)) = events.message().await {
        // The screen is gone only when this is over, too.
        let _ = news.send(News::Happening(Happening { daemon, event }));
    }
    Ok(())
}
