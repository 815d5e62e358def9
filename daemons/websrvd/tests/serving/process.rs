//! The process: flags, exit codes, signals, what it says.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use crate::harness::Client;

fn websrvd(directory: &Path) -> Command {
    let file = directory.join("websrvd.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_websrvd"));
    command.env_clear().arg("--config").arg(file);
    command.args(["--http", "127.0.0.1:0", "--echo", "127.0.0.1:0", "--threads", "1"]);
    command.arg("--root").arg(directory).arg("--control").arg(directory.join("control.sock"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A directory with a page and a configuration file.
fn directory(configuration: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("index.html"), "hello").unwrap();
    fs::write(directory.path().join("websrvd.toml"), configuration).unwrap();
    directory
}

fn check(directory: &Path) -> Output {
    websrvd(directory).arg("--check").output().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(name).arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    let checked = check(directory("[limits]\nconnections = 5\n").path());
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(checked.stdout, b"the configuration is good\n");
}

#[test]
fn a_bad_configuration_is_refused_with_78_and_every_error() {
    let directory = directory("colour = 1\n[timeouts]\ndrain = \"soon\"\n");
    for output in [check(directory.path()), websrvd(directory.path()).output().unwrap()] {
        assert_eq!(output.status.code(), Some(78));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains(":1: colour: unknown key") && told.contains(":3: timeouts.drain"));
    }
}

#[test]
fn a_flag_that_is_not_known_is_wrong_usage() {
    let output = websrvd(directory("").path()).arg("--colour").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_address_that_is_taken_is_a_failure_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = directory("");
    let output = websrvd(directory.path()).args(["--http", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("cannot listen for http on {address}")), "{told}");
    assert!(!directory.path().join("control.sock").exists());
}

#[test]
fn sigterm_drains_and_every_request_has_left_a_line() {
    let directory = directory("");
    let mut child = websrvd(directory.path()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("websrvd: http on ").expect("where it listens");
    let mut client = Client::connect(address.parse().unwrap());
    assert_eq!(client.request("GET", "/?a=1", &[]).body, b"hello");
    assert_eq!(client.request("GET", "/%1b%5B31m", &[]).status, 404);
    signal(&child, "-HUP");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("elapsed_us=")).collect();
    assert_eq!(lines.len(), 2, "{told}");
    for expected in ["client=127.0.0.1:", "method=GET", "target=/?a=1", "status=200", "bytes=5"] {
        assert!(lines[0].contains(expected), "{expected} is not in {}", lines[0]);
    }
    assert!(!told.contains('\u{1b}'), "no escape sequences in what is not a terminal");
}
