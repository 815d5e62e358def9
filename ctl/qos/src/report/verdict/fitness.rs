//! What a path is good for, by the bounds that ITU-T G.1010 (Annex A, tables A.1 and A.2) sets for
//! conversation and for pages, and the delay variation that ITU-T Y.1541 (class 0) gives a call.

use std::time::Duration;

use crate::analysis::{Analysis, ms};
use crate::report::{Measurement, Test};

/// One-way delay that a conversation does not feel, and the longest that it bears (G.1010).
const ONE_WAY_GOOD: Duration = Duration::from_millis(150);
const ONE_WAY_MAX: Duration = Duration::from_millis(400);
/// Losses that video and voice conceal, % (G.1010).
const VIDEO_LOSS_PCT: f64 = 1.0;
const VOICE_LOSS_PCT: f64 = 3.0;
/// Delay variation that a usual jitter buffer evens out (Y.1541, IPDV of class 0).
const VARIATION_GOOD: Duration = Duration::from_millis(50);
/// Most answers, %: latency and its variation are judged by what so many keep.
const MOST_PERCENT: f64 = 95.0;
/// What is felt as immediate (Miller 1968).
const IMMEDIATE: Duration = Duration::from_millis(100);
/// What a reader of pages prefers, and what they accept (G.1010).
const PAGE_GOOD: Duration = Duration::from_secs(2);
const PAGE_MAX: Duration = Duration::from_secs(4);

/// What a path is good for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fitness {
    /// Video calls, and all that asks for less.
    Video,
    /// Voice calls; video suffers from the losses.
    Voice,
    /// Calls whose delay is felt.
    Delayed(Duration),
    /// Calls with a buffer that is larger than usual.
    Varying(Duration),
    /// No calls: too many losses.
    TooLossy,
    /// No calls: too long a way.
    TooSlow(Duration),
    /// Requests whose answers are felt as immediate.
    Immediate,
    /// Pages as readers like them.
    Pages,
    /// Pages for the patient.
    SlowPages,
    /// Nothing that somebody waits for.
    NoPages,
    /// Requests that fail too often.
    Unreliable,
}

/// What the `total` of `measurement` says; `None` where nothing came back, and of a flood, which fills
/// queues that no call would.
pub(super) fn of(measurement: &Measurement, total: &Analysis) -> Option<Fitness> {
    let most = total.latency.percentile(MOST_PERCENT)?;
    let lost_pct = total.loss_pct?;
    Some(match measurement.test {
        _ if measurement.is_flood() => return None,
        Test::Udp => {
            let variation = total.latency.delay_variation(MOST_PERCENT)?;
            conversation(most / 2, variation, lost_pct)
        }
        Test::Http => pages(most, lost_pct),
        // What a path feels like while it is full is told beside how much it carries.
        _ => return None,
    })
}

fn conversation(one_way: Duration, variation: Duration, lost_pct: f64) -> Fitness {
    if lost_pct >= VOICE_LOSS_PCT {
        Fitness::TooLossy
    } else if one_way >= ONE_WAY_MAX {
        Fitness::TooSlow(one_way)
    } else if one_way >= ONE_WAY_GOOD {
        Fitness::Delayed(one_way)
    } else if variation >= VARIATION_GOOD {
        Fitness::Varying(variation)
    } else if lost_pct >= VIDEO_LOSS_PCT {
        Fitness::Voice
    } else {
        Fitness::Video
    }
}

fn pages(most: Duration, failed_pct: f64) -> Fitness {
    if failed_pct >= VIDEO_LOSS_PCT {
        Fitness::Unreliable
    } else if most <= IMMEDIATE {
        Fitness::Immediate
    } else if most <= PAGE_GOOD {
        Fitness::Pages
    } else if most <= PAGE_MAX {
        Fitness::SlowPages
    } else {
        Fitness::NoPages
    }
}

impl Fitness {
    /// Whether it is no path for calls.
    pub(super) fn forbids_calls(self) -> bool {
        matches!(self, Self::TooLossy | Self::TooSlow(_))
    }

    /// The beginning of a sentence; a guess where too little was sent to be sure.
    pub(super) fn sentence(self, is_guess: bool) -> String {
        let looks = if is_guess { "Looks good enough" } else { "Good enough" };
        match self {
            Self::Video => format!("{looks} for video calls"),
            Self::Voice => format!("{looks} for voice calls, but video would break up"),
            Self::Delayed(one_way) => {
                format!("Calls work, with a delay that is felt: {:.0} ms one way", ms(one_way))
            }
            Self::Varying(variation) => format!(
                "Calls work with a large buffer only: delays vary by {:.0} ms",
                ms(variation)
            ),
            Self::TooLossy => format!(
                "Not good enough for calls: ITU-T G.1010 has them lose less than {VOICE_LOSS_PCT} %"
            ),
            Self::TooSlow(one_way) => {
                format!("Not good enough for calls: {:.0} ms one way", ms(one_way))
            }
            Self::Immediate => "Answers feel immediate".to_owned(),
            Self::Pages => "Fast enough for web pages".to_owned(),
            Self::SlowPages => "Slow for web pages, but bearable".to_owned(),
            Self::NoPages => "Too slow for web pages".to_owned(),
            Self::Unreliable => "Not reliable".to_owned(),
        }
    }
}
