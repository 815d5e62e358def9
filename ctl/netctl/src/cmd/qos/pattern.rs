//! How probes follow each other, as the command line has it.

use std::time::Duration;

use clap::ValueEnum;
use selat_qos::grade::emodel::Codec;
use selat_qos::schedule::Schedule;
use selat_qos::session::{Pace, StampSource};

use crate::duration;
use crate::exit::Misuse;

/// How probes are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Pattern {
    /// At even intervals
    #[default]
    Even,
    /// At random, as many a second on average (RFC 2330)
    Poisson,
    /// All at once
    Burst,
}

/// The spread of the probes of one client.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Spread {
    /// How probes follow each other
    #[arg(long, value_enum, value_name = "PATTERN", default_value_t)]
    pattern: Pattern,
    /// Draw the same random times again, with --pattern poisson
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
}

impl Spread {
    /// Whether it is another than the usual one.
    pub(super) fn is_given(self) -> bool {
        self.pattern != Pattern::default()
    }

    /// Whether all are due at once.
    pub(super) fn is_burst(self) -> bool {
        self.pattern == Pattern::Burst
    }

    /// `count` probes, as many a second as was `given` or else is `usual`, where the pattern has a rate.
    ///
    /// # Errors
    /// A rate that the pattern has not, or that no schedule can have.
    pub(super) fn schedule(
        self,
        count: u32,
        given: Option<f64>,
        usual: f64,
    ) -> anyhow::Result<Schedule> {
        let per_s = given.unwrap_or(usual);
        Ok(match self.pattern {
            Pattern::Even => Schedule::isochronous(count, per_s)?,
            Pattern::Poisson => Schedule::poisson(count, per_s, self.seed)?,
            Pattern::Burst if given.is_some() => {
                return Err(Misuse("--pattern burst waits for nothing: leave out --rate").into());
            }
            Pattern::Burst => Schedule::burst(count)?,
        })
    }
}

/// A call to imitate: the packets that a codec makes, in RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Call {
    /// 64 kbit/s, 172 B every 20 ms
    G711,
    /// 8 kbit/s, 32 B every 20 ms, sent as the 44 B that a probe takes
    G729,
    /// 24 kbit/s, 72 B every 20 ms; scored as G.711, since ITU-T G.113 does not know it
    Opus,
}

impl Call {
    /// Packets a second: one every 20 ms.
    pub(super) const RATE_PER_S: f64 = 50.0;

    /// UDP payload of a packet, bytes: 12 of RTP header (RFC 3550 §5.1) and 20 ms of speech.
    pub(super) fn size(self) -> usize {
        match self {
            Self::G711 => 172,
            Self::G729 => selat_qos::session::SIZE_MIN,
            Self::Opus => 72,
        }
    }

    /// The codec that the voice score presumes.
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::G711 | Self::Opus => Codec::G711Plc,
            Self::G729 => Codec::G729a,
        }
    }
}

/// How a sender waits for the time when a probe is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Pacing {
    /// Sleep: within some 50 µs, with little CPU time
    #[default]
    Eco,
    /// Sleep, and spin the last 60 µs: within a microsecond
    Precise,
    /// Do not wait: as fast as the kernel takes them, many with one call
    Flood,
}

/// How well times are kept and taken.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Timing {
    /// How deadlines are kept
    #[arg(long, value_enum, value_name = "PACE", default_value_t)]
    pace: Pacing,
    /// Take receive times in this process, not in the kernel, to see what that makes of them
    #[arg(long)]
    user_stamps: bool,
}

impl Timing {
    /// How deadlines are kept.
    pub(super) fn pace(self) -> Pace {
        match self.pace {
            Pacing::Eco => Pace::Eco,
            Pacing::Precise => Pace::Precise,
            Pacing::Flood => Pace::Flood,
        }
    }

    /// Who takes the receive times.
    pub(super) fn stamps(self) -> StampSource {
        if self.user_stamps { StampSource::User } else { StampSource::Kernel }
    }
}

/// A time over which clients begin; may be none.
pub(super) fn ramp_up(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { duration::parse(text) }
}
