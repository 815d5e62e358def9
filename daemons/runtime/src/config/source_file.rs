//! The files that settings are read from: one, and its drop-ins, in the order in which the later one wins.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Bytes of the largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Drop-ins of one file.
const DROP_INS_MAX: usize = 100;

/// A file of settings, read whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Where it was read.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// A file or directory that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) fault: io::Error,
}

/// Reads the file at `path`, then what is in the directory beside it that has `.d` for its ending: each `*.toml` that
/// is not hidden, by name. Only an `optional` file may be missing; the directory always may.
pub(super) fn with_drop_ins(path: &Path, optional: bool) -> Result<Vec<SourceFile>, Unreadable> {
    let directory = path.with_extension("d");
    let drop_ins = drop_ins(&directory).map_err(|fault| Unreadable { path: directory, fault })?;
    let mut files = match read(path) {
        Ok(file) => vec![file],
        Err(missing) if optional && missing.fault.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(unreadable) => return Err(unreadable),
    };
    for drop_in in &drop_ins {
        files.push(read(drop_in)?);
    }
    Ok(files)
}

fn drop_ins(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.ends_with(b".toml") && !name.starts_with(b".") {
            paths.push(entry.path());
        }
        if paths.len() > DROP_INS_MAX {
            return Err(io::Error::other(format!("more than {DROP_INS_MAX} files")));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a file whole, up to [`FILE_BYTES_MAX`].
fn read(path: &Path) -> Result<SourceFile, Unreadable> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .and_then(|_| match text.len() as u64 > FILE_BYTES_MAX {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MiB")),
            false => Ok(()),
        })
        .map_err(|fault| Unreadable { path: path.to_owned(), fault })?;
    Ok(SourceFile { path: path.to_owned(), text })
}
