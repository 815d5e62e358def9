//! What the service manager is told (sd_notify(3)). Without one, telling does nothing.

use std::{
    env, io,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use rustix::pipe::{PipeFlags, pipe_with};
use sd_notify::NotifyState;
use tokio::{io::AsyncReadExt, net::unix::pipe, time};

/// Serving, and how it fares in a sentence.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reading the configuration anew; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "cannot read the monotonic clock"),
    }
}

/// Draining.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// How it fares, in a sentence.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// The data plane makes progress.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// Time after which the service manager kills a daemon that has not said [`alive`]; `None` where
/// it does not.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Whether there is a service manager that listens to this process.
#[must_use]
pub fn is_heard() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some() && !SILENT.load(Relaxed)
}

/// The service's main process is another one now.
pub(crate) fn main_process(pid: u32) {
    send(&[NotifyState::MainPid(pid)]);
}

/// Tells nothing any more: the service manager listens to the main process only, and complains of others.
pub(crate) fn fall_silent() {
    SILENT.store(true, Relaxed);
}

/// Whether this process is the service's main process no longer.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Has the service manager keep a copy of `fd` under `name`, for the next instance; whatever becomes of the
/// socket's peer: an error that is pending on it is no reason to let go of it.
pub(crate) fn store(name: &str, fd: BorrowedFd<'_>) {
    let states = [NotifyState::FdStore, NotifyState::Custom("FDPOLL=0"), NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify_with_fds(&states, &[fd]) {
        tracing::warn!(%error, name, "cannot have the service manager keep a descriptor");
    }
}

/// Has it let go of what it keeps under `name`.
pub(crate) fn forget(name: &str) {
    send(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// Waits until it has taken in all that it was told before, `patience` at most (sd_notify_barrier(3)).
///
/// # Errors
/// It has not, or nobody listens.
pub(crate) async fn barrier(patience: Duration) -> io::Result<()> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
    drop(theirs);
    let mut ours = pipe::Receiver::from_owned_fd(ours)?;
    // The end comes once nobody holds theirs any more.
    time::timeout(patience, ours.read_u8()).await.map(|_| ())?;
    Ok(())
}

fn send(states: &[NotifyState<'_>]) {
    if !is_heard() {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
