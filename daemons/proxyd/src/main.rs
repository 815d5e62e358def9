//! Starts proxyd: reads the command line, and leaves the rest to the library.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use selat_proto::socket::Daemon;
use selat_runtime::{config::Sources, process};

/// Caching HTTP proxy, TCP and UDP relay.
///
/// Every flag is also a key of the configuration file and an environment variable, such as
/// PROXYD_CACHE_MEMORY; flags win over variables, and those over the file.
#[derive(Parser)]
#[command(name = "proxyd", version)]
struct Arguments {
    /// Configuration file [default: /etc/selat/proxyd.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit: 0 if it is good, 78 if not
    #[arg(long)]
    check: bool,
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

fn main() -> ExitCode {
    let given = Arguments::parse();
    let mut sources = Sources::of("proxyd");
    if let Some(file) = given.config {
        sources = sources.with_file(file);
    }
    let sources = sources
        .with_flag("http", given.http)
        .with_flag("origin", given.origin)
        .with_flag("udp", given.udp)
        .with_flag("tcp", given.tcp)
        .with_flag("cache.memory", given.cache_memory)
        .with_flag("control", given.control)
        .with_flag("threads", given.threads);
    process::run(Daemon::Proxyd, sources, given.check, proxyd::run)
}
