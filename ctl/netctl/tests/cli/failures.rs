//! Daemons that cannot be talked to: what was tried, where, what to do, and the exit code.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use netctl::Exit;

use crate::daemon::{Daemon, Mood};
use crate::ran::{Ran, assert_has, netctl};

fn stats(socket: &str) -> Ran {
    netctl(&["--proxyd", socket, "cache", "stats"])
}

fn impatient_stats(socket: &str) -> Ran {
    netctl(&["--proxyd", socket, "--timeout", "300ms", "cache", "stats"])
}

#[test]
fn a_missing_socket_means_that_the_daemon_does_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let path = path.to_str().unwrap();
    let complaint = stats(path).complaint(Exit::Unreachable);
    assert_has(&complaint, &["proxyd is not running", path, "systemctl start proxyd", "--proxyd"]);
}

#[test]
fn a_socket_that_nobody_listens_on_is_told_from_a_missing_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let complaint = stats(path.to_str().unwrap()).complaint(Exit::Unreachable);
    assert_has(&complaint, &["nobody listens", "left behind", "systemctl start proxyd"]);
}

#[test]
fn a_file_that_is_no_socket_is_told_as_such() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let complaint = stats(file.path().to_str().unwrap()).complaint(Exit::Unreachable);
    assert_has(&complaint, &["is no socket", "--proxyd PATH"]);
}

#[test]
fn a_daemon_that_never_answers_is_not_waited_for_beyond_the_timeout() {
    let daemon = Daemon::start(Mood::Stuck);
    let began = Instant::now();
    let complaint = impatient_stats(&daemon.socket()).complaint(Exit::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_has(&complaint, &["did not answer within 300ms", "--timeout", "journalctl -u proxyd"]);
}

#[test]
fn a_listener_that_never_accepts_is_not_waited_for_either() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let complaint = impatient_stats(path.to_str().unwrap()).complaint(Exit::Unreachable);
    assert_has(&complaint, &["did not answer within 300ms"]);
}

#[test]
fn a_peer_that_speaks_something_else_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mail.example.net ESMTP\r\n").unwrap();
        // Until the other side hangs up.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let complaint = stats(path.to_str().unwrap()).complaint(Exit::Unreachable);
    assert_has(&complaint, &["does not speak the control protocol", "--proxyd PATH"]);
}

#[test]
fn a_call_that_the_daemon_forbids_ends_with_77() {
    let daemon = Daemon::start(Mood::Strict);
    let complaint = stats(&daemon.socket()).complaint(Exit::Denied);
    assert_has(&complaint, &["you may look at proxyd but not change it", "--proxyd PATH"]);
    assert_eq!(Exit::Denied.code(), 77);
}

#[test]
fn a_refused_reload_shows_every_error() {
    let daemon = Daemon::start(Mood::Misconfigured);
    let ran = netctl(&["--proxyd", &daemon.socket(), "reload", "proxyd"]);
    let complaint = ran.complaint(Exit::Failed);
    assert_has(&complaint, &["proxyd refused", "proxyd.toml:3: colour", "proxyd.toml:4: shape"]);
}

#[test]
fn one_daemon_that_is_gone_does_not_hide_the_other() {
    let daemon = Daemon::start(Mood::Well);
    let gone = daemon.path().with_extension("gone");
    let gone = gone.to_str().unwrap();
    let ran = netctl(&["--websrvd", gone, "--proxyd", &daemon.socket(), "status"]);
    assert_eq!(ran.exit, Exit::Unreachable);
    assert_has(&ran.out, &["websrvd", "unreachable", "1.2.3"]);
    assert_has(&ran.notes, &["websrvd is not running", gone]);
}
