//! What the service manager is told (sd_notify(3)). Without one, telling does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

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

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
