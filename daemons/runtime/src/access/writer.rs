//! Writes lines to a file, on a thread of its own, in batches.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;
use tracing::{info, warn};

use crate::counters::Counter;

/// Bytes of lines that may wait to be written.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Time between two batches.
const GATHERING: Duration = Duration::from_millis(50);

/// Time for what is left to be written at the end.
const ENDING: Duration = Duration::from_secs(1);

/// Who may read a file that is made: its user and group. What is there keeps its mode.
const FILE_MODE: u32 = 0o640;

/// What came of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines in the file.
    pub lines: u64,
    /// Lines that were dropped: the disk was too slow, full, or failed.
    pub dropped: u64,
}

/// A file open for appending, and which it is.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Its device and inode.
    identity: (u64, u64),
    /// Whether a write failed, and may have left a part of a line.
    is_torn: bool,
}

impl LogFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // A FIFO that nobody reads is an error, and nothing to wait for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file =
            options.append(true).create(true).mode(FILE_MODE).custom_flags(flags).open(&path)?;
        let status = file.metadata()?;
        Ok(Self { path, file, identity: (status.dev(), status.ino()), is_torn: false })
    }

    /// Whether its path leads elsewhere by now, as after a rotation.
    fn was_moved(&self) -> bool {
        let there = fs::metadata(&self.path).map(|status| (status.dev(), status.ino()));
        !there.is_ok_and(|identity| identity == self.identity)
    }

    /// Appends whole lines, to the file that is at the path now.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.was_moved() {
            *self = Self::open(self.path.clone())?;
        }
        if self.is_torn {
            self.file.write_all(b"\n")?;
        }
        let written = self.file.write_all(lines);
        self.is_torn = written.is_err();
        written
    }
}

/// Lines that gathered.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<u8>,
    count: u64,
}

/// A change of the file, in the midst of lines.
#[derive(Debug)]
struct Switch {
    /// Lines for the file before.
    before: Batch,
    /// The file for those after them; none where they go elsewhere.
    file: Option<LogFile>,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    switch: Option<Switch>,
    has_thread: bool,
    is_ending: bool,
    has_ended: bool,
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.batch.count == 0 && self.switch.is_none() && !self.is_ending
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write, or an end to come or come about.
    changed: Condvar,
    lines: Counter,
    dropped: Counter,
}

/// The way to the thread that writes, which begins with the first file. All threads take one lock: a line costs some
/// 35 ns there, and not measurably less where each has its own, since a request's own work lies between two lines.
#[derive(Debug, Default)]
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// Leaves a line to be written, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.is_ending || waiting.batch.lines.len() + line.len() > WAITING_BYTES_MAX {
            self.0.dropped.increment();
            return;
        }
        waiting.batch.lines.extend_from_slice(line);
        waiting.batch.count += 1;
        if waiting.batch.count == 1 {
            self.0.changed.notify_all();
        }
    }

    /// Writes to `file` from now on.
    pub(super) fn switch(&self, file: Option<LogFile>) {
        let mut waiting = self.0.lock();
        if waiting.has_thread {
            match &mut waiting.switch {
                // Of two changes at once, the later one counts.
                Some(switch) => switch.file = file,
                None => {
                    let before = mem::take(&mut waiting.batch);
                    waiting.switch = Some(Switch { before, file });
                }
            }
            self.0.changed.notify_all();
        } else if let Some(file) = file {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("access-log".to_owned());
            match thread.spawn(move || shared.write(file)) {
                Ok(_) => waiting.has_thread = true,
                Err(error) => warn!(%error, "no thread for the access log: it stays empty"),
            }
        }
    }

    pub(super) fn written(&self) -> Written {
        Written { lines: self.0.lines.value(), dropped: self.0.dropped.value() }
    }

    pub(super) fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("access.lines", &self.0.lines);
        visit("access.dropped", &self.0.dropped);
    }

    pub(super) fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.is_ending = true;
        self.0.changed.notify_all();
        let is_writing = |waiting: &mut Waiting| waiting.has_thread && !waiting.has_ended;
        let ended = self.0.changed.wait_timeout_while(waiting, ENDING, is_writing);
        if ended.is_ok_and(|(_, waited)| waited.timed_out()) {
            warn!("the disk takes no more of the access log: its last lines are dropped");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the thread.
    fn write(&self, file: LogFile) {
        let (mut file, mut batch, mut trouble) = (Some(file), Batch::default(), Trouble::default());
        loop {
            let mut waiting = self.wait();
            batch.lines.clear();
            batch.count = 0;
            mem::swap(&mut batch, &mut waiting.batch);
            let (switch, is_ending) = (waiting.switch.take(), waiting.is_ending);
            drop(waiting);

            if let Some(switch) = switch {
                self.append(file.as_mut(), &switch.before, &mut trouble);
                file = switch.file;
            }
            self.append(file.as_mut(), &batch, &mut trouble);
            if is_ending {
                self.lock().has_ended = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    fn append(&self, file: Option<&mut LogFile>, batch: &Batch, trouble: &mut Trouble) {
        let Some(file) = file.filter(|_| batch.count > 0) else { return };
        match file.append(&batch.lines) {
            Ok(()) => {
                self.lines.add(batch.count);
                trouble.is_over(&self.dropped);
            }
            Err(error) => {
                self.dropped.add(batch.count);
                trouble.goes_on(&error);
            }
        }
    }

    /// Waits until there is something to do, and a while longer for more of it.
    fn wait(&self) -> MutexGuard<'_, Waiting> {
        let waiting = self.changed.wait_while(self.lock(), |waiting| waiting.is_idle());
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gathered =
            self.changed.wait_timeout_while(waiting, GATHERING, |waiting| !waiting.is_ending);
        gathered.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A disk that takes nothing is told of once, not with each batch.
#[derive(Default)]
struct Trouble(Option<Instant>);

impl Trouble {
    fn goes_on(&mut self, error: &io::Error) {
        if self.0.is_none() {
            warn!(%error, "cannot write the access log: lines are dropped until it is possible again");
            self.0 = Some(Instant::now());
        }
    }

    fn is_over(&mut self, dropped: &Counter) {
        if let Some(begun) = self.0.take() {
            let (dropped, seconds) = (dropped.value(), begun.elapsed().as_secs());
            info!(dropped, seconds, "the access log is written again");
        }
    }
}
