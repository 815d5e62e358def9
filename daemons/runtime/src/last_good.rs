//! The last configuration files that were good, kept in `$STATE_DIRECTORY`, so that a daemon whose file was broken
//! while it was down still has something to serve. All are kept in one, so that they are of one time. Only files are
//! kept: flags and variables are as they are.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use crate::config::{SourceFile, Sources};

/// Name of the file in the state directory.
const NAME: &str = "last-good.toml";

/// Whoever may read the state directory may not read secrets that the file may have.
const MODE: u32 = 0o600;

/// What is kept: the files and what each said.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    file: Vec<SourceFile>,
}

/// Where the last good files are kept.
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

    /// The files, if they were kept and can be read.
    #[must_use]
    pub fn files(&self) -> Option<Vec<SourceFile>> {
        let text = fs::read_to_string(self.0.as_deref()?).ok()?;
        toml::from_str(&text).ok().map(|Kept { file }| file)
    }

    /// Keeps the files that `sources` holds ([`Sources::held`]), now that they are in force. Where that fails, those
    /// before stay, and the log says so.
    pub fn keep(&self, sources: &Sources) {
        let (Some(path), Some(files)) = (&self.0, sources.files()) else { return };
        let kept = toml::to_string(&Kept { file: files.to_vec() });
        match kept.map_err(io::Error::other).and_then(|text| replace(path, &text)) {
            Ok(()) => debug!(path = %path.display(), "configuration kept"),
            Err(error) => {
                warn!(%error, path = %path.display(), "cannot keep the configuration for a start with a broken one");
            }
        }
    }
}

/// Puts `text` into the file as a whole: what is at `path` is the old one or the new one at any time.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
