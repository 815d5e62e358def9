//! The command line of websrvd.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use selat_proto::socket::Daemon;
use selat_runtime::config::Sources;

/// Serves a folder over HTTP and sends UDP datagrams back.
///
/// Every flag is also a key of the configuration file and an environment variable, such as
/// WEBSRVD_ROOT; flags win over variables, and those over the file.
#[derive(Debug, Parser)]
#[command(name = "websrvd", version)]
pub struct Arguments {
    /// Configuration file, beside which FILE.d, without its ending, has drop-ins [default:
    /// /etc/selat/websrvd.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit: 0 if it is good, 78 if not
    #[arg(long)]
    pub check: bool,
    /// Directory that is served [default: /usr/share/websrvd/www]
    #[arg(long, value_name = "DIR")]
    root: Option<String>,
    /// Address to serve HTTP on; may be repeated [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    http: Vec<String>,
    /// Address to send UDP datagrams back on; may be repeated [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR")]
    echo: Vec<String>,
    /// Whether STAMP probes (RFC 8762) among these are answered as a reflector: true or false
    /// [default: true]
    #[arg(long, value_name = "BOOL")]
    reflector: Option<String>,
    /// Control socket [default: $RUNTIME_DIRECTORY/control.sock or /run/websrvd/control.sock]
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
        let sources = Sources::of(Daemon::Websrvd.name());
        let sources = match self.config {
            Some(file) => sources.with_file(file),
            None => sources,
        };
        sources
            .with_flag("root", self.root)
            .with_flag("http", self.http)
            .with_flag("echo", self.echo)
            .with_flag("reflector", self.reflector)
            .with_flag("control", self.control)
            .with_flag("threads", self.threads)
    }
}

/// The command line as clap knows it, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}
