//! Logs: to journald with structured fields where the service manager connected stderr to it, to stderr
//! otherwise. The filter can be changed while the process runs.

use std::{
    backtrace::Backtrace,
    env,
    io::{self, IsTerminal},
    mem, panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::fs::fstat;
use tokio::time::Instant;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

/// Filter where none is configured.
pub const DEFAULT_FILTER: &str = "info";

/// What libraries may say of themselves while the daemon is debugged; directives of their own name change it.
const LIBRARIES: &str = "h2=info,hyper=info,hyper_util=info,tonic=info,tower=info";

/// Why a log filter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be read.
    #[error(
        "{0:?} is no log filter, which is a level (off, error, warn, info, debug, trace) or directives such as \"info,proxyd=debug\""
    )]
    Filter(String),
    /// Logging had begun before.
    #[error("logging is set up already")]
    Begun(#[from] tracing_subscriber::util::TryInitError),
    /// The filter of this process cannot be changed.
    #[error("the log filter cannot be changed")]
    Fixed(#[from] reload::Error),
    /// journald's socket cannot be used.
    #[error("cannot reach journald")]
    Journal(#[source] io::Error),
}

/// Parses filter directives.
///
/// # Errors
/// [`LogError::Filter`].
pub fn filter(directives: &str) -> Result<EnvFilter, LogError> {
    let wrong = || LogError::Filter(directives.to_owned());
    // A lone word that is no level would be a target, and all else would fall silent.
    let is_level = |word: &str| !word.is_empty() && word.trim().parse::<LevelFilter>().is_ok();
    let is_directive = |text: &str| text.contains(['=', '[']) || is_level(text);
    if !directives.split(',').all(is_directive) {
        return Err(wrong());
    }
    EnvFilter::builder().parse(format!("{LIBRARIES},{directives}")).map_err(|_| wrong())
}

/// Filter directives as a configuration has them.
///
/// # Errors
/// Says what is wrong with them.
pub fn directives(text: &str) -> Result<String, String> {
    filter(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The process's log filter.
#[derive(Clone, Debug)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    directives: Arc<Mutex<String>>,
}

/// A filter that was set, and how to take it back.
#[derive(Debug)]
pub struct Change {
    /// Filter that was in force before.
    pub previous: String,
    /// Filter now in force.
    pub current: String,
}

/// When a filter that was set for a while gives way to the one before.
#[derive(Debug)]
pub struct Revert {
    /// When.
    pub at: Instant,
    /// To what.
    pub filter: String,
}

impl LogControl {
    /// Begins logging with `directives`.
    ///
    /// # Errors
    /// [`LogError`] where the directives are wrong or logging had begun before.
    pub fn begin(directives: &str) -> Result<Self, LogError> {
        let (filter, handle) = reload::Layer::new(filter(directives)?);
        let registry = tracing_subscriber::registry().with(filter);
        if is_journal() {
            registry.with(journal()?).try_init()?;
        } else {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal())
                .with_target(false);
            registry.with(lines.boxed()).try_init()?;
        }
        log_panics();
        Ok(Self { filter: handle, directives: Arc::new(Mutex::new(directives.to_owned())) })
    }

    /// The filter in force.
    #[must_use]
    pub fn current(&self) -> String {
        self.lock().clone()
    }

    /// Puts `directives` in force.
    ///
    /// # Errors
    /// [`LogError`]; the filter before then stays.
    pub fn set(&self, directives: &str) -> Result<Change, LogError> {
        self.filter.reload(filter(directives)?)?;
        let current = directives.to_owned();
        let previous = mem::replace(&mut *self.lock(), current.clone());
        Ok(Change { previous, current })
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.directives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revert {
    /// Goes back to `filter` after `ttl`.
    #[must_use]
    pub fn after(ttl: Duration, filter: String) -> Self {
        Self { at: Instant::now() + ttl, filter }
    }
}

/// Whether stderr leads to journald: `$JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
#[must_use]
pub fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = fstat(io::stderr()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

fn journal() -> Result<tracing_journald::Layer, LogError> {
    let layer = tracing_journald::layer().map_err(LogError::Journal)?;
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(layer.with_field_prefix(Some("SELAT".to_owned())).with_priority_mappings(priorities))
}

/// Makes a panic one event instead of several lines on stderr.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        let thread = thread::current().name().unwrap_or_default().to_owned();
        // As for debugging it is one line.
        let backtrace = Backtrace::force_capture();
        tracing::error!(location, panic = message, thread, ?backtrace, "a task panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken_and_lone_words_refused() {
        for right in
            ["off", "info", "DEBUG", "info,proxyd=trace", "warn,h2=debug", "[{client}]=trace"]
        {
            assert!(filter(right).is_ok(), "{right}");
        }
        for wrong in ["", "debgu", "proxyd", "info,proxyd", "proxyd=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
