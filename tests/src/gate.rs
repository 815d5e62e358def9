//! A place where a script waits until the test lets it go on.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Instant,
};

use crate::PATIENCE;

/// A gate, shut at first. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.0.state.lock().unwrap().open = true;
        self.0.changed.notify_all();
    }

    /// Waits until `count` have come to the gate in all.
    pub fn wait_for_arrivals(&self, count: usize) {
        self.wait_until("arrivals at a gate", |state| state.arrived >= count);
    }

    /// Comes to the gate and waits until it is open.
    pub(crate) fn pass(&self) {
        self.0.state.lock().unwrap().arrived += 1;
        self.0.changed.notify_all();
        self.wait_until("the opening of a gate", |state| state.open);
    }

    fn wait_until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.0.state.lock().unwrap();
        while !condition(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited too long for {what}");
            state = self.0.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}
