//! One fetch for all concurrent misses of a key.
//!
//! The first request to [`Flights::join`] leads: it asks the origin and lands what it learns. The others
//! wait for that, woken, not polling. A leader that is dropped before it lands hands over: those who wait
//! join anew, and one of them leads.
//!
//! Interim responses (RFC 9110 §15.2) are for the leader's client alone: they are about the request that was
//! forwarded, and come before anyone knows whether the response may be shared. What they hint at may be as private
//! as a response that turns out to be, and where it is shared, those who wait have it as soon as the leader.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use dashmap::{DashMap, Entry};
use foldhash::fast::RandomState;
use selat_core::cache::key::CacheKey;
use tokio::sync::watch;

use super::{
    filling::Filling,
    object::Object,
    selection::{Selection, Which},
};

/// What came of a fetch.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// A response that is being stored; its content is arriving.
    Filling(Arc<Filling>),
    /// A stored response, which the origin has just confirmed.
    Confirmed(Arc<Object>),
    /// Nothing that others could use: each has to ask for itself.
    NotShared,
    /// The origin failed: asking again at once would only add to its trouble.
    Failed(crate::origin::OriginError),
}

/// A fetch under way.
type Flight = watch::Receiver<Option<Landing>>;

/// The fetches under way, by key.
type UnderWay = DashMap<CacheKey, (u64, Flight), RandomState>;

/// The fetches under way, shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Arc<UnderWay>,
    /// Whether any key had parts: else a URL has one key.
    has_parts: AtomicBool,
}

/// Part in a fetch.
#[derive(Debug)]
pub(crate) enum Part {
    /// Ask the origin, and land.
    Leader(Permit),
    /// Wait for the leader.
    Follower(Follower),
}

impl Flights {
    /// Joins the fetch for `key`, or begins it.
    pub(crate) fn join(&self, key: &CacheKey, serial: u64) -> Part {
        if key.parts().next().is_some() {
            self.has_parts.store(true, Relaxed);
        }
        match self.under_way.entry(key.clone()) {
            Entry::Occupied(flight) => Part::Follower(Follower(flight.get().1.clone())),
            Entry::Vacant(place) => {
                let (landing, flight) = watch::channel(None);
                place.insert((serial, flight));
                let flights = Arc::clone(&self.under_way);
                Part::Leader(Permit { flights, key: key.clone(), serial, landing })
            }
        }
    }

    /// Whether a fetch for `key` is under way.
    pub(crate) fn is_fetching(&self, key: &CacheKey) -> bool {
        self.under_way.contains_key(key)
    }

    /// Lets no further request join a fetch whose response may be selected: it is no longer wanted.
    pub(crate) fn leave_selected(&self, selection: &Selection) {
        match &selection.which {
            Which::Resource(base) if !self.has_parts.load(Relaxed) => {
                self.under_way.remove(base);
            }
            _ => self.under_way.retain(|key, _| !selection.may_match(key)),
        }
    }
}

/// The right and duty to ask the origin for a key. Dropped before it lands, it hands over; while it
/// lives after that, others still join what landed.
#[derive(Debug)]
pub(crate) struct Permit {
    flights: Arc<UnderWay>,
    key: CacheKey,
    serial: u64,
    landing: watch::Sender<Option<Landing>>,
}

impl Permit {
    /// Tells everyone who waits, and who joins from now on, what came of the fetch.
    pub(crate) fn land(&self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.flights.remove_if(&self.key, |_, (serial, _)| *serial == self.serial);
    }
}

/// A request that waits for another's fetch.
#[derive(Debug)]
pub(crate) struct Follower(Flight);

impl Follower {
    /// What came of the fetch; `None` where its leader is gone and another has to lead.
    pub(crate) async fn landing(mut self) -> Option<Landing> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        Landing::clone(landed.as_ref()?).into()
    }
}

/// Lands what came of a fetch, where anyone may wait for it.
pub(crate) fn land(permit: Option<&Permit>, landing: impl FnOnce() -> Landing) {
    if let Some(permit) = permit {
        permit.land(landing());
    }
}
