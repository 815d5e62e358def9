//! Fetches many URLs of one server, a few at a time, each connection used again and again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, Method};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;
use crate::http::{Connection, Dialer, HttpError, HttpUrl, Protocol, Said, Verdict, said};
use crate::output::unit;

/// Where to fetch from, and how.
#[derive(Debug)]
pub(super) struct Source {
    /// Who is asked, whatever the URL's host.
    pub(super) address: SocketAddr,
    /// Sent with each request.
    pub(super) headers: HeaderMap,
    /// How long each step may take.
    pub(super) limit: Duration,
}

/// What came of one URL.
#[derive(Clone, Debug)]
pub(super) struct Warmed {
    pub(super) url: String,
    pub(super) outcome: Outcome,
    pub(super) body_bytes: u64,
}

/// Whether it is stored now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was fetched, and is stored.
    Stored,
    /// It was stored before.
    Present,
    /// It was fetched, and the cache does not keep it: why, where it says so.
    NotStored(String),
    /// It did not come whole, or is an error.
    Failed(String),
}

/// Fetches all of `urls`; what came of them is in their order.
pub(super) async fn fetch_all(
    urls: &[HttpUrl],
    concurrency: usize,
    source: &Source,
    console: &Console<'_>,
) -> Vec<Warmed> {
    let bar = bar(urls.len(), console);
    let (next, failed) = (Cell::new(0), Cell::new(0_u64));
    let warmed = RefCell::new(vec![None; urls.len()]);
    let worker = async || {
        let mut connection = None;
        while let Some(url) = urls.get(next.get()) {
            let index = next.replace(next.get() + 1);
            let one = warm(url, source, &mut connection).await;
            if matches!(one.outcome, Outcome::Failed(_)) {
                failed.set(failed.get() + 1);
                bar.set_message(failures(failed.get()));
            }
            if let Some(place) = warmed.borrow_mut().get_mut(index) {
                *place = Some(one);
            }
            bar.inc(1);
        }
    };
    join_all((0..concurrency.min(urls.len())).map(|_| worker())).await;
    bar.finish_and_clear();
    warmed.into_inner().into_iter().flatten().collect()
}

async fn warm(url: &HttpUrl, source: &Source, connection: &mut Option<Connection>) -> Warmed {
    let (outcome, body_bytes) = match fetch(url, source, connection).await {
        Ok(fetched) => fetched,
        Err(error) => {
            *connection = None;
            (Outcome::Failed(format!("{:#}", anyhow::Error::from(error))), 0)
        }
    };
    Warmed { url: url.to_string(), outcome, body_bytes }
}

async fn fetch(
    url: &HttpUrl,
    source: &Source,
    connection: &mut Option<Connection>,
) -> Result<(Outcome, u64), HttpError> {
    let mut open = match ready(connection.take()).await {
        Some(kept) => kept,
        None => Dialer::plain(vec![source.address], Protocol::Http1, source.limit).dial().await?,
    };
    let mut responded = open.ask(url, &Method::GET, &source.headers).await?;
    let status = responded.response.status();
    let outcome = if status.is_client_error() || status.is_server_error() {
        Outcome::Failed(status.to_string())
    } else {
        outcome(&said(status, responded.response.headers()))
    };
    while responded.next_piece().await?.is_some() {}
    *connection = Some(open);
    Ok((outcome, responded.received()))
}

/// The connection if the server keeps it.
async fn ready(connection: Option<Connection>) -> Option<Connection> {
    let mut kept = connection?;
    kept.is_ready().await.then_some(kept)
}

fn outcome(said: &Said) -> Outcome {
    match said.verdict {
        _ if said.stored => Outcome::Stored,
        Verdict::Hit | Verdict::Stale | Verdict::Revalidated | Verdict::Collapsed => {
            Outcome::Present
        }
        Verdict::Miss | Verdict::Pass | Verdict::Own | Verdict::None => {
            let why = said.detail.clone().or_else(|| said.forward.clone());
            Outcome::NotStored(why.unwrap_or_default())
        }
    }
}

fn failures(count: u64) -> String {
    format!("{} failed", unit::count(count))
}

fn bar(urls: usize, console: &Console<'_>) -> ProgressBar {
    if !console.look.progress {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(urls as u64), target);
    let template = " {bar:30.cyan/dim} {pos} of {len}, {msg}  {per_sec}  {eta} to go";
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.set_message(failures(0));
    bar
}
