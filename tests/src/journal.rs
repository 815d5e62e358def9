//! journald's side of its native protocol (systemd's "Native Journal Protocol"): a socket that records what a daemon
//! logs, in a mount namespace where it is the machine's journal.

use std::{
    collections::BTreeMap,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::PATIENCE;

/// Most bytes of one entry.
const ENTRY_BYTES_MAX: usize = 256 << 10;

/// Puts the journal in its place, and says that stderr leads to it (systemd.exec(5)), as systemd does.
const SCRIPT: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
    mount --bind \"$0\" /run/systemd/journal && \
    JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$@\"";

/// A journal. It keeps what it is sent.
#[derive(Debug)]
pub struct Journal {
    directory: TempDir,
    socket: UnixDatagram,
    entries: Mutex<Vec<JournalEntry>>,
}

/// The fields of an entry.
pub type JournalEntry = BTreeMap<String, String>;

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("socket")).unwrap();
        Self { directory, socket, entries: Mutex::default() }
    }

    /// A command that runs `program` where this is the journal.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "/bin/sh", "-c", SCRIPT]).arg(self.directory.path()).arg(program);
        command
    }

    /// Waits for an entry with this message.
    #[must_use]
    pub fn wait_for(&self, message: &str) -> JournalEntry {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.with_message(message).into_iter().next() {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {message:?} in time in {:?}", self.entries());
            self.receive(left);
        }
    }

    /// The entries with this message that have come by now.
    #[must_use]
    pub fn with_message(&self, message: &str) -> Vec<JournalEntry> {
        let has_message =
            |entry: &JournalEntry| entry.get("MESSAGE").is_some_and(|it| it == message);
        self.entries().into_iter().filter(has_message).collect()
    }

    /// What has come by now.
    #[must_use]
    pub fn entries(&self) -> Vec<JournalEntry> {
        while self.receive(Duration::from_millis(1)) {}
        self.entries.lock().unwrap().clone()
    }

    /// Takes the next entry, if one comes in time.
    fn receive(&self, limit: Duration) -> bool {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = vec![0; ENTRY_BYTES_MAX];
        let Ok(len) = self.socket.recv(&mut bytes) else { return false };
        // An empty one only asks whether there is a journal.
        if len > 0 {
            self.entries.lock().unwrap().push(fields(&bytes[..len]));
        }
        true
    }
}

/// Reads `NAME=VALUE\n`, or `NAME\n`, the value's length in 8 octets, the value and `\n`.
fn fields(mut bytes: &[u8]) -> JournalEntry {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = JournalEntry::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|&byte| byte == b'\n').expect("a line ends");
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        let (name, value, rest) = match line.iter().position(|&byte| byte == b'=') {
            Some(middle) => (&line[..middle], &line[middle + 1..], rest),
            None => {
                let (len, rest) = rest.split_first_chunk::<8>().expect("a length follows");
                let (value, rest) = rest.split_at(u64::from_le_bytes(*len).try_into().unwrap());
                (line, value, rest.strip_prefix(b"\n").expect("a value ends"))
            }
        };
        fields.insert(text(name), text(value));
        bytes = rest;
    }
    fields
}
