//! Counters that no two threads share: each data-plane thread adds to its own, and whoever reads
//! them sums. Reading never makes a request wait.

use std::{
    array,
    cell::Cell,
    collections::HashMap,
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crossbeam_utils::CachePadded;

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(0) };
}

/// Makes the calling thread the data-plane thread number `index`.
pub(crate) fn set_thread(index: usize) {
    THREAD.set(index);
}

/// Number of the calling data-plane thread, from 0; 0 on any other thread too.
#[must_use]
pub fn thread() -> usize {
    THREAD.get()
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Its value now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks, on one thread and another: only its sum over the threads means
/// anything.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Takes one away.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Takes `amount` away.
    pub fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Relaxed);
    }

    /// Its value now, modulo 2^64.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter for each of `N` reasons, by their index.
#[derive(Debug)]
pub struct Tally<const N: usize>([Counter; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self(array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Tally<N> {
    /// Adds one to the reason at `index`; an index past the last counts nowhere.
    pub fn increment(&self, index: usize) {
        if let Some(counter) = self.0.get(index) {
            counter.increment();
        }
    }

    /// Adds `amount` to the reason at `index`; an index past the last counts nowhere.
    pub fn add(&self, index: usize, amount: u64) {
        if let Some(counter) = self.0.get(index) {
            counter.add(amount);
        }
    }

    /// Value of the reason at `index`, 0 past the last.
    #[must_use]
    pub fn value(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Counter::value)
    }
}

/// Counters that have names, by which the next instance of a daemon goes on counting.
pub trait Named {
    /// Shows every counter with its name.
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter));
}

impl<const N: usize> Tally<N> {
    /// Shows the counter of each reason, by `prefix` and the name of the reason, in the order of their index.
    pub fn visit(
        &self,
        prefix: &str,
        names: impl IntoIterator<Item = impl Display>,
        visit: &mut dyn FnMut(&str, &Counter),
    ) {
        for (counter, name) in self.0.iter().zip(names) {
            visit(&format!("{prefix}{name}"), counter);
        }
    }
}

/// What was counted until now, by name: of each name the sum, without those that are 0.
#[must_use]
pub fn counted(visit_all: impl FnOnce(&mut dyn FnMut(&str, &Counter))) -> HashMap<String, u64> {
    let mut counted = HashMap::new();
    visit_all(&mut |name, counter| {
        let value = counter.value();
        match counted.get_mut(name) {
            Some(sum) => *sum += value,
            None if value > 0 => drop(counted.insert(name.to_owned(), value)),
            None => {}
        }
    });
    counted
}

/// Goes on from what was `counted` before: adds each sum to the first counter of its name.
pub fn count_on(
    mut counted: HashMap<String, u64>,
    visit_all: impl FnOnce(&mut dyn FnMut(&str, &Counter)),
) {
    visit_all(&mut |name, counter| {
        if let Some(sum) = counted.remove(name) {
            counter.add(sum);
        }
    });
}

/// One `T` for each data-plane thread, each on cache lines of its own.
#[derive(Debug)]
pub struct PerThread<T>(Box<[CachePadded<T>]>);

impl<T: Default> PerThread<T> {
    /// One for each of `threads`, at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self((0..threads.max(1)).map(|_| CachePadded::default()).collect())
    }
}

impl<T: Named> Named for PerThread<T> {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.0.iter().for_each(|thread| thread.visit(visit));
    }
}

impl<T> PerThread<T> {
    /// The calling thread's own.
    #[must_use]
    pub fn here(&self) -> &T {
        &self.0[thread() % self.0.len()]
    }

    /// The sum over all threads of what `value` picks.
    #[must_use]
    pub fn sum(&self, value: impl Fn(&T) -> u64) -> u64 {
        self.0.iter().map(|shard| value(shard)).fold(0, u64::wrapping_add)
    }
}
