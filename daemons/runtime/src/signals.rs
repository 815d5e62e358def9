//! Signals become orders: SIGHUP reloads, SIGTERM and SIGINT stop, and stop at once when they come again.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSignal;

/// Listens to signals from now on: the token is cancelled by SIGTERM or SIGINT, and each SIGHUP is
/// one item of the channel. The task ends when SIGTERM or SIGINT comes again: who asks twice does not
/// want to wait.
///
/// # Errors
/// Where the signals cannot be taken over.
pub fn listen(
    shutdown: CancellationToken,
) -> io::Result<(mpsc::Receiver<ReloadSignal>, JoinHandle<()>)> {
    let mut signals = Signals {
        hangup: signal(SignalKind::hangup())?,
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    // One reload that waits is enough: it will read what is there by then.
    let (reload, reloads) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        while signals.next(&reload).await {}
        shutdown.cancel();
        while signals.next(&reload).await {}
    });
    Ok((reloads, task))
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Handles one signal; false where it asks to stop.
    async fn next(&mut self, reload: &mpsc::Sender<ReloadSignal>) -> bool {
        tokio::select! {
            Some(()) = self.hangup.recv() => {
                let _ = reload.try_send(ReloadSignal);
                true
            }
            _ = self.interrupt.recv() => false,
            _ = self.terminate.recv() => false,
        }
    }
}
