//! Hit-for-miss: while a response is remembered that could not be stored, requests for the same key do not wait for
//! each other, since none of them could use what another fetches. Each response is judged anew, and one that is stored
//! ends it.

use std::time::SystemTime;

use ::http::StatusCode;

use super::options::PolicyOptions;
use super::reason::StoreRefusal;

/// What is remembered of a response that could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitForMiss {
    refusal: StoreRefusal,
    until: SystemTime,
    had_selected: bool,
}

impl HitForMiss {
    /// Of a response received `now`, if it tells of those to come. `had_selected` is whether its request had selected
    /// something stored, which it had to ask about.
    #[must_use]
    pub fn of(
        refusal: StoreRefusal,
        status: StatusCode,
        had_selected: bool,
        now: SystemTime,
        options: &PolicyOptions,
    ) -> Option<Self> {
        // What went wrong is about one request, or passes.
        let is_error = status.is_client_error() || status.is_server_error();
        let is_off = options.hit_for_miss.is_zero();
        if is_error || is_off || !refusal.is_of_resource() {
            return None;
        }
        let until = now.checked_add(options.hit_for_miss)?;
        Some(Self { refusal, until, had_selected })
    }

    /// Whether a request need not wait for another's fetch. One that selects something stored does so as long as
    /// only others were answered with what could not be: visitors that are logged in are no reason to ask for
    /// everyone's page more than once.
    #[must_use]
    pub fn applies(&self, selects: bool, now: SystemTime) -> bool {
        now < self.until && (self.had_selected || !selects)
    }

    /// Why the response could not be stored.
    #[must_use]
    pub const fn refusal(&self) -> StoreRefusal {
        self.refusal
    }

    /// When it is forgotten.
    #[must_use]
    pub const fn until(&self) -> SystemTime {
        self.until
    }
}

impl StoreRefusal {
    /// Whether it says something of the resource, and so of its next response: not of one request, nor of a moment.
    #[must_use]
    pub const fn is_of_resource(self) -> bool {
        match self {
            Self::NoStore
            | Self::Private
            | Self::NotUnderstood
            | Self::NotCacheable
            | Self::Unusable
            | Self::VaryAny
            | Self::SetCookie
            | Self::TooLarge => true,
            Self::Method
            | Self::Head
            | Self::RequestNoStore
            | Self::RequestContent
            | Self::Authorization
            | Self::StatusForbids
            | Self::RequestSpecific
            | Self::NotModified
            | Self::NotFinal
            | Self::Range
            | Self::Incomplete
            | Self::NoRoom
            | Self::Superseded
            | Self::Configured
            | Self::KeyTooLong => false,
        }
    }
}
