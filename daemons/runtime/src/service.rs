//! The keys that both daemons' configurations have: of the process, and of serving HTTP.

use std::{thread, time::Duration};

use selat_proto::socket::{Daemon, status_socket};

use crate::{
    access::AccessConfig,
    config::{Change, Layers, text},
    control::RemoteConfig,
    life::Identity,
    listen::UnixAddress,
    log,
    serve::HttpLimits,
    workers::THREADS_MAX,
};

/// Most time that any timeout may be.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that are read once, when the daemon starts.
const FIXED_KEYS: [&str; 7] = [
    "control",
    "control_group",
    "status",
    "status_group",
    "threads",
    "limits.connections",
    "remote.connections",
];

/// What every daemon is configured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The socket for everything.
    pub control: UnixAddress,
    /// The socket for looking.
    pub status: UnixAddress,
    /// Control from elsewhere.
    pub remote: RemoteConfig,
    /// The log filter.
    pub log: String,
    /// Where a line for each request goes.
    pub access: AccessConfig,
    /// HTTP connections open at once.
    pub connections_max: usize,
    /// Limits of one HTTP connection.
    pub http: HttpLimits,
    /// Time for idle connections to be used once more while the daemon stops.
    pub linger: Duration,
    /// Time for what is in flight to end, after that.
    pub drain: Duration,
    threads: usize,
}

/// A reload changes what only a start can put in force.
#[derive(Debug, thiserror::Error)]
#[error("this takes a restart: {0}")]
pub struct TakesRestart(String);

impl ServiceConfig {
    /// Each key with its parser and its default.
    #[must_use]
    pub fn settings(layers: &mut Layers<'_>, program: Daemon) -> Self {
        let control = layers.one("control", text::path, program.own_control_socket());
        let status = layers.one("status", text::path, status_socket(&control));
        let any = text::duration_within(Duration::ZERO, TIMEOUT_MAX);
        Self {
            control: UnixAddress {
                path: control,
                group: layers.one("control_group", text::text_or_none, None),
            },
            status: UnixAddress {
                path: status,
                group: layers.one("status_group", text::text_or_none, None),
            },
            remote: RemoteConfig::settings(layers),
            log: layers.one("log", log::directives, log::DEFAULT_FILTER.to_owned()),
            access: AccessConfig::settings(layers),
            connections_max: layers.one(
                "limits.connections",
                text::number_within(1, 1_000_000),
                10_000,
            ),
            http: http_limits(layers),
            linger: layers.one("timeouts.linger", &any, Duration::from_secs(1)),
            drain: layers.one("timeouts.drain", &any, Duration::from_secs(30)),
            threads: layers.one("threads", text::number_within(0, THREADS_MAX), 0),
        }
    }

    /// What a daemon with this configuration is.
    #[must_use]
    pub fn identity(&self, program: Daemon, version: &'static str) -> Identity {
        Identity {
            program,
            version,
            threads: self.threads(),
            control: self.control.clone(),
            status: self.status.clone(),
            remote: self.remote.clone(),
        }
    }

    /// Data-plane threads, at least one.
    fn threads(&self) -> usize {
        match self.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// A timeout, which is never nothing.
pub fn timeout() -> impl Fn(&str) -> Result<Duration, String> {
    text::duration_within(Duration::from_millis(1), TIMEOUT_MAX)
}

/// Whether a reload can put these changes in force.
///
/// # Errors
/// With all of those that it cannot.
pub fn can_reload(changes: &[Change]) -> Result<(), TakesRestart> {
    let fixed: Vec<_> = changes
        .iter()
        .filter(|change| FIXED_KEYS.contains(&change.key.as_str()))
        .map(ToString::to_string)
        .collect();
    if fixed.is_empty() { Ok(()) } else { Err(TakesRestart(fixed.join("; "))) }
}

fn http_limits(layers: &mut Layers<'_>) -> HttpLimits {
    let defaults = HttpLimits::default();
    let count = text::number_within(1, 10_000);
    let header_bytes = layers.one(
        "limits.header_bytes",
        // hyper takes no buffer under 8 KiB.
        text::bytes_within(8 << 10, 1 << 20),
        defaults.header_bytes_max as u64,
    );
    HttpLimits {
        header_bytes_max: usize::try_from(header_bytes).unwrap_or(usize::MAX),
        headers_max: layers.one("limits.headers", count, defaults.headers_max),
        streams_max: layers.one(
            "limits.streams",
            text::number_within(1, 10_000),
            defaults.streams_max,
        ),
        header_timeout: layers.one("timeouts.header", timeout(), defaults.header_timeout),
        write_timeout: layers.one("timeouts.write", timeout(), defaults.write_timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn the_keys_that_take_a_restart_are_keys() {
        let sources = Sources::of("selattest").without_file();
        let mut layers = sources.read();
        let _ = ServiceConfig::settings(&mut layers, Daemon::Proxyd);
        let keys: Vec<_> = layers.keys().collect();
        assert!(FIXED_KEYS.iter().all(|key| keys.contains(key)), "{keys:?}");
    }
}
