//! The last configuration file that was good, kept in `$STATE_DIRECTORY`, so that a daemon whose file was broken
//! while it was down still has something to serve. Only the file is kept: flags and variables are as they are.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tracing::{debug, warn};

use crate::config::Sources;

/// Name of the file in the state directory.
const NAME: &str = "last-good.toml";

/// Whoever may read the state directory may not read secrets that the file may have.
const MODE: u32 = 0o600;

/// Where the last good file is kept.
#[derive(Clone, Debug, Default)]
pub struct LastGood(Option<PathBuf>);

impl LastGood {
    /// Nowhere: nothing is kept.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// In the first directory of `$STATE_DIRECTORY` (systemd.exec(5)); nowhere where it is not set.
    #[must_use]
    pub fn in_state_directory() -> Self {
        let directories = env::var_os("STATE_DIRECTORY").unwrap_or_default();
        let first = env::split_paths(&directories).next().filter(|path| path.is_absolute());
        Self(first.map(|directory| directory.join(NAME)))
    }

    /// The file, if one was kept.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.as_deref().filter(|path| path.exists())
    }

    /// Keeps the file that `sources` holds ([`Sources::held`]), now that it is in force. Where that fails, the one
    /// before stays, and the log says so.
    pub fn keep(&self, sources: &Sources) {
        let (Some(path), Some(text)) = (&self.0, sources.text()) else { return };
        if fs::read(path).is_ok_and(|kept| kept == text.as_bytes()) {
            return;
        }
        match replace(path, text) {
            Ok(()) => debug!(path = %path.display(), "configuration kept"),
            Err(error) => {
                warn!(%error, path = %path.display(), "cannot keep the configuration for a start with a broken one");
            }
        }
    }
}

/// Puts `text` into the file as a whole: what is at `path` is the old one or the new one at any time.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
