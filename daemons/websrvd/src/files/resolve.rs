//! From a request to an open file beneath the root.
//!
//! The kernel keeps the promise that nothing outside is opened: each name is resolved by
//! openat2(2) with `RESOLVE_BENEATH` from a descriptor of the root, so that neither `..`, nor a
//! symbolic link, nor a rename in the middle of it leads out. An absolute link leads out by
//! definition. No check of text is part of that promise.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::MetadataExt,
        },
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{Method, Version, request::Parts};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat2},
    io::Errno,
};
use selat_core::http::target::{FilePath, Target, TargetError};
use tracing::debug;

use super::{Outcome, body::Access};

/// Octets of the longest request target (RFC 9110 §4.1 asks for 8000 at least).
const TARGET_BYTES_MAX: usize = 8192;

/// What a directory is served as.
const INDEX: &str = "index.html";

/// Times that a path is resolved anew because something on it was renamed meanwhile.
const RENAMES_MAX: usize = 16;

/// What a request asks for: a path, and how it was written.
#[derive(Debug)]
pub(super) struct Wanted {
    /// From the root to the file that answers.
    path: PathBuf,
    /// Whether it was written as a directory is.
    directory: bool,
    /// From the `?` on, or empty.
    query: String,
}

impl Wanted {
    /// Steps 1 and 2: what is asked for, or how to refuse.
    pub(super) fn of(head: &Parts) -> Result<Self, Outcome> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Outcome::MethodRefused);
        }
        let path = path_of(head)?;
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if path.len() + query.len() > TARGET_BYTES_MAX {
            return Err(Outcome::TargetTooLong);
        }
        let decoded = FilePath::decode(path).map_err(|_| Outcome::BadTarget)?;
        if decoded.is_hidden() {
            return Err(Outcome::NotFound);
        }
        let mut path = PathBuf::from(OsString::from_vec(decoded.to_relative()));
        let directory = decoded.is_directory();
        if directory {
            path.push(INDEX);
        }
        Ok(Self { path, directory, query })
    }

    /// The path from the root to the file that answers.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names on that path.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.path.iter().map(OsStr::as_bytes)
    }

    /// From the `?` on, or empty.
    pub(super) fn query(&self) -> &str {
        &self.query
    }
}

/// The path of a request that names its host as RFC 9112 §3.2 asks. HTTP/1.0 did not ask for it.
fn path_of(head: &Parts) -> Result<&str, Outcome> {
    match Target::of(&head.uri, &head.headers, false) {
        Ok(target) => Ok(target.path),
        Err(TargetError::HostMissing) if head.version < Version::HTTP_11 => Ok(head.uri.path()),
        Err(_) => Err(Outcome::BadTarget),
    }
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file.
    File(OpenFile),
    /// A directory that was asked for without its slash.
    Directory,
    /// Nothing that is served: no such file, a device, or outside the root.
    Nothing,
}

/// An open regular file, and what the file system said of it when it was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// The file.
    pub(super) file: File,
    /// Octets.
    pub(super) length: u64,
    /// When its content was last modified, as far as programs say.
    pub(super) modified: SystemTime,
    /// When it was last changed in any way; no program can set it back.
    pub(super) changed: SystemTime,
}

impl OpenFile {
    fn new(file: File, metadata: &Metadata) -> Self {
        Self {
            file,
            length: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The directory that is served.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the directory, which stays the root however its path changes.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { directory: open(path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// The path that it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Steps 3 and 4.
    pub(super) fn find(&self, wanted: &Wanted, access: Access) -> io::Result<Found> {
        let file = match self.open_beneath(wanted.path(), access) {
            Ok(descriptor) => File::from(descriptor),
            Err(errno) if is_absence(errno) => {
                debug!(path = %wanted.path().display(), %errno, "nothing to serve");
                return Ok(Found::Nothing);
            }
            Err(errno) => return Err(errno.into()),
        };
        let metadata = file.metadata()?;
        Ok(if metadata.is_file() {
            Found::File(OpenFile::new(file, &metadata))
        } else if metadata.is_dir() && !wanted.directory {
            Found::Directory
        } else {
            Found::Nothing
        })
    }

    fn open_beneath(&self, path: &Path, access: Access) -> Result<OwnedFd, Errno> {
        // A FIFO without a writer or a device must not make anyone wait.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let resolve = match access {
            Access::Memory => beneath | ResolveFlags::CACHED,
            Access::Disk => beneath,
        };
        let open = || openat2(&self.directory, path, flags, Mode::empty(), resolve);
        let mut opened = open();
        for _ in 0..RENAMES_MAX {
            if access == Access::Memory || !matches!(opened, Err(Errno::AGAIN)) {
                break;
            }
            opened = open();
        }
        opened
    }
}

/// Whether an error means that there is nothing to serve: it is the request's, not the server's.
fn is_absence(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::NAMETOOLONG
            // A loop of symbolic links, or a magic link of /proc.
            | Errno::LOOP
            // It leads out of the root.
            | Errno::XDEV
            | Errno::ACCESS
            | Errno::PERM
            // A unix socket, or a device without a driver.
            | Errno::NXIO
            | Errno::NODEV
    )
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let since = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 { UNIX_EPOCH - since(seconds) } else { UNIX_EPOCH + since(seconds) };
    whole + Duration::from_nanos(nanoseconds.unsigned_abs())
}
