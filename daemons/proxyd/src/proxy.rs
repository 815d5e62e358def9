//! What every request of the HTTP side shares.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use selat_core::cache::key::CacheKey;
use selat_runtime::{
    access::AccessLog,
    control::{Actor, Command as Order, Orders, Unanswered},
    events::Events,
};

use crate::{
    cache::{
        flight::{Flights, Part},
        hit_for_miss::HitsForMiss,
        index::Cursor,
        selection::Selection,
        store::{PurgeMode, Purged, Store},
    },
    control::Command,
    counters::Ledger,
    purge::Purge,
    route::Routes,
};

/// This cache's name in `Cache-Status`, and this hop's in `Via`.
pub(crate) const NAME: &str = "proxyd";

/// This very process in the `Via` of requests: another proxyd on the way is no loop.
pub(crate) fn hop() -> &'static str {
    static HOP: LazyLock<String> = LazyLock::new(|| {
        // A hasher is seeded at random (std::hash::RandomState).
        let number = RandomState::new().build_hasher().finish();
        format!("{NAME} ({number:016x})")
    });
    &HOP
}

/// The HTTP side of the daemon.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) routes: ArcSwap<Routes>,
    pub(crate) store: Store,
    pub(crate) flights: Flights,
    pub(crate) hits_for_miss: HitsForMiss,
    /// What is counted of each route.
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) events: Events,
    /// Where each request is noted.
    pub(crate) access: AccessLog,
    /// Where orders go, once someone carries them out.
    orders: OnceLock<Orders<Command>>,
    serial: AtomicU64,
}

impl Proxy {
    pub(crate) fn new(
        routes: Routes,
        store: Store,
        ledger: Arc<Ledger>,
        events: Events,
        access: AccessLog,
    ) -> Self {
        Self {
            routes: ArcSwap::from_pointee(routes),
            store,
            flights: Flights::default(),
            hits_for_miss: HitsForMiss::new(),
            ledger,
            events,
            access,
            orders: OnceLock::new(),
            serial: AtomicU64::new(0),
        }
    }

    /// Has orders given where the supervisor takes them.
    pub(crate) fn connect(&self, orders: &Orders<Command>) {
        // There is one supervisor.
        let _ = self.orders.set(orders.clone());
    }

    /// Orders a purge and waits for what came of it.
    ///
    /// # Errors
    /// [`Unanswered`] where nobody carries it out.
    pub(crate) async fn order(&self, actor: Actor, purge: Purge) -> Result<Purged, Unanswered> {
        let orders = self.orders.get().ok_or(Unanswered::Busy)?;
        orders.give(actor, |reply| Order::Own(Command::Purge { purge, reply })).await
    }

    /// Joins the fetch for `key`, or begins it.
    pub(crate) fn join(&self, key: &CacheKey) -> Part {
        self.flights.join(key, self.serial.fetch_add(1, Relaxed))
    }

    /// Removes all that is stored for the URL of `key`. Every later request sees it gone.
    pub(crate) fn purge(&self, key: &CacheKey) {
        let purge = Purge { selection: Selection::resource(key), mode: PurgeMode::Remove };
        self.begin_purge(&purge.selection);
        let mut cursor = Cursor::default();
        while purge.step(&self.store, &mut cursor).is_some() {}
    }

    /// Keeps out of the store, and from later requests, what is selected of what is on its way.
    pub(crate) fn begin_purge(&self, selection: &Selection) {
        self.store.end_epoch(selection);
        self.flights.leave_selected(selection);
    }
}
