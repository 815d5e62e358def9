//! A daemon hands over to a new process of its program, in place: the service manager sees one service that never
//! stopped. Unlike a restart, nobody who comes meanwhile waits for what is in flight.
//!
//! 1. [`Predecessor::prepare`] starts the program anew, its stdin one end of a `channel`, and sends its listening sockets.
//! 2. [`Successor::begin`] leaves the process tree of the one that started it, so that the service manager is its
//!    parent; it reads its configuration and prepares everything. Where that fails, the reason goes back and nothing
//!    has changed.
//! 3. [`Predecessor::hand_over`] names the new main process to the service manager (`MAINPID=`), stops sessions, sends
//!    them and the counters, and the word to begin: two never read one datagram socket at a time.
//! 4. [`Successor::take_over`] gets those; the daemon serves and says so. The one before drains and ends.

mod channel;
mod predecessor;
mod successor;

use std::{env, ffi::OsString, io, path::PathBuf};

pub use self::{
    predecessor::{Predecessor, SuccessionError},
    successor::{Finishing, Successor, TakeOver, TakeOverError},
};

/// The variable that tells a process that it is a successor: the version of what is said on the channel.
const VARIABLE: &str = "SELAT_SUCCESSION";

/// What is said on the channel.
const VERSION: &str = "1";

/// How this process was started, and a successor will be.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Of this process. To be called before its file can be replaced.
    ///
    /// # Errors
    /// Where the kernel does not tell the file.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self { path: env::current_exe()?, arguments: env::args_os().skip(1).collect() })
    }
}
