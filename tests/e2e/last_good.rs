//! Daemons whose file was broken while they were down.

use std::{
    fs,
    path::{Path, PathBuf},
};

use selat_tests::{Client, Daemon, Launcher, Manager, Netctl};
use serde_json::Value;
use tempfile::TempDir;

const BAD_CONFIG: i32 = 78;

const BROKEN: &str = "colour = \"red\"\nshape = \"round\"\n";

/// A site, a state directory, and a websrvd that knows both.
struct Kept {
    site: TempDir,
    state: TempDir,
}

impl Kept {
    fn new() -> Self {
        let (site, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(site.path().join("index.html"), "hello").unwrap();
        Self { site, state }
    }

    fn good(&self, more: &str) -> String {
        let addresses = "http = [\"127.0.0.1:0\"]\necho = [\"127.0.0.1:0\"]";
        format!("root = {:?}\n{addresses}\n{more}\n", self.site.path())
    }

    fn knowing_state(&self, launcher: Launcher) -> Launcher {
        launcher.env("STATE_DIRECTORY", self.state.path().to_str().unwrap())
    }

    /// Serves `toml`, stops, and returns what was: its directory is still there.
    fn lived_with(&self, toml: &str) -> Daemon {
        let mut daemon = self.knowing_state(Daemon::websrvd()).config(toml).start();
        daemon.terminate();
        assert!(daemon.exit_status().success());
        daemon
    }

    /// A start where `before` was, with `toml` as the file.
    fn again(&self, before: &Daemon, toml: &str) -> Launcher {
        self.knowing_state(Daemon::websrvd()).in_directory_of(before).config(toml)
    }
}

fn status(daemon: &Daemon) -> Value {
    Netctl::new().websrvd(daemon).json(&["status", "websrvd"])["websrvd"].clone()
}

#[test]
fn a_file_that_is_broken_at_start_leaves_the_last_good_one_in_force_until_it_is_mended() {
    let kept = Kept::new();
    let good = kept.good("");
    let before = kept.lived_with(&good);
    let broken = kept.good(BROKEN);
    let websrvd = kept.again(&before, &broken).managed(Manager::new()).start();
    let ready = websrvd.manager().wait_for("READY=1", 0);
    let told = websrvd.manager().report(ready);
    assert!(told.contains("STATUS=DEGRADED") && told.contains("websrvd.toml:4"), "{told}");
    let logged = websrvd.process().wait_for_log("DEGRADED");
    assert!(logged.contains("colour") && logged.contains("shape"), "{logged}");
    assert_eq!(Client::connect(websrvd.address("http")).get("/").unwrap().text(), "hello");
    let degraded = status(&websrvd);
    assert_eq!(degraded["state"], "DAEMON_STATE_DEGRADED");
    assert!(degraded["config_error"].as_str().unwrap().contains("websrvd.toml:5"), "{degraded}");

    let netctl = Netctl::new().websrvd(&websrvd);
    assert_ne!(netctl.run(&["reload", "websrvd"]).code, 0, "it is as broken as before");
    websrvd.rewrite_config(&good);
    let _ = netctl.text(&["reload", "websrvd"]);
    let mended = status(&websrvd);
    assert_eq!(mended["state"], "DAEMON_STATE_SERVING");
    assert_eq!(mended["config_error"], "");
    let after = websrvd.manager().wait_for("STATUS=configuration 2", ready);
    assert!(!websrvd.manager().report(after).contains("DEGRADED"));
}

#[test]
fn proxyd_begins_with_its_last_good_file_too() {
    let kept = Kept::new();
    let good = "http = [\"127.0.0.1:0\"]\nudp = []\n";
    let mut before = kept.knowing_state(Daemon::proxyd()).config(good).start();
    before.terminate();
    assert!(before.exit_status().success());
    let launcher = kept.knowing_state(Daemon::proxyd()).in_directory_of(&before).config("= [");
    let proxyd = launcher.start();
    let status = Netctl::new().proxyd(&proxyd).json(&["status", "proxyd"]);
    assert_eq!(status["proxyd"]["state"], "DAEMON_STATE_DEGRADED", "{status}");
    assert_eq!(proxyd.addresses("http").len(), 1);
}

#[test]
fn what_a_reload_put_in_force_is_the_last_good_file() {
    let kept = Kept::new();
    let mut websrvd = kept.knowing_state(Daemon::websrvd()).config(&kept.good("")).start();
    let netctl = Netctl::new().websrvd(&websrvd);
    websrvd.rewrite_config(&kept.good("cache_control = \"max-age=7\""));
    let _ = netctl.text(&["reload", "websrvd"]);
    // Neither a check nor a refused reload is in force.
    websrvd.rewrite_config(&kept.good("cache_control = \"max-age=8\""));
    let _ = netctl.text(&["reload", "--check", "websrvd"]);
    websrvd.rewrite_config(BROKEN);
    assert_ne!(netctl.run(&["reload", "websrvd"]).code, 0);
    websrvd.terminate();
    assert!(websrvd.exit_status().success());
    let again = kept.again(&websrvd, BROKEN).start();
    let page = Client::connect(again.address("http")).get("/").unwrap();
    assert_eq!(page.header("cache-control"), "max-age=7");
}

#[test]
fn drop_ins_are_part_of_the_last_good_configuration() {
    let kept = Kept::new();
    let mut websrvd = kept.knowing_state(Daemon::websrvd()).config(&kept.good("")).start();
    let drop_ins = websrvd.directory().join("websrvd.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(drop_ins.join("10-age.toml"), "cache_control = \"max-age=7\"").unwrap();
    let _ = Netctl::new().websrvd(&websrvd).text(&["reload", "websrvd"]);
    websrvd.terminate();
    assert!(websrvd.exit_status().success());
    fs::write(drop_ins.join("10-age.toml"), BROKEN).unwrap();
    let again = kept.again(&websrvd, &kept.good("")).start();
    let degraded = status(&again);
    assert!(degraded["config_error"].as_str().unwrap().contains("10-age.toml:1"), "{degraded}");
    let page = Client::connect(again.address("http")).get("/").unwrap();
    assert_eq!(page.header("cache-control"), "max-age=7");
}

#[test]
fn without_a_last_good_file_that_serves_a_broken_one_ends_with_78() {
    let kept = Kept::new();
    let refused = |launcher: Launcher, reason: &str| {
        let (status, log) = launcher.fail();
        assert_eq!(status.code(), Some(BAD_CONFIG), "{log}");
        assert!(log.contains(reason), "{log}");
    };
    refused(kept.knowing_state(Daemon::websrvd()).config(BROKEN), "websrvd.toml:1: colour");
    let before = kept.lived_with(&kept.good(""));
    // Flags are not kept, and win over every file.
    refused(kept.again(&before, &kept.good("")).args(["--threads", "many"]), "--threads");
    refused(kept.again(&before, BROKEN).args(["--check"]), "websrvd.toml:1: colour");
    fs::write(kept_file(kept.state.path()), "also = \"broken\"").unwrap();
    refused(kept.again(&before, BROKEN), "websrvd.toml:1: colour");
}

#[test]
fn what_keeps_the_last_good_file_from_serving_does_not_hide_why_it_was_needed() {
    let kept = Kept::new();
    let live = kept.knowing_state(Daemon::websrvd()).config(&kept.good("")).start();
    let (status, log) = kept.again(&live, BROKEN).fail();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("colour") && log.contains("a daemon that is running"), "{log}");
}

#[test]
fn a_state_directory_that_takes_nothing_is_no_reason_not_to_serve() {
    let kept = Kept::new();
    let nowhere = kept.state.path().join("missing");
    let websrvd = Daemon::websrvd()
        .env("STATE_DIRECTORY", nowhere.to_str().unwrap())
        .config(&kept.good(""))
        .start();
    let warned = websrvd.process().wait_for_log("cannot keep the configuration");
    assert!(warned.contains("missing"), "{warned}");
    assert_eq!(status(&websrvd)["state"], "DAEMON_STATE_SERVING");
}

/// The one file in a state directory.
fn kept_file(state: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}
