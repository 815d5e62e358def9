//! websrvd's configuration: every key with its bounds and its default, once.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderValue;
use rustix::fs::{Mode, OFlags};
use selat_proto::{
    socket::Daemon,
    stamp::{Keys, KeysError},
};
use selat_runtime::{
    config::{ConfigErrors, Layers, Shown, Sources, text},
    listen,
    process::ProcessConfig,
    service::{self, ServiceConfig},
};

use crate::echo::Reflection;

/// Where systemd puts the credentials of a unit (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

use crate::measure::{self, MeasureConfig};

/// A configuration that cannot be invalid. The sample in `packaging/websrvd.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) root: PathBuf,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) echo: Vec<SocketAddr>,
    pub(crate) reflector: bool,
    /// The file of keys; a name alone is that of a credential.
    reflector_keys: Option<PathBuf>,
    pub(crate) cache_control: Option<HeaderValue>,
    /// Files that may be waited for at once.
    pub(crate) disk_jobs: usize,
    /// Time for a request to wait for a place among them.
    pub(crate) disk_timeout: Duration,
    pub(crate) measure: MeasureConfig,
    pub(crate) service: ServiceConfig,
    shown: Shown,
}

impl ProcessConfig for Config {
    fn read(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut layers = sources.read();
        let mut config = Self::settings(&mut layers);
        config.check(&mut layers);
        config.shown = layers.shown();
        layers.finish(config)
    }

    fn service(&self) -> &ServiceConfig {
        &self.service
    }
}

impl Config {
    /// Each key with its parser and its default.
    fn settings(layers: &mut Layers<'_>) -> Self {
        Self {
            root: layers.one("root", text::path, "/usr/share/websrvd/www".into()),
            http: layers.many("http", text::address, vec![([127, 0, 0, 1], 8000).into()]),
            echo: layers.many("echo", text::address, vec![([127, 0, 0, 1], 9000).into()]),
            reflector: layers.one("reflector", text::truth, true),
            reflector_keys: layers.one("reflector_keys", path_or_none, None),
            cache_control: layers.one(
                "cache_control",
                field_value,
                Some(HeaderValue::from_static("max-age=60")),
            ),
            disk_jobs: layers.one("limits.disk_jobs", text::number_within(1, 10_000), 64),
            disk_timeout: layers.one("timeouts.disk", service::timeout(), Duration::from_secs(5)),
            measure: MeasureConfig {
                path: layers.one("measure.path", measure::path, None),
                bytes_max: layers.one("measure.bytes", text::bytes_within(1, 1 << 50), 16 << 30),
                duration_max: layers.one(
                    "measure.duration",
                    service::timeout(),
                    Duration::from_secs(60),
                ),
                transfers_max: layers.one("measure.transfers", text::number_within(1, 10_000), 64),
            },
            service: ServiceConfig::settings(layers, Daemon::Websrvd),
            shown: Shown::default(),
        }
    }

    /// What no key can know alone.
    fn check(&self, layers: &mut Layers<'_>) {
        if let Err(problem) = openable(&self.root) {
            layers.refuse("root", problem);
        }
        if let Err(error) = self.reflection() {
            layers.refuse("reflector_keys", error.to_string());
        }
        // A TCP and a UDP port of one number are two ports.
        for (key, addresses) in [("http", &self.http), ("echo", &self.echo)] {
            for address in listen::repeated(addresses) {
                layers.refuse(key, format!("{address} is covered by an address before it"));
            }
        }
        let nothing = self.http.is_empty() && self.echo.is_empty();
        let is_told = |key: &&str| layers.is_refused(key) || layers.is_passed(key);
        if nothing && !["http", "echo"].iter().any(is_told) {
            layers.refuse("http", "nothing would be served: http or echo needs an address");
        }
    }

    /// How probes are answered, with the keys as they are in their file now.
    pub(crate) fn reflection(&self) -> Result<Reflection, KeyFileError> {
        let keys = self.reflector_keys.as_deref().map_or(Ok(Keys::default()), keys)?;
        Ok(Reflection { is_on: self.reflector, keys })
    }

    /// Every key with its value.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }
}

/// Why the keys of the reflector cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct KeyFileError {
    path: PathBuf,
    reason: KeysError,
}

/// The keys of a file; one without a directory is a credential of the unit, if it has any.
fn keys(path: &Path) -> Result<Keys, KeyFileError> {
    let is_name = path.components().count() == 1 && path.is_relative();
    let directory = env::var_os(CREDENTIALS_DIRECTORY).filter(|_| is_name);
    let path = directory.map_or(path.to_owned(), |directory| Path::new(&directory).join(path));
    Keys::read(&path).map_err(|reason| KeyFileError { path, reason })
}

fn path_or_none(text: &str) -> Result<Option<PathBuf>, String> {
    text::text_or_none(text).map(|path| path.map(PathBuf::from))
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
    use selat_proto::socket::status_socket;
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
        assert_eq!(sampled.service.control.path, Path::new("/run/websrvd/control.sock"));
        assert_eq!(sampled.service.status.path, Path::new("/run/websrvd/status.sock"));
        sampled.service.control.path = Daemon::Websrvd.own_control_socket();
        sampled.service.status.path = status_socket(&sampled.service.control.path);
        let defaults = Config::settings(&mut sources.without_file().read());
        assert_eq!(sampled, defaults);
    }
}
