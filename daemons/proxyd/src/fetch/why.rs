//! Why the origin is asked, and about what.

use std::sync::Arc;

use http::{HeaderValue, Method};
use selat_core::{
    cache::{
        reason::{MissReason, PassReason, RevalidateReason},
        status::{CacheStatus, Forward},
    },
    http::range::RangeSpec,
};

use crate::{
    cache::object::Object,
    forward::Asking,
    reply,
    request::{Ask, Verdict},
};

/// Why the origin is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing fit is stored.
    Miss(MissReason),
    /// What is stored has to be confirmed.
    Revalidate(RevalidateReason),
    /// The cache has no say.
    Pass(PassReason),
}

impl Why {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Miss(reason) => Verdict::Miss(reason),
            Self::Revalidate(reason) => Verdict::Replaced(reason),
            Self::Pass(reason) => Verdict::Passed(reason),
        }
    }

    pub(crate) fn said(self) -> CacheStatus<'static> {
        let forward: Forward = match self {
            Self::Miss(reason) => reason.into(),
            Self::Revalidate(reason) => reason.into(),
            Self::Pass(reason) => reason.into(),
        };
        let hit_for_miss = MissReason::HitForMiss;
        let detail = (self == Self::Miss(hit_for_miss)).then_some(hit_for_miss.as_str());
        CacheStatus { forward: Some(forward), detail, ..reply::silent() }
    }

    /// Whether the request selects something stored.
    pub(crate) fn selects(self) -> bool {
        match self {
            Self::Miss(reason) => reason == MissReason::Partial,
            Self::Revalidate(_) | Self::Pass(_) => true,
        }
    }

    /// What it is where the request waits for nobody.
    pub(super) fn unshared(self) -> Self {
        match self {
            Self::Miss(MissReason::Absent) => Self::Miss(MissReason::HitForMiss),
            _ => self,
        }
    }
}

/// What is stored for a request about which the origin has to be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    /// Nothing that fits.
    Nothing,
    /// A response that has to be confirmed, and that is the way out where the origin fails.
    Unconfirmed(&'a Arc<Object>),
    /// A part that lacks one range, to be asked for with this `If-Range`.
    Part(&'a Arc<Object>, RangeSpec, Option<&'a HeaderValue>),
}

impl<'a> Stored<'a> {
    pub(super) fn asking(self, method: &Method) -> Asking {
        match self {
            Self::Unconfirmed(object) if !object.meta.conditions().is_empty() => {
                Asking::Whether(object.meta.conditions())
            }
            Self::Part(_, range, if_range) => Asking::Missing(range, if_range.cloned()),
            _ if *method == Method::GET => Asking::Unconditionally,
            _ => Asking::AsAsked,
        }
    }

    /// Whether it is no longer stored.
    pub(super) fn is_gone(self, ask: &Ask<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Unconfirmed(object) | Self::Part(object, ..) => {
                !ask.proxy.store.holds(ask.key(), object)
            }
        }
    }

    /// What may be served where the origin fails.
    pub(super) fn fallback(self) -> Option<&'a Arc<Object>> {
        match self {
            Self::Unconfirmed(object) => Some(object),
            Self::Nothing | Self::Part(..) => None,
        }
    }
}
