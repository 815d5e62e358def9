//! Requests by many clients at once, each over a connection that it keeps.
//!
//! 1. Every client connects; the clock starts when all have.
//! 2. Each sends its requests when they are due, one at a time, and reads the bodies.
//! 3. What failed is counted by reason; what came from a cache is counted too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use selat_qos::report::{Condition, Measurement, Series, Test};
use selat_qos::sample::Sample;
use selat_qos::schedule::Schedule;
use selat_qos::session::{Cancel, PROBES_MAX, Progress, SpecError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::live::{Show, Subject, Watch};
use crate::console::Console;
use crate::http::{Connection, HttpError, HttpUrl, resolve, said};

/// Name of the condition that says how many requests failed, and why.
pub(super) const FAILURES: &str = "failed requests";
/// How often a client that waits looks whether it is to stop.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// Descriptors that the process needs beside the clients' connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// What to do.
pub(super) struct Plan {
    pub(super) url: HttpUrl,
    pub(super) clients: NonZeroU32,
    pub(super) schedule: Schedule,
    /// How long each step of a request may take.
    pub(super) limit: Duration,
    pub(super) show: Show,
}

/// What all clients share.
struct Shared {
    plan: Plan,
    addresses: Vec<SocketAddr>,
    headers: HeaderMap,
    cancel: Cancel,
    progress: Progress,
}

/// What one client measured.
#[derive(Default)]
struct Client {
    samples: Vec<Sample>,
    from_cache: u64,
    failures: BTreeMap<String, u64>,
}

/// A response that was read to its end.
struct Answer {
    bytes: u64,
    is_from_cache: bool,
}

impl Plan {
    /// Measures; the total of probes has the bounds of a UDP run.
    pub(super) async fn measure(
        self,
        cancel: &Cancel,
        console: &Console<'_>,
    ) -> anyhow::Result<Measurement> {
        let requests = u64::from(self.clients.get()) * u64::from(self.schedule.count());
        if requests > PROBES_MAX {
            return Err(SpecError::Probes { probes: requests }.into());
        }
        allow_descriptors(u64::from(self.clients.get()) + SPARE_DESCRIPTORS);
        let addresses = resolve(&self.url, self.limit).await?;
        let agent = HeaderValue::from_static(concat!("netctl/", env!("CARGO_PKG_VERSION")));
        let headers = HeaderMap::from_iter([(USER_AGENT, agent)]);
        let watch = Watch::begin(self.show, self.subject(), console.look)?;
        let (cancel, progress) = (cancel.clone(), watch.progress());
        progress.plan(requests);
        let shared = Arc::new(Shared { plan: self, addresses, headers, cancel, progress });
        let connections = shared.connect().await?;
        let started_at = Timestamp::now();
        let run = Arc::clone(&shared).run(connections);
        let clients = watch.until(run, &shared.cancel).await?;
        Ok(shared.measurement(started_at, clients))
    }

    fn subject(&self) -> Subject {
        Subject {
            title: format!("HTTP from {}", self.url),
            nouns: ("request", "requests"),
            lasts: self.schedule.lasts(),
        }
    }
}

impl Shared {
    /// A connection for each client; `None` for one that is to try again.
    ///
    /// # Errors
    /// Not one client could connect.
    async fn connect(self: &Arc<Self>) -> Result<Vec<Option<Connection>>, HttpError> {
        let mut opening = JoinSet::new();
        for _ in 0..self.plan.clients.get() {
            let shared = Arc::clone(self);
            opening
                .spawn(async move { Connection::open(&shared.addresses, shared.plan.limit).await });
        }
        let mut connections = Vec::new();
        let mut failure = None;
        while let Some(opened) = opening.join_next().await {
            match opened {
                Ok(Ok(connection)) => connections.push(Some(connection)),
                Ok(Err(error)) => {
                    failure = Some(error);
                    connections.push(None);
                }
                Err(_) => connections.push(None),
            }
        }
        match failure {
            Some(error) if connections.iter().all(Option::is_none) => Err(error),
            _ => Ok(connections),
        }
    }

    async fn run(self: Arc<Self>, connections: Vec<Option<Connection>>) -> Vec<Client> {
        let origin = Instant::now();
        let mut running = JoinSet::new();
        for (number, connection) in (0..).zip(connections) {
            let shared = Arc::clone(&self);
            running
                .spawn(async move { (number, shared.requests(number, connection, origin).await) });
        }
        // A client that broke off is missing; the others stand.
        let mut clients: Vec<(u32, Client)> = running.join_all().await;
        clients.sort_by_key(|(number, _)| *number);
        clients.into_iter().map(|(_, client)| client).collect()
    }

    /// All requests of one client.
    async fn requests(
        &self,
        number: u32,
        mut connection: Option<Connection>,
        origin: Instant,
    ) -> Client {
        let mut client = Client::default();
        let times = self.plan.schedule.times(number, self.plan.clients.get());
        for (seq, due_at) in (0..).zip(times) {
            let is_held_up = origin.elapsed() > due_at;
            if !self.wait_until(origin + due_at).await {
                break;
            }
            // What waited behind a slow answer has waited since it was due.
            let sent_at = if is_held_up && seq > 0 { due_at } else { origin.elapsed() };
            self.progress.probe_sent(number + 1, due_at, sent_at);
            let answer = self.request(&mut connection).await;
            let mut sample = Sample::sent(seq, due_at, sent_at);
            match answer {
                Ok(answer) => {
                    let received_at = origin.elapsed();
                    sample.received_at = Some(received_at);
                    sample.bytes = answer.bytes;
                    client.from_cache += u64::from(answer.is_from_cache);
                    let latency = received_at.saturating_sub(sent_at);
                    self.progress.probe_answered(number + 1, sent_at, latency, answer.bytes);
                }
                Err(reason) => {
                    *client.failures.entry(reason).or_default() += 1;
                    self.progress.probe_failed(number + 1, sent_at);
                }
            }
            client.samples.push(sample);
        }
        client
    }

    /// Sleeps; false where the run was cancelled meanwhile.
    async fn wait_until(&self, due: Instant) -> bool {
        while Instant::now() < due && !self.cancel.is_cancelled() {
            sleep_until(due.min(Instant::now() + CANCEL_CHECK)).await;
        }
        !self.cancel.is_cancelled()
    }

    /// One request; the reason where it failed, and the connection is dropped then.
    async fn request(&self, connection: &mut Option<Connection>) -> Result<Answer, String> {
        let mut open = self.usable(connection.take()).await.map_err(reason)?;
        let sent = open.send(&self.plan.url, &Method::GET, &self.headers).await;
        let mut responded = sent.map_err(reason)?;
        let (status, headers) = (responded.response.status(), responded.response.headers());
        let is_from_cache = said(status, headers).verdict.is_from_cache();
        while responded.next_piece().await.map_err(reason)?.is_some() {}
        *connection = Some(open);
        if status.is_client_error() || status.is_server_error() {
            return Err(format!("status {}", status.as_u16()));
        }
        Ok(Answer { bytes: responded.received(), is_from_cache })
    }

    /// The same connection, or another where the server has closed it between two requests
    /// (RFC 9112 §9.5).
    async fn usable(&self, connection: Option<Connection>) -> Result<Connection, HttpError> {
        if let Some(mut open) = connection
            && open.is_ready().await
        {
            return Ok(open);
        }
        Connection::open(&self.addresses, self.plan.limit).await
    }

    fn measurement(&self, started_at: Timestamp, clients: Vec<Client>) -> Measurement {
        let conditions = self.conditions(&clients);
        let series = (1..).zip(clients).map(|(number, client): (u32, _)| Series {
            client: number.to_string(),
            samples: client.samples,
        });
        Measurement {
            test: Test::Http,
            target: self.plan.url.to_string(),
            started_at,
            conditions,
            clients: series.collect(),
            straight: None,
        }
    }

    fn conditions(&self, clients: &[Client]) -> Vec<Condition> {
        let (plan, sent) = (&self.plan, self.progress.snapshot().sent);
        let from_cache: u64 = clients.iter().map(|client| client.from_cache).sum();
        let mut conditions = vec![
            Condition::new("clients", plan.clients),
            Condition::new("requests per client", plan.schedule.count()),
            Condition::new("pattern", format!("{}, one at a time", plan.schedule.describe())),
            Condition::new("connections", "one for each client, kept; HTTP/1.1"),
            Condition::new("answers from the cache", format!("{from_cache} of {sent}")),
        ];
        let failures = failures(clients);
        if !failures.is_empty() {
            conditions.push(Condition::new(FAILURES, failures));
        }
        if self.cancel.is_cancelled() {
            conditions.push(Condition::new("ended", "cancelled"));
        }
        conditions
    }
}

fn reason(error: HttpError) -> String {
    error.kind().to_owned()
}

/// `status 404 × 3, timed out × 1`; empty where nothing failed.
fn failures(clients: &[Client]) -> String {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in clients.iter().flat_map(|client| &client.failures) {
        *all.entry(reason).or_default() += count;
    }
    let each = all.iter().map(|(reason, count)| format!("{reason} × {count}"));
    each.collect::<Vec<_>>().join(", ")
}

/// Best effort: where the hard limit is too low, connecting fails and says so.
fn allow_descriptors(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), maximum) = (limit.current, limit.maximum) else { return };
    if current < needed {
        let current = Some(maximum.map_or(needed, |maximum| needed.min(maximum)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}
