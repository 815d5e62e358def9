//! The command line of websrvd.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use selat_proto::socket::Daemon;
use selat_runtime::config::Sources;

/// Serves a folder over HTTP and sends UDP datagrams back.
///
/// A flag wins over an environment variable (WEBSRVD_ROOT and so on), which wins over the file.
#[derive(Debug, Parser)]
#[command(name = "websrvd", version)]
pub struct Arguments {
    /// Configuration file, beside which FILE.d, without its ending, has drop-ins [default:
    /// /etc/selat/websrvd.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is good.
    #[arg(long)]
    pub check: bool,
    /// Directory that is served.
    #[arg(long, value_name = "DIR")]
    root: Option<String>,
    /// Address to serve HTTP on, such as 127.0.0.1:8000 or :8000; may be repeated.
    #[arg(long, value_name = "ADDR")]
    http: Vec<String>,
    /// Address to send UDP datagrams back on; may be repeated.
    #[arg(long, value_name = "ADDR")]
    echo: Vec<String>,
    /// Whether STAMP probes (RFC 8762) among these are answered as a reflector: true or false.
    #[arg(long, value_name = "BOOL")]
    reflector: Option<String>,
    /// Path of the control socket.
    #[arg(long, value_name = "PATH")]
    control: Option<String>,
    /// Threads that serve data; 0 is one for each processor.
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
