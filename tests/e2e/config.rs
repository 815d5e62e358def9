//! Configurations that must be refused.

use std::{fs, net::TcpListener};

use selat_tests::{Client, Daemon, Launcher, Netctl, Origin, Reply};

const BAD_CONFIG: i32 = 78;

/// Starts a daemon that must refuse its configuration, and returns the lines that it gives as reasons.
fn refuse(launcher: Launcher) -> Vec<String> {
    let (status, log) = launcher.fail();
    assert_eq!(status.code(), Some(BAD_CONFIG), "{log}");
    log.lines().map(str::to_owned).collect()
}

/// Asserts that there is exactly one line for each of `expected`, with all of its words.
fn assert_reasons(lines: &[String], expected: &[&[&str]]) {
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for words in expected {
        let told = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "no line has all of {words:?}: {lines:#?}");
    }
}

#[test]
fn every_error_of_a_file_is_told_at_once_with_its_line() {
    let toml = "colour = \"red\"\nroot = \"/nonexistent\"\nhttp = [\"here\"]\nthreads = 5000\n";
    assert_reasons(
        &refuse(Daemon::websrvd().config(toml)),
        &[
            &["websrvd.toml:1", "colour", "unknown key"],
            &["websrvd.toml:2", "root", "/nonexistent"],
            &["websrvd.toml:3", "http", "here"],
            &["websrvd.toml:4", "threads", "5000", "1024"],
        ],
    );
}

#[test]
fn a_misspelt_key_is_answered_with_the_right_one() {
    let lines = refuse(Daemon::proxyd().config("orign = \"http://127.0.0.1:1\"\n"));
    assert_reasons(&lines, &[&["proxyd.toml:1", "orign", "did you mean origin"]]);
}

#[test]
fn a_root_that_is_missing_is_refused() {
    let lines = refuse(Daemon::websrvd().args(["--root", "/nonexistent/site"]));
    assert_reasons(&lines, &[&["--root", "/nonexistent/site"]]);
}

#[test]
fn an_origin_that_is_no_url_is_refused() {
    for origin in ["nonsense", "ftp://127.0.0.1", "http://", "127.0.0.1:8000/x y"] {
        let lines = refuse(Daemon::proxyd().args(["--http", "127.0.0.1:0", "--origin", origin]));
        assert_reasons(&lines, &[&["--origin", origin]]);
    }
}

#[test]
fn two_listeners_on_one_address_are_refused() {
    let toml = "http = [\"127.0.0.1:8123\", \"127.0.0.1:8123\"]\n";
    for launcher in
        [Daemon::websrvd().args(["--root", "/"]).config(toml), Daemon::proxyd().config(toml)]
    {
        assert_reasons(&refuse(launcher), &[&[":1", "http", "127.0.0.1:8123"]]);
    }
    let relays = "udp = [\"127.0.0.1:8124=127.0.0.1:1\", \"127.0.0.1:8124=127.0.0.1:2\"]\n";
    assert_reasons(&refuse(Daemon::proxyd().config(relays)), &[&["udp", "127.0.0.1:8124"]]);
    let mixed = "http = [\"127.0.0.1:8125\"]\ntcp = [\"127.0.0.1:8125=127.0.0.1:1\"]\n";
    assert_reasons(&refuse(Daemon::proxyd().config(mixed)), &[&["127.0.0.1:8125"]]);
}

#[test]
fn an_address_that_another_program_holds_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    for launcher in [Daemon::serving("/usr/share".as_ref()), Daemon::proxyd()] {
        let (status, log) = launcher.args(["--http", &address]).fail();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(&address), "{log}");
    }
}

#[test]
fn check_says_whether_a_file_is_good_and_starts_nothing() {
    let good = Daemon::proxyd().config("http = [\"127.0.0.1:0\"]\n").args(["--check"]);
    let socket = good.control_socket();
    let (status, log) = good.fail();
    assert!(status.success() && !socket.exists(), "{log}");
    assert_reasons(
        &refuse(Daemon::proxyd().config("x = 1\n").args(["--check"])),
        &[&["x", "unknown"]],
    );
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    for launcher in [Daemon::websrvd(), Daemon::proxyd()] {
        let (status, log) = launcher.args(["--colour", "red"]).fail();
        assert_eq!(status.code(), Some(2), "{log}");
    }
}

#[test]
fn a_bad_reload_keeps_the_old_configuration_and_says_why() {
    let origin = Origin::with("/", Reply::fresh("still here"));
    let toml =
        format!("origin = \"http://{}\"\nhttp = [\"127.0.0.1:0\"]\nudp = []\n", origin.address());
    let proxyd = Daemon::proxyd().config(&toml).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    proxyd.rewrite_config(&format!("{toml}colour = \"red\"\nshape = \"round\"\n"));
    let refused = netctl.run(&["reload", "proxyd"]);
    assert_ne!(refused.code, 0);
    for key in ["proxyd.toml:4: colour", "proxyd.toml:5: shape"] {
        assert!(refused.stderr.contains(key), "{refused:?}");
    }
    let status = || netctl.json(&["status", "proxyd"])["proxyd"].clone();
    assert_eq!(status()["state"], "DAEMON_STATE_DEGRADED");
    assert!(status()["config_error"].as_str().unwrap().contains("shape"), "{}", status());
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(client.get("/").unwrap().text(), "still here");
    proxyd.rewrite_config(&toml);
    let _ = netctl.text(&["reload", "proxyd"]);
    assert_eq!(status()["state"], "DAEMON_STATE_SERVING");
    assert_eq!(status()["config_error"], "");
    fs::remove_file(proxyd.directory().join("proxyd.toml")).unwrap();
    assert_ne!(netctl.run(&["reload", "proxyd"]).code, 0, "a file that is gone is an error");
}
