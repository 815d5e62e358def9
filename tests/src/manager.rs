//! The service manager's side of sd_notify(3): a socket that records what a daemon reports.

use std::{
    os::unix::net::UnixDatagram,
    sync::Mutex,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::PATIENCE;

/// Most bytes of one report.
const REPORT_BYTES_MAX: usize = 64 << 10;

/// Receives reports. It may also demand signs of life.
#[derive(Debug)]
pub struct Manager {
    directory: TempDir,
    socket: UnixDatagram,
    reports: Mutex<Vec<String>>,
    watchdog: Option<Duration>,
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
        Self { directory, socket, reports: Mutex::default(), watchdog: None }
    }

    /// One that expects a sign of life at least every `interval`.
    #[must_use]
    pub fn with_watchdog(interval: Duration) -> Self {
        Self { watchdog: Some(interval), ..Self::new() }
    }

    /// What a daemon's environment says of it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let socket = self.directory.path().join("notify").display().to_string();
        let watchdog = self.watchdog.map(|interval| interval.as_micros().to_string());
        let watchdog = watchdog.map(|interval| ("WATCHDOG_USEC".to_owned(), interval));
        std::iter::once(("NOTIFY_SOCKET".to_owned(), socket)).chain(watchdog).collect()
    }

    /// Waits for a report that has this line, and returns the number of reports up to it. Only reports
    /// after the first `seen` are looked at.
    pub fn wait_for(&self, line: &str, seen: usize) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut reports = self.reports.lock().unwrap();
        loop {
            let found = reports[seen.min(reports.len())..]
                .iter()
                .position(|report| report.lines().any(|said| said.starts_with(line)));
            if let Some(position) = found {
                return seen + position + 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {line:?} in time in {reports:?}");
            self.socket.set_read_timeout(Some(left)).unwrap();
            let mut report = vec![0; REPORT_BYTES_MAX];
            let len = self.socket.recv(&mut report).expect("a report comes in time");
            reports.push(String::from_utf8_lossy(&report[..len]).into_owned());
        }
    }

    /// How many of the reports that came so far have this line.
    #[must_use]
    pub fn count(&self, line: &str) -> usize {
        let _ = self.seen();
        let reports = self.reports.lock().unwrap();
        reports.iter().filter(|report| report.lines().any(|said| said == line)).count()
    }

    /// How many reports came so far.
    #[must_use]
    pub fn seen(&self) -> usize {
        let mut reports = self.reports.lock().unwrap();
        self.socket.set_nonblocking(true).unwrap();
        let mut report = vec![0; REPORT_BYTES_MAX];
        while let Ok(len) = self.socket.recv(&mut report) {
            reports.push(String::from_utf8_lossy(&report[..len]).into_owned());
        }
        self.socket.set_nonblocking(false).unwrap();
        reports.len()
    }

    /// The report number `index`, from 1.
    #[must_use]
    pub fn report(&self, index: usize) -> String {
        self.reports.lock().unwrap()[index - 1].clone()
    }
}
