//! A child process that is waited for and signalled through its pidfd, so that no signal can reach
//! another process, and whose output is collected.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::fcntl_dupfd_cloexec,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::PATIENCE;

/// Time that a process has for a voluntary end when its owner is dropped.
const GRACE: Duration = Duration::from_secs(10);
/// Lines of a process's log that a failed test shows.
const SHOWN_LINES: usize = 30;
/// Number of the first descriptor passed to a process (sd_listen_fds(3)).
const FIRST_PASSED: i32 = 3;

/// A descriptor to be passed to a process, with the name of its role.
#[derive(Debug)]
pub struct Descriptor {
    /// As `FileDescriptorName=` of a socket unit.
    pub name: String,
    /// The socket.
    pub fd: OwnedFd,
}

impl Descriptor {
    /// `fd` under `name`.
    pub fn new(name: &str, fd: impl Into<OwnedFd>) -> Self {
        Self { name: name.to_owned(), fd: fd.into() }
    }
}

/// A running process; dropping it ends it.
pub struct Process {
    child: Child,
    pid: u32,
    pidfd: OwnedFd,
    /// Processes before, each of which hands over to the next.
    former: Vec<OwnedFd>,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts `command` with its output collected.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = Pid::from_child(&child);
        let stdout = Lines::collect(child.stdout.take().expect("stdout is piped"));
        let stderr = Lines::collect(child.stderr.take().expect("stderr is piped"));
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a child has a pidfd");
        Self { pid: child.id(), child, pidfd, former: Vec::new(), stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// From now on this is the process `pid`, which has taken over and writes to the same streams.
    pub(crate) fn follow(&mut self, pid: u32) {
        let pidfd = Pid::from_raw(pid.cast_signed()).expect("a process id");
        let pidfd = pidfd_open(pidfd, PidfdFlags::empty()).expect("the process lives");
        self.former.push(std::mem::replace(&mut self.pidfd, pidfd));
        self.pid = pid;
    }

    /// Waits until it has ended, whoever its parent is.
    pub fn wait_for_end(&self) {
        assert!(self.ends_within(PATIENCE), "still runs\n{}", self.stderr());
    }

    /// Sends it a signal, as long as it lives.
    pub fn signal(&self, signal: Signal) {
        // One that has ended takes no signal, and needs none.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits until it has ended.
    pub fn exit_status(&mut self) -> ExitStatus {
        assert!(self.ends_within(PATIENCE), "still runs\n{}", self.stderr());
        self.child.wait().unwrap()
    }

    /// What it wrote to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until stderr is closed and returns all of it.
    pub(crate) fn whole_log(&self) -> String {
        self.stderr.wait_for_end();
        self.stderr()
    }

    /// Waits until a line of stdout contains `needle`; `None` where the process ends without it.
    pub fn find_in_stdout(&self, needle: &str) -> Option<String> {
        self.stdout.find(needle)
    }

    /// Waits until a line of stderr contains `needle` and returns it.
    #[must_use]
    pub fn wait_for_log(&self, needle: &str) -> String {
        let found = self.stderr.find(needle);
        found.unwrap_or_else(|| panic!("ended without {needle:?} in\n{}", self.stderr()))
    }

    /// Waits until `count` lines of stderr contain `needle`.
    pub fn wait_for_logs(&self, needle: &str, count: usize) {
        let has_enough = |lines: &[String]| {
            (lines.iter().filter(|line| line.contains(needle)).count() >= count).then_some(())
        };
        let found = self.stderr.wait(needle, has_enough);
        assert!(found.is_some(), "ended with fewer {needle:?} than {count} in\n{}", self.stderr());
    }

    fn ends_within(&self, limit: Duration) -> bool {
        ends_within(&self.pidfd, limit)
    }
}

fn ends_within(pidfd: &OwnedFd, limit: Duration) -> bool {
    let timeout = Timespec::try_from(limit).unwrap();
    let mut events = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut events, Some(&timeout)).unwrap() > 0
}

impl Drop for Process {
    fn drop(&mut self) {
        for pidfd in self.former.iter().chain([&self.pidfd]) {
            let _ = pidfd_send_signal(pidfd, Signal::TERM);
            if !ends_within(pidfd, GRACE) {
                let _ = pidfd_send_signal(pidfd, Signal::KILL);
            }
        }
        let status = self.child.wait();
        if thread::panicking() {
            let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            eprint_block(&format!("process {} ({ended})", self.pid()), &self.stderr.end());
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// A command that runs `program` with `descriptors` from number 3 on, as the service manager does.
#[expect(unsafe_code, reason = "only the child can put descriptors in their places")]
pub(crate) fn with_descriptors(program: &std::path::Path, descriptors: &[Descriptor]) -> Command {
    let names: Vec<_> = descriptors.iter().map(|descriptor| descriptor.name.as_str()).collect();
    // Out of each other's way.
    let above = FIRST_PASSED + i32::try_from(descriptors.len()).unwrap();
    let high: Vec<OwnedFd> = descriptors
        .iter()
        .map(|descriptor| fcntl_dupfd_cloexec(&descriptor.fd, above).unwrap())
        .collect();
    // A shell knows the pid that the program will have; nothing else can set it in time.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]).arg(program);
    command.env("LISTEN_FDS", descriptors.len().to_string());
    command.env("LISTEN_FDNAMES", names.join(":"));
    // SAFETY: dup2 is async-signal-safe, and the closure does nothing else between fork and exec.
    unsafe {
        command.pre_exec(move || {
            for (number, fd) in (FIRST_PASSED..).zip(&high) {
                if libc::dup2(fd.as_raw_fd(), number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command
}

#[expect(clippy::print_stderr, reason = "a failed test shows what its processes said")]
fn eprint_block(title: &str, text: &str) {
    eprintln!("---- {title} ----\n{text}");
}

/// The lines of a stream, as they come.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let collecting = lines.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                collecting.change(|collected| collected.lines.push(text));
                line.clear();
            }
            collecting.change(|collected| collected.ended = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut Collected)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }

    /// The last lines: those before are most often access lines.
    fn end(&self) -> String {
        let lines = &self.0.0.lock().unwrap().lines;
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn find(&self, needle: &str) -> Option<String> {
        self.wait(needle, |lines| lines.iter().find(|line| line.contains(needle)).cloned())
    }

    fn wait_for_end(&self) {
        let _: Option<()> = self.wait("the end of a stream", |_| None);
    }

    /// Waits until `look` finds something; `None` where the stream ends before.
    fn wait<T>(&self, what: &str, look: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut collected = self.0.0.lock().unwrap();
        loop {
            let found = look(&collected.lines);
            if found.is_some() || collected.ended {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what:?} in time in {:?}", collected.lines);
            collected = self.0.1.wait_timeout(collected, left).unwrap().0;
        }
    }
}
