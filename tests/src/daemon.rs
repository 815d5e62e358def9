//! websrvd and proxyd as processes: port 0, a fresh directory each, a control socket in it.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Descriptor, Journal, Manager, Netctl, Process, binary, process::with_descriptors};

/// What a daemon is to be started with.
#[derive(Debug)]
pub struct Launcher {
    program: &'static str,
    file: Option<PathBuf>,
    directory: Arc<TempDir>,
    config: &'static str,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    descriptors: Vec<Descriptor>,
    manager: Option<Arc<Manager>>,
}

impl Launcher {
    /// `config` is the file's text where a test gives none of its own; the machine's is never read.
    fn of(program: &'static str, config: &'static str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let (arguments, variables, descriptors) = (Vec::new(), Vec::new(), Vec::new());
        let (file, manager) = (None, None);
        Self { program, file, directory, config, arguments, variables, descriptors, manager }
    }

    /// Adds arguments as a person would type them, without shell quoting.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let texts = arguments.into_iter().map(|text| text.as_ref().to_str().unwrap().to_owned());
        self.arguments.extend(texts);
        self
    }

    /// Writes `toml` to the daemon's configuration file.
    #[must_use]
    pub fn config(self, toml: &str) -> Self {
        fs::write(self.config_file(), toml).unwrap();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Passes in a socket as a socket unit does.
    #[must_use]
    pub fn inherit(mut self, descriptor: Descriptor) -> Self {
        self.descriptors.push(descriptor);
        self
    }

    /// Plays the service manager that the daemon reports to, and that passes in what an earlier one left with it.
    #[must_use]
    pub fn managed(mut self, manager: impl Into<Arc<Manager>>) -> Self {
        let manager = manager.into();
        self.variables.extend(manager.variables());
        self.descriptors.extend(manager.stored());
        self.manager = Some(manager);
        self
    }

    /// Puts the control socket where another daemon's is or was.
    #[must_use]
    pub fn in_directory_of(mut self, other: &Daemon) -> Self {
        self.directory = Arc::clone(&other.directory);
        self
    }

    /// Puts the control socket and the configuration file into `directory`.
    #[must_use]
    pub fn in_directory(mut self, directory: &Arc<TempDir>) -> Self {
        self.directory = Arc::clone(directory);
        self
    }

    /// Runs the program of this file.
    #[must_use]
    pub fn program(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The file that [`Launcher::config`] writes.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join(format!("{}.toml", self.program))
    }

    /// Where the control socket will be.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.directory.path().join(self.program).join("control.sock")
    }

    /// Starts the daemon and waits until it serves.
    #[must_use]
    pub fn start(self) -> Daemon {
        let (program, config_file, control) =
            (self.program, self.config_file(), self.control_socket());
        let (process, directory, manager) = self.spawn();
        // The control socket is announced last.
        let announced = process.find_in_stdout(&format!("{program}: control on "));
        assert!(announced.is_some(), "{program} did not start:\n{}", process.stderr());
        Daemon { program, process, directory, config_file, control, manager }
    }

    /// Starts the daemon with its log led to `journal`, and waits until it serves. It says no addresses then but there.
    #[must_use]
    pub fn start_with_journal(self, journal: &Journal) -> Daemon {
        let (program, config_file, control) =
            (self.program, self.config_file(), self.control_socket());
        let (process, directory, manager) = self.run(journal.command(binary(program)));
        let _ = journal.wait_for("serving");
        Daemon { program, process, directory, config_file, control, manager }
    }

    /// Starts a daemon that is to give up at once; returns how it ended and what it said on stderr.
    #[must_use]
    pub fn fail(self) -> (ExitStatus, String) {
        let (mut process, _directory, _manager) = self.spawn();
        let status = process.exit_status();
        (status, process.whole_log())
    }

    fn spawn(self) -> (Process, Arc<TempDir>, Option<Arc<Manager>>) {
        let program = self.file.clone().unwrap_or_else(|| binary(self.program).to_path_buf());
        let command = match self.descriptors.as_slice() {
            [] => Command::new(program),
            descriptors => with_descriptors(&program, descriptors),
        };
        self.run(command)
    }

    fn run(self, mut command: Command) -> (Process, Arc<TempDir>, Option<Arc<Manager>>) {
        let config_file = self.config_file();
        if !config_file.exists() {
            fs::write(&config_file, self.config).unwrap();
        }
        command
            .arg("--config")
            .arg(config_file)
            .args(&self.arguments)
            .current_dir(self.directory.path())
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("STATE_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .envs(self.variables);
        (Process::start(&mut command), self.directory, self.manager)
    }
}

/// A running daemon; dropping it ends it.
#[derive(Debug)]
pub struct Daemon {
    program: &'static str,
    process: Process,
    directory: Arc<TempDir>,
    config_file: PathBuf,
    control: PathBuf,
    manager: Option<Arc<Manager>>,
}

impl Daemon {
    /// websrvd with nothing set.
    #[must_use]
    pub fn websrvd() -> Launcher {
        Launcher::of("websrvd", "")
    }

    /// proxyd that serves nothing yet: what it serves by default has fixed ports.
    #[must_use]
    pub fn proxyd() -> Launcher {
        Launcher::of("proxyd", "http = []\nudp = []\n")
    }

    /// websrvd that serves `root` over HTTP and echoes datagrams, on loopback.
    #[must_use]
    pub fn serving(root: &Path) -> Launcher {
        let root = root.to_str().unwrap();
        let flags = ["--root", root, "--http", "127.0.0.1:0", "--echo", "127.0.0.1:0"];
        Self::websrvd().args(flags)
    }

    /// proxyd that caches `origin` over HTTP on loopback, and relays nothing.
    #[must_use]
    pub fn caching(origin: SocketAddr) -> Launcher {
        let origin = format!("http://{origin}");
        Self::proxyd().args(["--http", "127.0.0.1:0", "--origin", &origin])
    }

    /// The first address that it listens on in a role: `http`, `echo`, `udp`, `tcp`.
    #[must_use]
    pub fn address(&self, role: &str) -> SocketAddr {
        let addresses = self.addresses(role);
        *addresses.first().unwrap_or_else(|| panic!("no {role} in {}", self.process.stdout()))
    }

    /// Every address that it said at its start it listens on in a role.
    #[must_use]
    pub fn addresses(&self, role: &str) -> Vec<SocketAddr> {
        let prefix = format!("{}: {role} on ", self.program);
        let output = self.process.stdout();
        output
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|address| address.parse().expect("an announced address can be read"))
            .collect()
    }

    /// `http://ADDRESS` with `path` after it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("http"))
    }

    /// Where its control socket is.
    #[must_use]
    pub fn control_socket(&self) -> &Path {
        &self.control
    }

    /// A directory of its own, for whatever a test needs beside it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces its configuration file; it is read at the next reload.
    pub fn rewrite_config(&self, toml: &str) {
        fs::write(&self.config_file, toml).unwrap();
    }

    /// The service manager that it reports to.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        self.manager.as_ref().expect("the daemon was started as managed")
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Asks it to stop, without waiting.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Ends it with no chance to do anything.
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait_for_end();
    }

    /// Has a new process take over, which this is from then on; returns what netctl says of it.
    pub fn upgrade(&mut self) -> Value {
        self.upgrade_by(&["upgrade", self.program])
    }

    /// The same, and waits until the process before has ended.
    pub fn upgrade_to_its_end(&mut self) -> Value {
        self.upgrade_by(&["upgrade", self.program, "--wait"])
    }

    /// The same by SIGUSR2; returns the line of the log that says so.
    pub fn upgrade_by_signal(&mut self) -> String {
        self.process.signal(Signal::USR2);
        let told = self.process.wait_for_log("a new process took over");
        let pid = told.split_whitespace().find_map(|word| word.strip_prefix("pid="));
        self.process.follow(pid.unwrap().parse().unwrap());
        told
    }

    fn upgrade_by(&mut self, arguments: &[&str]) -> Value {
        let netctl = Netctl::new().websrvd(self).proxyd(self);
        let upgraded = netctl.json(arguments)[self.program].clone();
        let pid = upgraded["pid"].as_u64().unwrap();
        self.process.follow(u32::try_from(pid).unwrap());
        upgraded
    }

    /// Waits until it has ended.
    pub fn exit_status(&mut self) -> ExitStatus {
        self.process.exit_status()
    }
}
