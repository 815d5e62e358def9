//! What a UDP run sends, and whose answers it takes, as the command line has it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use selat_proto::stamp::Keys;
use selat_qos::session::{self, UdpSpec};

/// The packets of a UDP run.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Packets {
    /// UDP payload of a probe, bytes; 172 is 20 ms of G.711 in RTP
    #[arg(long, value_name = "BYTES", default_value = "172")]
    pub(super) size: usize,
    /// What to send, and whose answers to take
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    mode: Mode,
    /// Authenticate probes and answers (STAMP, HMAC-SHA-256) with the keys of this file: a key in
    /// hex is of every session, `7 = KEY` of session 7
    #[arg(long, value_name = "FILE")]
    auth_key_file: Option<PathBuf>,
    /// What fills probes up to their size
    #[arg(long, value_enum, value_name = "WITH", default_value_t)]
    padding: Padding,
}

/// What fills probes up to their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Padding {
    /// Pseudorandom numbers, which no link can compress
    #[default]
    Random,
    /// Zeros
    Zeros,
}

/// What to send, and whose answers to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// STAMP; whoever answers
    #[default]
    Auto,
    /// STAMP (RFC 8762); a reflector only
    Stamp,
    /// TWAMP-Test without session ids (RFC 5357); a reflector only
    TwampLight,
    /// What no reflector takes for a probe; an echo server only
    Echo,
}

impl Packets {
    /// `spec` with these packets.
    ///
    /// # Errors
    /// The keys cannot be read, or the mode or the size has no authentication.
    pub(super) fn apply(&self, spec: UdpSpec) -> anyhow::Result<UdpSpec> {
        let spec = spec.with_mode(match self.mode {
            Mode::Auto => session::Mode::Auto,
            Mode::Stamp => session::Mode::Stamp,
            Mode::TwampLight => session::Mode::TwampLight,
            Mode::Echo => session::Mode::Echo,
        });
        let spec = spec.with_padding(match self.padding {
            Padding::Random => session::Padding::Random,
            Padding::Zeros => session::Padding::Zeros,
        });
        let Some(path) = &self.auth_key_file else { return Ok(spec) };
        ensure!(
            matches!(self.mode, Mode::Auto | Mode::Stamp),
            "only STAMP is authenticated: leave out --mode or --auth-key-file"
        );
        let keys = Keys::read(path).with_context(|| format!("no keys from {}", path.display()))?;
        Ok(spec.with_keys(Arc::new(keys))?)
    }
}
