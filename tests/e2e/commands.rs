//! The other commands of netctl, and what it says when something is wrong.

use selat_tests::{Netctl, Origin, Reply, System, curl_get};
use serde_json::Value;

#[test]
fn status_shows_both_daemons() {
    let system = System::start();
    let table = system.netctl.text(&["status"]);
    for shown in ["websrvd", "proxyd", &system.proxyd.address("http").to_string()] {
        assert!(table.contains(shown), "{shown} in {table}");
    }
    let document = system.netctl.json(&["status"]);
    for daemon in ["websrvd", "proxyd"] {
        let status = &document[daemon];
        assert_eq!((&status["daemon"], &status["config_generation"]), (&daemon.into(), &1.into()));
        assert!(status["start_time"].is_string() && status["listeners"].is_array(), "{status}");
    }
}

#[test]
fn status_without_daemons_says_what_was_tried_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("nobody.sock");
    let socket = socket.to_str().unwrap();
    let run = Netctl::new().run(&["--websrvd", socket, "--proxyd", socket, "cache", "stats"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains(socket) && run.stderr.contains("proxyd"), "{run:?}");
}

#[test]
fn the_usage_shows_what_was_typed_and_not_what_the_environment_says() {
    let ran = System::start().netctl.run(&["qos", "http"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("Usage: netctl qos http"), "{ran:?}");
    assert!(!ran.stderr.contains("--websrvd") && !ran.stderr.contains("--proxyd"), "{ran:?}");
}

#[test]
fn a_command_that_does_not_exist_is_a_usage_error() {
    assert_eq!(Netctl::new().run(&["dance"]).code, 2);
    assert_eq!(Netctl::new().run(&["cache", "ls", "--sort", "colour"]).code, 2);
}

#[test]
fn the_log_level_changes_while_a_daemon_runs() {
    let system = System::start();
    let _ = system.netctl.text(&["log-level", "debug"]);
    let document = system.netctl.json(&["status"]);
    for daemon in ["websrvd", "proxyd"] {
        assert_eq!(document[daemon]["log_filter"], "debug");
    }
    let wrong = system.netctl.run(&["log-level", "deafening"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.stderr.contains("deafening"), "{wrong:?}");
}

#[test]
fn fetch_shows_the_cache_verdict_the_phases_and_the_page() {
    let system = System::start();
    let url = system.proxyd.url("/");
    for verdict in ["miss", "hit"] {
        let page = system.netctl.text(&["fetch", &url]);
        assert!(page.to_lowercase().contains(verdict), "{verdict} in {page}");
        assert!(page.contains("200") && page.contains("hello"), "{page}");
    }
    let document = system.netctl.json(&["fetch", &url]);
    assert_eq!(document["status"], Value::from(200), "{document}");
}

#[test]
fn fetch_says_why_a_page_cannot_be_had() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = Netctl::new().run(&["fetch", &format!("http://{nobody}/")]);
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains(&nobody.to_string()), "{run:?}");
    let run = Netctl::new().run(&["fetch", "no url"]);
    assert_ne!(run.code, 0);
}

#[test]
fn fetch_tells_a_page_that_was_cut_from_a_whole_one() {
    let origin = Origin::with("/", Reply::fresh("half").cut(4));
    let run = Netctl::new().run(&["fetch", &format!("http://{}/", origin.address())]);
    assert_ne!(run.code, 0, "{run:?}");
}

#[test]
fn the_menu_of_the_original_works_from_a_script() {
    let system = System::start();
    let proxy = system.proxyd.address("http");
    let relay = system.proxyd.address("udp");
    // 1 sets the proxy's address, 2 asks for a page twice, 3 tests, 4 simulates clients, 0 leaves.
    let script =
        format!("1\n{}\n{}\n{}\n2\n/\n2\n/\n3\n\n4\n\n0\n", proxy.ip(), proxy.port(), relay.port());
    let run = system.netctl.run_with_input(&["menu"], &script);
    assert_eq!(run.code, 0, "{run:?}");
    let said = run.stdout.to_lowercase();
    for expected in ["miss", "hit", "loss", "latency", "jitter", "throughput"] {
        assert!(said.contains(expected), "{expected} in {}", run.stdout);
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Netctl::new().text(&["completions", shell]);
        assert!(script.contains("netctl") && script.contains("purge"), "{shell}");
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let _ = Netctl::new().text(&["man", directory.path().to_str().unwrap()]);
    let pages: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["netctl.1", "netctl-cache-purge.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} in {pages:?}");
    }
}

#[test]
fn a_sample_site_greets_as_the_original_did() {
    let root = selat_tests::repository().join("www");
    let websrvd = selat_tests::Daemon::serving(&root).start();
    let page = curl_get(&websrvd.url("/"), &[]);
    assert!(String::from_utf8_lossy(&page.body).contains("Halo dari Web Server Socket!"));
}
