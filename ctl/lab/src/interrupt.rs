//! Ctrl-C and SIGTERM, as a token.

use std::io;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use selat_runtime::{signals, workers};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGINT or SIGTERM from now on.
///
/// # Errors
/// The signals cannot be taken over.
pub(crate) fn watch() -> anyhow::Result<CancellationToken> {
    let interrupted = CancellationToken::new();
    let (tell, told) = mpsc::channel::<io::Result<()>>();
    let token = interrupted.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        workers::control_plane(async move {
            match signals::listen(token) {
                Ok((_reloads, signals)) => {
                    let _ = tell.send(Ok(()));
                    let _ = signals.await;
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })
    })?;
    told.recv().context("cannot listen to signals")??;
    Ok(interrupted)
}
