//! The access log: a line for each request.
//!
//! 1. Whoever answered a request tells [`AccessLog::note`], which makes a line of it and leaves that in memory.
//! 2. A thread of its own (`writer`) writes what gathered, and opens the file anew once it was moved away.
//!
//! No request ever waits for a disk: where the writer falls behind by more than a bound, lines are dropped and counted.

mod line;
mod writer;

use std::{
    env, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts};
use tracing::{Level, enabled, info};

pub use self::writer::Written;
use self::writer::{LogFile, Writer};
use crate::{
    config::{self, Layers},
    counters::Counter,
};

/// Name of the file in `$LOGS_DIRECTORY`.
const NAME: &str = "access.log";

/// One request and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Who asked.
    pub client: SocketAddr,
    /// With which method.
    pub method: &'a Method,
    /// From which host, where it was said.
    pub host: Option<&'a str>,
    /// For which path and query.
    pub target: &'a str,
    /// In which version of HTTP.
    pub version: Version,
    /// What the client said it came from.
    pub referer: Option<&'a HeaderValue>,
    /// What the client said it is.
    pub user_agent: Option<&'a HeaderValue>,
    /// Status of the response.
    pub status: StatusCode,
    /// Octets of content that were sent, where it is known.
    pub bytes: Option<u64>,
    /// What a cache did.
    pub cache: Option<&'a str>,
    /// Name of the route that it took, where there are routes.
    pub route: Option<&'a str>,
    /// How long it took.
    pub elapsed: Duration,
}

impl<'a> Entry<'a> {
    /// What a request says of itself; what became of it is for the caller to fill in.
    #[must_use]
    pub fn of(client: SocketAddr, head: &'a Parts) -> Self {
        let field = |name| head.headers.get(name);
        let host = || field(header::HOST).and_then(|host| host.to_str().ok());
        Self {
            client,
            method: &head.method,
            host: head.uri.authority().map(|host| host.as_str()).or_else(host),
            target: Self::target_of(&head.uri),
            version: head.version,
            referer: field(header::REFERER),
            user_agent: field(header::USER_AGENT),
            status: StatusCode::OK,
            bytes: None,
            cache: None,
            route: None,
            elapsed: Duration::ZERO,
        }
    }

    /// The path and query of a URI: those of HTTP/2 and of requests to proxies name the host, too.
    #[must_use]
    pub fn target_of(uri: &'a Uri) -> &'a str {
        uri.path_and_query().map_or("", |target| target.as_str())
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    Off,
    /// To where everything else is logged, as events of the target `access`.
    Log,
    File(PathBuf),
}

/// How a line in a file looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Apache's combined log format, then what the cache did, the seconds that it took and the route.
    Combined,
    /// An object.
    Json,
}

/// What is configured of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    destination: Destination,
    format: Format,
}

impl AccessConfig {
    /// Its keys, with parsers and defaults.
    #[must_use]
    pub fn settings(layers: &mut Layers<'_>) -> Self {
        Self {
            destination: layers.one("access_log", destination, default_destination()),
            format: layers.one("access_log_format", format, Format::Combined),
        }
    }
}

impl config::Written for Destination {
    fn written(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::Log => "log".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl config::Written for Format {
    fn written(&self) -> String {
        match self {
            Self::Combined => "combined".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

/// Under systemd, a file in the directory that it made for logs (systemd.exec(5)).
fn default_destination() -> Destination {
    let directories = env::var_os("LOGS_DIRECTORY").unwrap_or_default();
    let first = env::split_paths(&directories).next().filter(|path| path.is_absolute());
    first.map_or(Destination::Log, |directory| Destination::File(directory.join(NAME)))
}

fn destination(text: &str) -> Result<Destination, String> {
    match text {
        "off" => Ok(Destination::Off),
        "log" => Ok(Destination::Log),
        path if path.starts_with('/') => Ok(Destination::File(PathBuf::from(path))),
        _ => Err("a path that begins with / is expected, or \"log\", or \"off\"".to_owned()),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "combined" => Ok(Format::Combined),
        "json" => Ok(Format::Json),
        _ => Err("\"combined\" or \"json\" is expected".to_owned()),
    }
}

/// The file cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log {path}")]
pub struct AccessError {
    path: String,
    #[source]
    source: io::Error,
}

/// What [`AccessLog::note`] does, so that it need not lock to know.
#[repr(u8)]
#[derive(Clone, Copy, Debug)]
enum Mode {
    Off,
    Log,
    Combined,
    Json,
}

impl Mode {
    const ALL: [Self; 4] = [Self::Off, Self::Log, Self::Combined, Self::Json];
}

/// The log; clones write to the same one.
#[derive(Clone, Debug)]
pub struct AccessLog {
    mode: Arc<AtomicU8>,
    writer: Arc<Writer>,
}

/// A change that cannot fail any more.
#[derive(Debug)]
pub struct Prepared {
    mode: Mode,
    file: Option<LogFile>,
}

impl AccessLog {
    /// Begins the log.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn begin(config: &AccessConfig) -> Result<Self, AccessError> {
        let prepared = Self::prepare(config)?;
        let mode = Arc::new(AtomicU8::new(Mode::Off as u8));
        let log = Self { mode, writer: Arc::new(Writer::default()) };
        log.apply(prepared);
        Ok(log)
    }

    /// Opens what `config` wants, anew even if it is what is open already.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn prepare(config: &AccessConfig) -> Result<Prepared, AccessError> {
        let path = match &config.destination {
            Destination::Off => return Ok(Prepared { mode: Mode::Off, file: None }),
            Destination::Log => return Ok(Prepared { mode: Mode::Log, file: None }),
            Destination::File(path) => path,
        };
        let file = LogFile::open(path.clone())
            .map_err(|source| AccessError { path: path.display().to_string(), source })?;
        let mode = match config.format {
            Format::Combined => Mode::Combined,
            Format::Json => Mode::Json,
        };
        Ok(Prepared { mode, file: Some(file) })
    }

    /// Puts a change in force.
    pub fn apply(&self, prepared: Prepared) {
        self.writer.switch(prepared.file);
        self.mode.store(prepared.mode as u8, Relaxed);
    }

    /// Whether anybody hears of what is noted.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self.mode() {
            Mode::Off => false,
            Mode::Log => enabled!(target: "access", Level::INFO),
            Mode::Combined | Mode::Json => true,
        }
    }

    fn mode(&self) -> Mode {
        Mode::ALL[usize::from(self.mode.load(Relaxed)) % Mode::ALL.len()]
    }

    /// Notes a request that is over.
    pub fn note(&self, entry: &Entry<'_>) {
        let mode = self.mode();
        match mode {
            Mode::Off => {}
            Mode::Log => log(entry),
            Mode::Combined | Mode::Json => {
                line::with(entry, mode, SystemTime::now(), |line| self.writer.push(line));
            }
        }
    }

    /// What came of the lines for a file.
    #[must_use]
    pub fn written(&self) -> Written {
        self.writer.written()
    }

    /// What is counted of them and outlives the process.
    pub fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.writer.visit_counters(visit);
    }

    /// Writes what is left; lines after it are dropped. Gives up where the disk takes nothing for a second.
    pub fn end(&self) {
        self.writer.end();
    }
}

fn log(entry: &Entry<'_>) {
    info!(
        target: "access",
        client = %entry.client,
        method = %entry.method,
        host = entry.host,
        target = %entry.target.escape_debug(),
        status = entry.status.as_u16(),
        bytes = entry.bytes,
        cache = entry.cache,
        route = entry.route,
        elapsed_us = entry.elapsed.as_micros(),
        "request"
    );
}
