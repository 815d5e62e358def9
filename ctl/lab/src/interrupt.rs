//! Ctrl-C and SIGTERM, as tokens: the first asks to end, the second not to wait for it.

use std::io;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use selat_runtime::{signals, workers};
use tokio_util::sync::CancellationToken;

/// What was asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    /// Cancelled by the first SIGINT or SIGTERM.
    pub(crate) end: CancellationToken,
    /// Cancelled by the second: who asks twice does not want to wait.
    pub(crate) at_once: CancellationToken,
}

/// Watches for SIGINT and SIGTERM from now on.
///
/// # Errors
/// The signals cannot be taken over.
pub(crate) fn watch() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let (tell, told) = mpsc::channel::<io::Result<()>>();
    let Interrupt { end, at_once } = interrupt.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        workers::control_plane(async move {
            match signals::listen(end) {
                Ok((_, stopped_twice)) => {
                    let _ = tell.send(Ok(()));
                    let _ = stopped_twice.await;
                    at_once.cancel();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })
    })?;
    told.recv().context("cannot listen to signals")??;
    Ok(interrupt)
}
