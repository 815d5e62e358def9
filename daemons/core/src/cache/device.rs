//! The class of the device that a client is on, for keys of sites that answer phones and desktops
//! differently. Four classes, so that a response is fetched four times at most.
//!
//! 1. A robot says so in its `User-Agent`, whatever device it plays.
//! 2. `Sec-CH-UA-Mobile` (User-Agent Client Hints §3.3) tells phones from others. Tablets say `?0`.
//! 3. The rest is in the `User-Agent`, by words that browsers have kept for years.

use ::http::{HeaderMap, HeaderName, header};

/// The request field that tells an origin the class.
pub const DEVICE: HeaderName = HeaderName::from_static("x-ua-device");

const SEC_CH_UA_MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");

/// Octets of a `User-Agent` that are looked at.
const USER_AGENT_BYTES_MAX: usize = 512;

/// Words of robots; in lower case, as the others.
const BOT: [&str; 7] =
    ["bot", "crawl", "spider", "slurp", "facebookexternalhit", "mediapartners-google", "headless"];

/// Words of tablets.
const TABLET: [&str; 5] = ["ipad", "tablet", "kindle", "playbook", "silk/"];

/// Words of phones.
const MOBILE: [&str; 7] =
    ["mobi", "iphone", "ipod", "opera mini", "windows phone", "blackberry", "symbian"];

/// A class of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A desktop or laptop computer, and whatever does not say.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A robot.
    Bot,
}

impl DeviceClass {
    /// The class of the device that a request comes from.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
        let agent = &agent[..agent.len().min(USER_AGENT_BYTES_MAX)];
        let says = |words: &[&str]| words.iter().any(|word| contains(agent, word.as_bytes()));
        let hint = headers.get(SEC_CH_UA_MOBILE).map(|hint| hint.as_bytes());
        if says(&BOT) {
            Self::Bot
        } else if hint == Some(b"?1") {
            Self::Mobile
        } else if says(&TABLET) || says(&["android"]) && !says(&["mobi"]) {
            Self::Tablet
        } else if hint.is_none() && says(&MOBILE) {
            Self::Mobile
        } else {
            Self::Desktop
        }
    }

    /// Its name, in keys and in [`DEVICE`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Bot => "bot",
        }
    }
}

/// Whether `text` holds `word`, which is in lower case.
fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}
