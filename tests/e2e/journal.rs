//! The log: in the journal one entry for each event, with fields of its own, on stderr one line.

use std::{env, process::Command, thread};

use selat_runtime::log::LogControl;
use selat_tests::{Daemon, Journal, JournalEntry, Netctl};

/// Tells a process of these tests to panic.
const PANICS: &str = "SELAT_TEST_PANICS";

fn field<'e>(entry: &'e JournalEntry, name: &str) -> &'e str {
    entry.get(name).unwrap_or_else(|| panic!("no {name} in {entry:?}"))
}

#[test]
fn an_event_is_one_entry_with_fields_of_its_own_and_the_priority_of_its_level() {
    let journal = Journal::new();
    let proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start_with_journal(&journal);
    let serving = journal.wait_for("serving");
    assert_eq!(field(&serving, "PRIORITY"), "6", "info, not notice: {serving:?}");
    assert_eq!(field(&serving, "SYSLOG_IDENTIFIER"), "proxyd");
    assert!(!field(&serving, "SELAT_VERSION").is_empty());
    assert!(field(&serving, "CODE_FILE").ends_with(".rs"));

    let netctl = Netctl::new().proxyd(&proxyd);
    let _ = netctl.text(&["cache", "flush"]);
    let flushed = journal.wait_for("purge");
    let actor = field(&flushed, "SELAT_ACTOR");
    let uid = format!("uid={} gid=", rustix::process::getuid().as_raw());
    assert!(actor.starts_with(&uid) && actor.contains(" pid="), "{actor}");

    proxyd.rewrite_config("colour = \"red\"\n");
    assert_ne!(netctl.run(&["reload", "proxyd"]).code, 0);
    let refused = "DEGRADED: configuration refused, the one before serves on";
    let entry = journal.wait_for(refused);
    assert_eq!(field(&entry, "PRIORITY"), "3", "{entry:?}");
    assert!(field(&entry, "SELAT_REASON").contains("proxyd.toml:1: colour"), "{entry:?}");
    for message in ["serving", "purge", "order: reload", refused] {
        assert_eq!(journal.with_message(message).len(), 1, "{message}: {:?}", journal.entries());
    }
    assert_eq!(proxyd.process().stderr(), "", "and nothing of it a second time");
}

/// The process that the two tests below start: this one does nothing unless it is told to.
#[test]
fn process_that_panics() {
    if env::var_os(PANICS).is_some() {
        let _log = LogControl::begin("info").unwrap();
        let ended =
            thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("out of luck"));
        assert!(ended.unwrap().join().is_err());
    }
}

fn panicking(mut command: Command) -> String {
    let arguments = ["--exact", "journal::process_that_panics", "--nocapture"];
    let output = command.args(arguments).env(PANICS, "1").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    stderr
}

#[test]
fn a_panic_is_one_entry_that_says_where() {
    let journal = Journal::new();
    let stderr = panicking(journal.command(&env::current_exe().unwrap()));
    assert_eq!(stderr, "", "and nothing of it a second time");
    let entries = journal.entries();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let panicked = &entries[0];
    assert_eq!(field(panicked, "MESSAGE"), "a task panicked");
    assert_eq!(field(panicked, "PRIORITY"), "3");
    assert_eq!(field(panicked, "SELAT_PANIC"), "out of luck");
    assert_eq!(field(panicked, "SELAT_THREAD"), "doomed");
    assert!(field(panicked, "SELAT_LOCATION").contains("journal.rs:"), "{panicked:?}");
    assert!(field(panicked, "SELAT_BACKTRACE").contains("process_that_panics"), "{panicked:?}");
}

#[test]
fn a_panic_is_one_line_on_stderr() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env_remove("JOURNAL_STREAM");
    let stderr = panicking(command);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for part in ["ERROR a task panicked", "journal.rs:", "panic=\"out of luck\"", "backtrace="] {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}
