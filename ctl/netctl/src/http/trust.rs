//! Whom a server behind `https` must prove to be, as the command line says it.

use std::path::PathBuf;

use selat_qos::http::Trust;

/// Which certificates are good.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TrustArgs {
    /// Trust the authorities in this file (PEM), not those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Take any certificate: whoever answers is talked to
    #[arg(short = 'k', long)]
    insecure: bool,
}

impl TrustArgs {
    pub(crate) fn trust(&self) -> Trust {
        match (&self.ca, self.insecure) {
            (_, true) => Trust::Anyone,
            (Some(file), false) => Trust::Authorities(file.clone()),
            (None, false) => Trust::System,
        }
    }
}
