//! The service manager's side of sd_notify(3): a socket that records what a daemon reports, and a store for the
//! descriptors that it sends, which the next instance gets.

use std::{
    collections::BTreeMap,
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use tempfile::TempDir;

use crate::{Descriptor, PATIENCE};

/// Most bytes of one report.
const REPORT_BYTES_MAX: usize = 64 << 10;

/// Most descriptors of one report.
const DESCRIPTORS_MAX: usize = 8;

/// A report that ends the thread which reads them.
const END: &[u8] = b"END";

/// Receives reports and keeps descriptors. It may also demand signs of life.
#[derive(Debug)]
pub struct Manager {
    directory: TempDir,
    heard: Arc<Heard>,
    watchdog: Option<Duration>,
}

#[derive(Debug, Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reports: Vec<String>,
    store: BTreeMap<String, OwnedFd>,
}

impl Default for Manager {
    fn default() -> Self {
        Self::new()
    }
}

impl Manager {
    /// A manager without a watchdog.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        thread::spawn(move || while hearing.hear(&socket) {});
        Self { directory, heard, watchdog: None }
    }

    /// One that expects a sign of life at least every `interval`.
    #[must_use]
    pub fn with_watchdog(interval: Duration) -> Self {
        let mut manager = Self::new();
        manager.watchdog = Some(interval);
        manager
    }

    /// What a daemon's environment says of it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let socket = self.directory.path().join("notify").display().to_string();
        let watchdog = self.watchdog.map(|interval| interval.as_micros().to_string());
        let watchdog = watchdog.map(|interval| ("WATCHDOG_USEC".to_owned(), interval));
        std::iter::once(("NOTIFY_SOCKET".to_owned(), socket)).chain(watchdog).collect()
    }

    /// What it keeps, for the next instance of the daemon.
    pub(crate) fn stored(&self) -> Vec<Descriptor> {
        let state = self.heard.state();
        let copy = |(name, fd): (&String, &OwnedFd)| Descriptor::new(name, fd.try_clone().unwrap());
        state.store.iter().map(copy).collect()
    }

    /// The names that it keeps descriptors under.
    #[must_use]
    pub fn stored_names(&self) -> Vec<String> {
        self.heard.state().store.keys().cloned().collect()
    }

    /// What it keeps under `name`.
    #[must_use]
    pub fn stored_fd(&self, name: &str) -> OwnedFd {
        let state = self.heard.state();
        state.store.get(name).expect("a descriptor of that name").try_clone().unwrap()
    }

    /// Keeps `fd` under `name` as if a daemon had sent it.
    pub fn store(&self, name: &str, fd: impl Into<OwnedFd>) {
        self.heard.state().store.insert(name.to_owned(), fd.into());
    }

    /// Waits until what it keeps is as it should be.
    pub fn wait_for_store(&self, wanted: impl Fn(&[String]) -> bool) {
        self.heard.wait("descriptors", |state| {
            let names: Vec<_> = state.store.keys().cloned().collect();
            wanted(&names).then_some(())
        });
    }

    /// Waits for a report that has this line, and returns the number of reports up to it. Only reports
    /// after the first `seen` are looked at.
    pub fn wait_for(&self, line: &str, seen: usize) -> usize {
        self.heard.wait(line, |State { reports, .. }| {
            let has_line = |report: &String| report.lines().any(|said| said.starts_with(line));
            let new = &reports[seen.min(reports.len())..];
            new.iter().position(has_line).map(|position| seen + position + 1)
        })
    }

    /// How many of the reports that came so far have this line.
    #[must_use]
    pub fn count(&self, line: &str) -> usize {
        let state = self.heard.state();
        state.reports.iter().filter(|report| report.lines().any(|said| said == line)).count()
    }

    /// How many reports came so far.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.heard.state().reports.len()
    }

    /// The report number `index`, from 1.
    #[must_use]
    pub fn report(&self, index: usize) -> String {
        self.heard.state().reports[index - 1].clone()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let end = || UnixDatagram::unbound()?.send_to(END, self.directory.path().join("notify"));
        let _ = end();
    }
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what:?} in time in {state:?}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Takes in one report; false where it is the last.
    fn hear(&self, socket: &UnixDatagram) -> bool {
        let (report, descriptors) = receive(socket);
        if report == END {
            return false;
        }
        let report = String::from_utf8_lossy(&report).into_owned();
        let mut state = self.state();
        let says = |line: &str| report.lines().any(|said| said == line);
        let name = report.lines().find_map(|line| line.strip_prefix("FDNAME="));
        if let Some(name) = name.filter(|_| says("FDSTOREREMOVE=1")) {
            state.store.remove(name);
        }
        if let Some(name) = name.filter(|_| says("FDSTORE=1")) {
            state.store.extend(descriptors.into_iter().map(|fd| (name.to_owned(), fd)));
        }
        // Other descriptors are closed here, which is what a barrier waits for.
        state.reports.push(report);
        self.changed.notify_all();
        true
    }
}

fn receive(socket: &UnixDatagram) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut report = vec![0; REPORT_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut report)];
    let received =
        recvmsg(socket.as_fd(), &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    assert!(!received.flags.contains(ReturnFlags::TRUNC), "a report is too long");
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    report.truncate(received.bytes);
    (report, descriptors)
}
