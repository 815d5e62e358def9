//! A terminal with a program on it, as the person in front of it sees it.

use std::{
    fs::File,
    io::{Read, Write},
    num::NonZero,
    os::fd::OwnedFd,
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use vt100::Parser;

use crate::PATIENCE;

/// A program on a terminal of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    child: Child,
    picture: Arc<Picture>,
    reader: Option<JoinHandle<()>>,
    /// Ends the reader once it is dropped.
    reading: Option<UnixStream>,
}

struct Picture {
    parser: Mutex<Parser>,
    changed: Condvar,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Picture").finish_non_exhaustive()
    }
}

impl Terminal {
    /// Runs `command`, whose program, arguments, environment and directory count, on a terminal of
    /// this size.
    #[must_use]
    pub fn run(command: &Command, columns: u16, rows: u16) -> Self {
        let (master, slave) = open(columns, rows);
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // The terminal must be the program's own: who asks for it by name must not get the tester's.
        let mut own = Command::new("setsid");
        own.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => own.env(name, value),
                None => own.env_remove(name),
            };
        }
        own.env("TERM", "xterm-256color");
        own.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
        let child = own.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let picture = Arc::new(Picture {
            parser: Mutex::new(Parser::new(some(rows), some(columns), 0)),
            changed: Condvar::new(),
        });
        let mut shown = File::from(master.try_clone().unwrap());
        let (reading, over) = UnixStream::pair().unwrap();
        let reader = thread::spawn({
            let picture = Arc::clone(&picture);
            move || {
                let mut bytes = [0; 4096];
                // It fails when the last program on the terminal has ended.
                while is_shown(&shown, &over)
                    && let Ok(len @ 1..) = shown.read(&mut bytes)
                {
                    picture.parser.lock().unwrap().process(&bytes[..len]);
                    picture.changed.notify_all();
                }
            }
        });
        let (reader, reading) = (Some(reader), Some(reading));
        Self { keyboard: File::from(master), child, picture, reader, reading }
    }

    /// What is on it now.
    #[must_use]
    pub fn contents(&self) -> String {
        self.picture.parser.lock().unwrap().screen().contents()
    }

    /// Waits until `is_there` holds of what is on it; returns that.
    #[track_caller]
    pub fn wait_until(&self, is_there: impl Fn(&str) -> bool) -> String {
        let parser = self.picture.parser.lock().unwrap();
        let holds = |parser: &Parser| is_there(&parser.screen().contents());
        let waited = self.picture.changed.wait_timeout_while(parser, PATIENCE, |it| !holds(it));
        let (parser, waited) = waited.unwrap();
        let contents = parser.screen().contents();
        assert!(!waited.timed_out(), "it never came:\n{contents}");
        contents
    }

    /// Waits until all of `texts` are on it.
    #[track_caller]
    pub fn wait_for(&self, texts: &[&str]) -> String {
        self.wait_until(|contents| texts.iter().all(|text| contents.contains(text)))
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Gives it another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let mut parser = self.picture.parser.lock().unwrap();
        parser.set_size(some(rows), some(columns));
        drop(parser);
        tcsetwinsize(&self.keyboard, size(columns, rows)).unwrap();
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the program to end, and until all that it wrote is on the terminal.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// Closes it, as one closes a window, and waits for the program to end.
    ///
    /// # Panics
    /// It goes on without a terminal.
    pub fn close(mut self) -> ExitStatus {
        drop(self.reading.take());
        self.reader.take().unwrap().join().unwrap();
        self.keyboard = File::open("/dev/null").unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                None => panic!("it goes on without a terminal"),
            }
        }
    }

    /// Whether it is as a shell wants it: echo, lines, a cursor, the page that was there before.
    #[must_use]
    pub fn is_given_back(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        let parser = self.picture.parser.lock().unwrap();
        let screen = parser.screen();
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
            && !screen.alternate_screen()
            && !screen.hide_cursor()
    }

    /// Whether anything on it has a colour.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        let parser = self.picture.parser.lock().unwrap();
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let cells =
            (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let mut cells = cells.filter_map(|(row, column)| screen.cell(row, column));
        cells.any(|cell| {
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    }
}

/// Waits until there is something to be seen; false where nobody wants to any more.
fn is_shown(shown: &File, over: &UnixStream) -> bool {
    let mut both = [PollFd::new(shown, PollFlags::IN), PollFd::new(over, PollFlags::IN)];
    poll(&mut both, None).is_ok() && both[1].revents().is_empty()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(columns: u16, rows: u16) -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, size(columns, rows)).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = File::options().read(true).write(true).open(path).unwrap();
    (master, slave.into())
}

fn some(length: u16) -> NonZero<u16> {
    NonZero::new(length).expect("a terminal has rows and columns")
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
