//! Purging: what is selected is removed, or marked stale, or only counted.
//!
//! 1. What is on its way when it begins is kept out of the store, and later requests do not join it.
//! 2. What is stored is found by the index and purged, a step at a time. Between two steps the thread that
//!    does it pauses, so that requests never wait for more than one resource to change.
//! 3. It is told, logged with who asked, and answered with the exact count.

pub(crate) mod method;

use std::{fmt::Display, sync::Arc, time::Duration};

use selat_runtime::events::{EventKind, Events};
use tokio::time;
use tracing::info;

use crate::{
    cache::{
        index::Cursor,
        selection::Selection,
        store::{PurgeMode, Purged, Store},
    },
    proxy::Proxy,
};

/// Pause between two steps of at most [`crate::cache::index::STEP`] keys.
const PAUSE: Duration = Duration::from_millis(1);

/// What to purge, and how.
#[derive(Clone, Debug)]
pub(crate) struct Purge {
    pub(crate) selection: Selection,
    pub(crate) mode: PurgeMode,
}

impl Purge {
    /// Purges. What comes back is exactly what was done; every later request sees it.
    pub(crate) async fn run(&self, proxy: &Proxy) -> Purged {
        if self.mode != PurgeMode::Count {
            proxy.begin_purge(&self.selection);
        }
        let (mut purged, mut cursor) = (Purged::default(), Cursor::default());
        while let Some(step) = self.step(&proxy.store, &mut cursor) {
            purged += step;
            if self.selection.is_of_many() {
                time::sleep(PAUSE).await;
            }
        }
        purged
    }

    /// Purges the next few; `None` where no more are left.
    pub(crate) fn step(&self, store: &Store, cursor: &mut Cursor) -> Option<Purged> {
        let keys = store.next_keys(&self.selection, cursor)?;
        let each = keys.iter().map(|key| store.purge(key, &self.selection, self.mode));
        Some(each.fold(Purged::default(), |sum, one| sum + one))
    }

    /// Tells what came of it, and who asked.
    pub(crate) fn report(&self, purged: Purged, actor: impl Display, events: &Events) {
        let Purged { variants, bytes } = purged;
        let (selection, mode) = (&self.selection, self.mode.as_str());
        info!(%actor, %selection, mode, variants, bytes, "purge");
        let kind = match (self.mode, selection.is_everything()) {
            (PurgeMode::Count, _) => return,
            (_, true) => EventKind::Flushed,
            (_, false) => EventKind::Purged,
        };
        let noun = if variants == 1 { "variant" } else { "variants" };
        events.tell(kind, actor, format!("{variants} {noun} {mode}: {selection}"));
    }
}

/// Purges in the background, reports, and then does `answer`.
pub(crate) fn spawn(
    proxy: &Arc<Proxy>,
    purge: Purge,
    actor: impl Display + Send + 'static,
    answer: impl FnOnce(Purged) + Send + 'static,
) {
    let proxy = Arc::clone(proxy);
    tokio::spawn(async move {
        let purged = purge.run(&proxy).await;
        purge.report(purged, actor, &proxy.events);
        answer(purged);
    });
}
