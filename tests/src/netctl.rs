//! netctl as a person or a script runs it.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Daemon, Terminal, binary, install_program};

/// User and group without any rights, on every Linux.
pub const NOBODY: u32 = 65_534;

/// netctl pointed at daemons by its environment.
#[derive(Clone, Debug, Default)]
pub struct Netctl {
    variables: Vec<(&'static str, PathBuf)>,
    directory: Option<PathBuf>,
    unprivileged: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Netctl {
    /// netctl that knows no daemon.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Points it at a websrvd.
    #[must_use]
    pub fn websrvd(mut self, daemon: &Daemon) -> Self {
        self.variables.push(("NETCTL_WEBSRVD", daemon.control_socket().to_owned()));
        self
    }

    /// Points it at a proxyd.
    #[must_use]
    pub fn proxyd(mut self, daemon: &Daemon) -> Self {
        self.variables.push(("NETCTL_PROXYD", daemon.control_socket().to_owned()));
        self
    }

    /// Has it find the programs that it runs in `directory` alone.
    #[must_use]
    pub fn with_commands(mut self, directory: &Path) -> Self {
        self.variables.push(("PATH", directory.to_owned()));
        self
    }

    /// Runs it in `directory`.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs a copy of it, made in `directory`, as a user who may do nothing special: as [`NOBODY`] where the
    /// tests run as root, who may do anything.
    #[must_use]
    pub fn unprivileged(mut self, directory: &Path) -> Self {
        let copy = directory.join("netctl");
        install_program(binary("netctl"), &copy);
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        self.unprivileged = Some(copy);
        self
    }

    /// Runs `netctl arguments`.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Runs `netctl arguments` with `input` on stdin.
    #[must_use]
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that ends without reading is judged by its exit code.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code().expect("netctl ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed and returns what it printed.
    #[must_use]
    pub fn text(&self, arguments: &[&str]) -> String {
        self.run(arguments).success(arguments)
    }

    /// Runs `netctl -o json arguments`, which must succeed, and reads its one document.
    #[must_use]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[&["-o", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Runs `netctl arguments` on a terminal of this size.
    #[must_use]
    pub fn on_terminal(&self, arguments: &[&str], (columns, rows): (u16, u16)) -> Terminal {
        let mut command = self.command();
        command.env_remove("NO_COLOR").args(arguments);
        Terminal::run(&command, columns, rows)
    }

    fn command(&self) -> Command {
        let mut command = match &self.unprivileged {
            Some(copy) => Command::new(copy),
            None => Command::new(binary("netctl")),
        };
        if self.unprivileged.is_some() && rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.env_remove("NETCTL_WEBSRVD").env_remove("NETCTL_PROXYD");
        // The machine's own daemons are none of a test's business.
        command.env("XDG_RUNTIME_DIR", "/nonexistent");
        command.env("NO_COLOR", "1").envs(self.variables.iter().map(|(name, path)| (name, path)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

impl Output {
    /// What a run of `arguments` that must have succeeded wrote to stdout.
    #[must_use]
    pub fn success(self, arguments: &[&str]) -> String {
        assert_eq!(self.code, 0, "netctl {arguments:?}: {}{}", self.stdout, self.stderr);
        self.stdout
    }
}
