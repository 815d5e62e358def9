//! websrvd's configuration: every key with its bounds and its default, once.

use std::{net::SocketAddr, path::Path, path::PathBuf, thread, time::Duration};

use http::HeaderValue;
use rustix::fs::{Mode, OFlags};
use selat_proto::socket::{Daemon, status_socket};
use selat_runtime::{
    config::{ConfigErrors, Layers, Shown, Sources, text},
    listen::{self, UnixAddress},
    log,
    process::ProcessConfig,
    serve::HttpLimits,
    workers::THREADS_MAX,
};

/// Most time that any timeout may be.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A configuration that cannot be invalid. The sample in `packaging/websrvd.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) root: PathBuf,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) echo: Vec<SocketAddr>,
    pub(crate) reflector: bool,
    pub(crate) control: UnixAddress,
    pub(crate) status: UnixAddress,
    threads: usize,
    pub(crate) log: String,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    shown: Shown,
}

/// What there may be at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections open at once.
    pub(crate) connections: usize,
    /// Bytes of a request's head.
    pub(crate) header_bytes: usize,
    /// Header fields of a request.
    pub(crate) headers: usize,
    /// HTTP/2 streams open at once on one connection.
    pub(crate) streams: u32,
    /// Files that may be waited for at once.
    pub(crate) disk_jobs: usize,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// A request's head to arrive.
    pub(crate) header: Duration,
    /// A client to take some bytes.
    pub(crate) write: Duration,
    /// A request to wait for a place among the disk jobs.
    pub(crate) disk: Duration,
    /// Idle connections to be used once more while the daemon stops.
    pub(crate) linger: Duration,
    /// What is in flight to end, after that.
    pub(crate) drain: Duration,
}

impl ProcessConfig for Config {
    fn read(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut layers = sources.read();
        let mut config = Self::settings(&mut layers);
        config.check(&mut layers);
        config.shown = layers.shown();
        layers.finish(config)
    }

    fn log_filter(&self) -> &str {
        &self.log
    }
}

impl Config {
    /// Keys that are read once, when the daemon starts.
    pub(crate) const FIXED_KEYS: [&str; 6] =
        ["control", "control_group", "status", "status_group", "threads", "limits.connections"];

    /// Each key with its parser and its default.
    fn settings(layers: &mut Layers<'_>) -> Self {
        let control = layers.one("control", text::path, Daemon::Websrvd.own_control_socket());
        let status = layers.one("status", text::path, status_socket(&control));
        Self {
            root: layers.one("root", text::path, "/usr/share/websrvd/www".into()),
            http: layers.many("http", text::address, vec![([127, 0, 0, 1], 8000).into()]),
            echo: layers.many("echo", text::address, vec![([127, 0, 0, 1], 9000).into()]),
            reflector: layers.one("reflector", text::truth, true),
            control: UnixAddress {
                path: control,
                group: layers.one("control_group", text::text_or_none, None),
            },
            status: UnixAddress {
                path: status,
                group: layers.one("status_group", text::text_or_none, None),
            },
            threads: layers.one("threads", text::number_within(0, THREADS_MAX), 0),
            log: layers.one("log", log::directives, log::DEFAULT_FILTER.to_owned()),
            cache_control: layers.one(
                "cache_control",
                field_value,
                Some(HeaderValue::from_static("max-age=60")),
            ),
            limits: Limits::settings(layers),
            timeouts: Timeouts::settings(layers),
            shown: Shown::default(),
        }
    }

    /// What no key can know alone.
    fn check(&self, layers: &mut Layers<'_>) {
        if let Err(problem) = openable(&self.root) {
            layers.refuse("root", problem);
        }
        // A TCP and a UDP port of one number are two ports.
        for (key, addresses) in [("http", &self.http), ("echo", &self.echo)] {
            for address in listen::repeated(addresses) {
                layers.refuse(key, format!("{address} is covered by an address before it"));
            }
        }
        let nothing = self.http.is_empty() && self.echo.is_empty();
        if nothing && !["http", "echo"].iter().any(|key| layers.is_refused(key)) {
            layers.refuse("http", "nothing would be served: http or echo needs an address");
        }
    }

    /// Data-plane threads, at least one.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// The limits of one HTTP connection.
    pub(crate) fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            header_bytes_max: self.limits.header_bytes,
            headers_max: self.limits.headers,
            header_timeout: self.timeouts.header,
            write_timeout: self.timeouts.write,
            streams_max: self.limits.streams,
        }
    }

    /// Every key with its value.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl Limits {
    fn settings(layers: &mut Layers<'_>) -> Self {
        let defaults = HttpLimits::default();
        Self {
            connections: layers.one(
                "limits.connections",
                text::number_within(1, 1_000_000),
                10_000,
            ),
            // hyper takes no buffer under 8 KiB.
            header_bytes: layers.one(
                "limits.header_bytes",
                |text| Ok(text::bytes_within(8 << 10, 1 << 20)(text)? as usize),
                defaults.header_bytes_max,
            ),
            headers: layers.one(
                "limits.headers",
                text::number_within(1, 10_000),
                defaults.headers_max,
            ),
            streams: layers.one(
                "limits.streams",
                text::number_within(1, 10_000),
                defaults.streams_max,
            ),
            disk_jobs: layers.one("limits.disk_jobs", text::number_within(1, 10_000), 64),
        }
    }
}

impl Timeouts {
    fn settings(layers: &mut Layers<'_>) -> Self {
        let defaults = HttpLimits::default();
        let some = text::duration_within(Duration::from_millis(1), TIMEOUT_MAX);
        let any = text::duration_within(Duration::ZERO, TIMEOUT_MAX);
        Self {
            header: layers.one("timeouts.header", &some, defaults.header_timeout),
            write: layers.one("timeouts.write", &some, defaults.write_timeout),
            disk: layers.one("timeouts.disk", &some, Duration::from_secs(5)),
            linger: layers.one("timeouts.linger", &any, Duration::from_secs(1)),
            drain: layers.one("timeouts.drain", &any, Duration::from_secs(30)),
        }
    }
}

fn openable(root: &Path) -> Result<(), String> {
    rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map(drop)
        .map_err(|errno| match errno {
            rustix::io::Errno::NOENT => "there is no such directory".to_owned(),
            rustix::io::Errno::NOTDIR => "this is not a directory".to_owned(),
            other => format!("cannot open the directory: {other}"),
        })
}

fn field_value(text: &str) -> Result<Option<HeaderValue>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_str(text).map(Some).map_err(|_| "a header field's value is expected".into())
}

#[cfg(test)]
mod tests {
    use selat_runtime::config::sample;

    use super::*;

    const SAMPLE: &str = include_str!("../../../packaging/websrvd.toml");

    #[test]
    fn the_packaged_sample_says_the_defaults_of_every_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("websrvd.toml");
        std::fs::write(&file, sample::in_force(SAMPLE)).expect("written");
        let sources = Sources::of("websrvdsample");
        let with_sample = sources.clone().with_file(file);
        let mut layers = with_sample.read();
        let mut sampled = Config::settings(&mut layers);
        let sampled_keys =
            sample::in_force(SAMPLE).lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(layers.keys().count(), sampled_keys, "every key is in the sample");
        sampled = layers.finish(sampled).expect("a good sample");
        // The default depends on the environment that the daemon is started in.
        assert_eq!(sampled.control.path, Path::new("/run/websrvd/control.sock"));
        assert_eq!(sampled.status.path, Path::new("/run/websrvd/status.sock"));
        sampled.control.path = Daemon::Websrvd.own_control_socket();
        sampled.status.path = status_socket(&sampled.control.path);
        let defaults = Config::settings(&mut sources.without_file().read());
        assert_eq!(sampled, defaults);
    }

    #[test]
    fn the_keys_that_take_a_restart_are_keys() {
        let sources = Sources::of("websrvdsample").without_file();
        let mut layers = sources.read();
        Config::settings(&mut layers);
        let keys: Vec<_> = layers.keys().collect();
        assert!(Config::FIXED_KEYS.iter().all(|key| keys.contains(key)), "{keys:?}");
    }
}
