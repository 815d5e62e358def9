//! What happens to a daemon, told to whoever watches: a bounded stream that never waits for a slow
//! reader.

use std::time::SystemTime;

use tokio::sync::broadcast;

/// Events that a slow watcher may be behind before it loses the oldest.
const BACKLOG: usize = 256;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The daemon serves.
    Ready,
    /// A configuration was applied.
    Reloaded,
    /// A configuration was refused.
    ReloadRefused,
    /// The log filter changed.
    LogLevel,
    /// Stored responses were removed from the cache.
    Purged,
    /// The cache was emptied.
    Flushed,
    /// A new process took over.
    Upgraded,
    /// None could.
    UpgradeRefused,
    /// The daemon began to finish what is in flight.
    Draining,
    /// It has finished that.
    Drained,
}

impl EventKind {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Reloaded => "reloaded",
            Self::ReloadRefused => "reload_refused",
            Self::LogLevel => "log_level",
            Self::Purged => "purged",
            Self::Flushed => "flushed",
            Self::Upgraded => "upgraded",
            Self::UpgradeRefused => "upgrade_refused",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub time: SystemTime,
    /// What kind of thing.
    pub kind: EventKind,
    /// One sentence for a person.
    pub message: String,
    /// Who asked, empty where nobody did.
    pub actor: String,
}

/// Where events are told and watched.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl Events {
    /// Tells everyone who watches now.
    pub fn tell(&self, kind: EventKind, actor: impl ToString, message: impl Into<String>) {
        let (actor, message) = (actor.to_string(), message.into());
        // No receiver: nobody watches.
        let _ = self.0.send(Event { time: SystemTime::now(), kind, message, actor });
    }

    /// Watches from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
