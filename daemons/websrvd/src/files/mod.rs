//! Answers a request with a file, or says why not.
//!
//! 1. Refuse every method but GET and HEAD (405).
//! 2. Take the target apart; what is no path is refused (400, 414), what is hidden is not there (404).
//! 3. Open it beneath the root, wherever its names and symbolic links point (404).
//! 4. A directory is its index file; asked for without its slash, it redirects (301).
//! 5. Evaluate the preconditions (304, 412), then the range (206, 416).
//! 6. Read the first bytes, and answer.
//!
//! Steps 3 to 6 are tried at once with what the kernel has in memory. Only where that does not do, they
//! are done again on a thread that may wait for the disk, and where no such thread is to be had in time,
//! the answer is 503.

mod body;
mod headers;
mod page;
mod reply;
mod resolve;

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, request::Parts};
use selat_runtime::{
    blocking::{Blocking, BlockingError},
    serve::HttpLimits,
};
use tracing::error;

use self::{
    body::Access,
    resolve::{Found, Root, Wanted},
};
pub(crate) use self::{
    body::{Body, BodyError},
    reply::{Answer, Outcome},
};
use crate::config::Config;

/// What is served and how: a snapshot that each request takes once.
#[derive(Debug)]
pub(crate) struct Site {
    root: Root,
    cache_control: Option<HeaderValue>,
    disk: Blocking,
    /// Time that a client is asked to stay away while the disk is overloaded.
    retry_after: Duration,
    /// Limits of a connection that is accepted now.
    pub(crate) limits: HttpLimits,
}

/// The root cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the root {path}")]
pub struct RootError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Site {
    /// Opens what `config` says.
    pub(crate) fn open(config: &Config) -> Result<Self, RootError> {
        let root = Root::open(&config.root)
            .map_err(|source| RootError { path: config.root.clone(), source })?;
        Ok(Self {
            root,
            cache_control: config.cache_control.clone(),
            disk: Blocking::new(config.disk_jobs, config.disk_timeout),
            retry_after: config.disk_timeout,
            limits: config.service.http.clone(),
        })
    }

    /// The root as it was configured.
    pub(crate) fn root(&self) -> String {
        self.root.path().display().to_string()
    }
}

/// Answers a request that arrived at `now`.
pub(crate) async fn answer(site: &Arc<Site>, head: &Parts, now: SystemTime) -> Answer {
    let wanted = match Wanted::of(head) {
        Ok(wanted) => wanted,
        Err(outcome) => return reply::refusal(outcome),
    };
    if let Ok(answer) = select(site, head, &wanted, now, Access::Memory) {
        return answer;
    }
    let (shared, copy) = (Arc::clone(site), head.clone());
    let job = move || select(&shared, &copy, &wanted, now, Access::Disk);
    match site.disk.run(job).await {
        Ok(Ok(answer)) => answer,
        Err(BlockingError::Full) => reply::overloaded(site.retry_after),
        Ok(Err(NotInMemory)) | Err(BlockingError::CutOff) => reply::refusal(Outcome::Failed),
    }
}

/// What is asked for is not in the kernel's memory.
#[derive(Clone, Copy, Debug)]
struct NotInMemory;

/// Steps 3 to 6.
fn select(
    site: &Site,
    head: &Parts,
    wanted: &Wanted,
    now: SystemTime,
    access: Access,
) -> Result<Answer, NotInMemory> {
    let answer = match site.root.find(wanted, access) {
        Ok(Found::File(file)) => reply::file(site, head, wanted, file, now, access),
        Ok(Found::Directory) => Ok(reply::redirect(site, wanted)),
        Ok(Found::Nothing) => Ok(reply::refusal(Outcome::NotFound)),
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) if access == Access::Memory && body::is_not_in_memory(&error) => {
            Err(NotInMemory)
        }
        Err(error) => {
            error!(path = %wanted.path().display(), %error, "cannot read a file");
            Ok(reply::refusal(Outcome::Failed))
        }
    }
}

#[cfg(test)]
mod tests;
