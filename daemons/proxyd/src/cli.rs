//! The command line of proxyd.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use selat_proto::socket::Daemon;
use selat_runtime::config::Sources;

/// Caching HTTP proxy, TCP and UDP relay.
///
/// Every flag is also a key of the configuration file and an environment variable, such as
/// PROXYD_CACHE_MEMORY; flags win over variables, and those over the file.
#[derive(Debug, Parser)]
#[command(name = "proxyd", version)]
pub struct Arguments {
    /// Configuration file, beside which FILE.d, without its ending, has drop-ins [default:
    /// /etc/selat/proxyd.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit: 0 if it is good, 78 if not
    #[arg(long)]
    pub check: bool,
    /// Address to serve HTTP on; may be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Vec<String>,
    /// Origin to fetch from; may be repeated, then each is asked in turn [default: http://127.0.0.1:8000]
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// UDP address to relay to an upstream; may be repeated [default: 127.0.0.1:9090=127.0.0.1:9000]
    #[arg(long, value_name = "ADDR=UPSTREAM")]
    udp: Vec<String>,
    /// TCP address to relay to an upstream; may be repeated
    #[arg(long, value_name = "ADDR=UPSTREAM")]
    tcp: Vec<String>,
    /// Memory for the cache [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    cache_memory: Option<String>,
    /// Control socket [default: $RUNTIME_DIRECTORY/control.sock or /run/proxyd/control.sock]
    #[arg(long, value_name = "PATH")]
    control: Option<String>,
    /// Data-plane threads [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<String>,
}

impl Arguments {
    /// The settings that they name or are.
    #[must_use]
    pub fn sources(self) -> Sources {
        let sources = Sources::of(Daemon::Proxyd.name());
        let sources = match self.config {
            Some(file) => sources.with_file(file),
            None => sources,
        };
        sources
            .with_flag("http", self.http)
            .with_flag("origin", self.origin)
            .with_flag("udp", self.udp)
            .with_flag("tcp", self.tcp)
            .with_flag("cache.memory", self.cache_memory)
            .with_flag("control", self.control)
            .with_flag("threads", self.threads)
    }
}

/// The command line as clap knows it, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}
