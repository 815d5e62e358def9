//! Restarts by a service manager, which a script in the place of systemctl plays.

use std::{path::Path, thread};

use selat_tests::{Daemon, Netctl, install_script};

/// `systemctl` in `directory`: says that each unit runs the process `main`, and ends that to restart it.
fn service_manager(directory: &Path, main: u32) {
    let script = format!(
        "#!/bin/sh\ncase $1 in\nshow) echo {main} ;;\nrestart) kill {main} ;;\n*) exit 1 ;;\nesac\n"
    );
    install_script(&directory.join("systemctl"), &script);
}

fn echo() -> selat_tests::Launcher {
    Daemon::serving("/usr/share".as_ref())
}

#[test]
fn a_restart_is_over_when_the_next_instance_answers() {
    let commands = tempfile::tempdir().unwrap();
    let mut first = echo().start();
    let (first_pid, launcher) = (first.process().pid(), echo().in_directory_of(&first));
    service_manager(commands.path(), first_pid);
    let netctl = Netctl::new().websrvd(&first).with_commands(commands.path());
    let restart = thread::spawn(move || netctl.json(&["restart", "websrvd", "--wait"]));
    assert_eq!(first.exit_status().code(), Some(0));
    let second = launcher.start();
    let restarted = &restart.join().unwrap()["websrvd"];
    assert_eq!(restarted["previous_pid"], first_pid, "{restarted}");
    assert_eq!(restarted["pid"], second.process().pid(), "{restarted}");
    assert_eq!(restarted["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_unit_that_runs_something_else_is_left_alone() {
    let commands = tempfile::tempdir().unwrap();
    let websrvd = echo().start();
    let other = echo().start();
    service_manager(commands.path(), other.process().pid());
    let netctl = Netctl::new().websrvd(&websrvd).with_commands(commands.path());
    let run = netctl.run(&["restart", "websrvd", "--wait"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("does not run websrvd") && run.stderr.contains("--unit"),
        "{run:?}"
    );
    let _ = Netctl::new().websrvd(&other).text(&["status", "websrvd"]);
}

#[test]
fn without_a_service_manager_it_is_said_what_to_do() {
    let nothing = tempfile::tempdir().unwrap();
    let websrvd = echo().start();
    let netctl = Netctl::new().websrvd(&websrvd).with_commands(nothing.path());
    let run = netctl.run(&["restart", "websrvd"]);
    assert_eq!(run.code, 1, "{run:?}");
    let advice = format!("kill {}", websrvd.process().pid());
    assert!(run.stderr.contains(&advice), "{run:?}");
}

#[test]
fn a_daemon_on_another_machine_is_not_taken_for_the_unit_of_this_one() {
    let commands = tempfile::tempdir().unwrap();
    service_manager(commands.path(), 1);
    let netctl = Netctl::new().with_commands(commands.path());
    let run = netctl.run(&["--proxyd", "https://127.0.0.1:9", "restart", "proxyd"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("service manager of this machine"), "{run:?}");
}
