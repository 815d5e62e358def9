//! A daemon of this process that serves the control API with answers that tests know.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::thread;

use futures_util::{Stream, stream};
use selat_proto::v1::cache_service_server::{CacheService, CacheServiceServer};
use selat_proto::v1::daemon_service_server::{DaemonService, DaemonServiceServer};
use selat_proto::v1::relay_service_server::{RelayService, RelayServiceServer};
use selat_proto::v1::*;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// What the daemon is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers.
    #[default]
    Well,
    /// Takes calls and never answers.
    Stuck,
    /// Refuses its configuration.
    Misconfigured,
    /// Allows nothing.
    Strict,
}

/// A daemon, which ends when this is dropped.
pub(crate) struct Daemon {
    directory: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Daemon {
    pub(crate) fn start(mood: Mood) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::bind(path).unwrap();
                ready.send(()).unwrap();
                let served = Server::builder()
                    .add_service(DaemonServiceServer::new(mood))
                    .add_service(CacheServiceServer::new(mood))
                    .add_service(RelayServiceServer::new(mood))
                    .serve_with_incoming(UnixListenerStream::new(listener));
                tokio::select! {
                    served = served => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { directory, _stop: stop }
    }

    pub(crate) fn socket(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }
}

impl Mood {
    async fn allow(self) -> Result<(), Status> {
        match self {
            Self::Well => Ok(()),
            Self::Stuck => std::future::pending().await,
            Self::Misconfigured => Err(Status::failed_precondition(
                "proxyd.toml:3: colour: unknown key\nproxyd.toml:4: shape: unknown key",
            )),
            Self::Strict => Err(Status::permission_denied("not you")),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn messages<T: Send + 'static>(messages: Vec<T>) -> Answer<Messages<T>> {
    Ok(Response::new(Box::pin(stream::iter(messages.into_iter().map(Ok)))))
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

#[tonic::async_trait]
impl DaemonService for Mood {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<GetStatusResponse> {
        self.allow().await?;
        let listener = |role: &str, address: &str, upstream: &str| Listener {
            role: role.to_owned(),
            address: address.to_owned(),
            inherited: false,
            upstream: upstream.to_owned(),
        };
        Ok(Response::new(GetStatusResponse {
            daemon: "proxyd".to_owned(),
            version: "1.2.3".to_owned(),
            pid: 4321,
            state: DaemonState::Degraded.into(),
            start_time: at(1_700_000_000),
            config_generation: 7,
            config_file: "/etc/selat/proxyd.toml".to_owned(),
            config_error: "proxyd.toml:3: colour: unknown key".to_owned(),
            threads: 2,
            listeners: vec![
                listener("http", "127.0.0.1:8080", ""),
                listener("udp", "127.0.0.1:9090", "127.0.0.1:9000"),
            ],
            connections_active: 3,
            connections_accepted: 12_345,
            connections_max: 10_000,
            requests: 67_890,
            log_filter: "info".to_owned(),
            uptime: seconds(11_100),
            access_lines: 67_880,
            access_lines_dropped: 10,
            remote_refused: [("no_role".to_owned(), 3)].into(),
            predecessor_pid: 0,
        }))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Answer<ReloadResponse> {
        self.allow().await?;
        let changes = match request.into_inner().check_only {
            true => Vec::new(),
            false => vec!["http: 127.0.0.1:8081 is new".to_owned()],
        };
        Ok(Response::new(ReloadResponse { config_generation: 8, changes }))
    }

    async fn drain(&self, _: Request<DrainRequest>) -> Answer<DrainResponse> {
        self.allow().await?;
        Ok(Response::new(DrainResponse { connections: 3, deadline: seconds(31) }))
    }

    async fn upgrade(&self, _: Request<UpgradeRequest>) -> Answer<UpgradeResponse> {
        self.allow().await?;
        Ok(Response::new(UpgradeResponse {
            previous_pid: 4320,
            previous_version: "1.2.2".to_owned(),
            pid: 4321,
            version: "1.2.3".to_owned(),
            sessions: 2,
        }))
    }

    async fn set_log_level(
        &self,
        request: Request<SetLogLevelRequest>,
    ) -> Answer<SetLogLevelResponse> {
        self.allow().await?;
        let SetLogLevelRequest { filter, ttl } = request.into_inner();
        if filter == "deafening" {
            return Err(Status::invalid_argument("\"deafening\" is no log filter"));
        }
        let kept = ttl.map_or(String::new(), |ttl| format!(" for {}s", ttl.seconds));
        let filter = format!("{filter}{kept}");
        Ok(Response::new(SetLogLevelResponse { previous_filter: "info".to_owned(), filter }))
    }

    type WatchEventsStream = Messages<WatchEventsResponse>;

    async fn watch_events(
        &self,
        _: Request<WatchEventsRequest>,
    ) -> Answer<Messages<WatchEventsResponse>> {
        self.allow().await?;
        let event = |kind: &str, missed_count| WatchEventsResponse {
            time: at(1_700_000_000),
            kind: kind.to_owned(),
            message: format!("it was {kind}"),
            actor: "uid=1000".to_owned(),
            missed_count,
        };
        messages(vec![event("purged", 0), event("flushed", 4)])
    }
}

#[tonic::async_trait]
impl CacheService for Mood {
    async fn get_stats(
        &self,
        _: Request<CacheServiceGetStatsRequest>,
    ) -> Answer<CacheServiceGetStatsResponse> {
        self.allow().await?;
        Ok(Response::new(CacheServiceGetStatsResponse {
            hits: 7_500,
            misses: 2_500,
            hit_ratio: 0.75,
            entries: 42,
            memory_bytes: 64 << 20,
            memory_max_bytes: 256 << 20,
            misses_by_reason: HashMap::from([("absent".to_owned(), 2_500)]),
            ..Default::default()
        }))
    }

    type ListEntriesStream = Messages<ListEntriesResponse>;

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Answer<Messages<ListEntriesResponse>> {
        self.allow().await?;
        let ListEntriesRequest { prefix, limit, tag, .. } = request.into_inner();
        let entry = |path: &str, ttl| ListEntriesResponse {
            url: format!("http://127.0.0.1:8080{path}"),
            variants: 1,
            memory_bytes: 1536,
            hits: 1_000,
            status: 200,
            age: seconds(3),
            ttl: seconds(ttl),
            route: "default".to_owned(),
            key_parts: Vec::new(),
        };
        let entries = match tag.as_str() {
            "two-routes" => {
                let image = ListEntriesResponse { route: "images".to_owned(), ..entry("/a", 1) };
                vec![entry("/a", 1), image]
            }
            _ => vec![entry("/fresh", 57), entry("/stale\u{1b}[31m", -3)],
        };
        let wanted = entries.into_iter().filter(|entry| entry.url.starts_with(&prefix));
        messages(wanted.take(limit.try_into().unwrap()).collect())
    }

    async fn show_entry(&self, request: Request<ShowEntryRequest>) -> Answer<ShowEntryResponse> {
        self.allow().await?;
        let url = request.into_inner().url;
        if url.ends_with("/never") {
            return Err(Status::not_found(format!("nothing is stored for {url}")));
        }
        let field =
            |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned() };
        let variant = Variant {
            selecting: vec![field("accept-language", "id"), field("dnt", ""), field("x-beta", "")],
            selecting_absent: vec!["x-beta".to_owned()],
            status: 200,
            headers: vec![field("content-type", "text/html")],
            body_bytes: 1024,
            memory_bytes: 1536,
            response_time: at(1_700_000_000),
            age: seconds(3),
            freshness_lifetime: seconds(60),
            ttl: seconds(57),
            hits: 5,
            last_hit_time: at(1_700_000_002),
            origin: "http://127.0.0.1:8000".to_owned(),
            tags: vec!["news".to_owned()],
            lifetime_source: "max-age".to_owned(),
            key_parts: vec!["device=mobile".to_owned()],
        };
        let (variants, route) = (vec![variant], "default".to_owned());
        Ok(Response::new(ShowEntryResponse { url, variants, route }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        self.allow().await?;
        Ok(Response::new(ExplainResponse {
            url: request.into_inner().url,
            decision: CacheDecision::Fetch.into(),
            reason: "absent".to_owned(),
            rule: "Nothing is stored for it.".to_owned(),
            clause: "RFC 9111 §4".to_owned(),
            next: "The origin is asked.".to_owned(),
            ..Default::default()
        }))
    }

    async fn purge(&self, request: Request<PurgeRequest>) -> Answer<PurgeResponse> {
        self.allow().await?;
        use purge_request::Selection::{Prefix, Regex, Tag, Url};
        let is_never = match request.into_inner().selection {
            Some(Url(text) | Prefix(text) | Regex(text) | Tag(text)) => text.contains("/never"),
            None => false,
        };
        let (purged_count, purged_bytes) = if is_never { (0, 0) } else { (2, 2048) };
        Ok(Response::new(PurgeResponse { purged_count, purged_bytes }))
    }

    async fn flush(&self, _: Request<FlushRequest>) -> Answer<FlushResponse> {
        self.allow().await?;
        Ok(Response::new(FlushResponse { purged_count: 42, purged_bytes: 64 << 20 }))
    }
}

#[tonic::async_trait]
impl RelayService for Mood {
    async fn get_stats(
        &self,
        _: Request<RelayServiceGetStatsRequest>,
    ) -> Answer<RelayServiceGetStatsResponse> {
        Err(Status::unimplemented("no test asks"))
    }

    type ListSessionsStream = Messages<ListSessionsResponse>;

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Answer<Messages<ListSessionsResponse>> {
        self.allow().await?;
        if request.into_inner().protocol() == Protocol::Tcp {
            return messages(Vec::new());
        }
        messages(vec![ListSessionsResponse {
            protocol: Protocol::Udp.into(),
            id: 9,
            client: "127.0.0.1:50000".to_owned(),
            listener: "127.0.0.1:9090".to_owned(),
            upstream: "127.0.0.1:9000".to_owned(),
            open_time: at(1_700_000_000),
            idle: seconds(2),
            up_bytes: 17_200,
            down_bytes: 17_200,
            up_datagrams: 100,
            down_datagrams: 99,
        }])
    }
}
