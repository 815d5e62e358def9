//! Configurations that change under load.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use selat_tests::{Client, Daemon, Flow, Load, Netctl, Origin, Reply, Reuse, Upstream};
use serde_json::Value;

const RELOADS: usize = 20;

/// Time for all of them, with the load that goes on meanwhile.
const TOGETHER: Duration = Duration::from_secs(60);

/// The status of one daemon.
fn status(netctl: &Netctl, daemon: &str) -> Value {
    netctl.json(&["status", daemon])[daemon].clone()
}

/// Reloads again and again between two configurations while old and new connections ask, and datagrams come to the
/// address of `udp`.
fn reload_under_load(daemon: &Daemon, name: &str, udp: &str, configurations: [&str; 2]) {
    let netctl = Netctl::new().websrvd(daemon).proxyd(daemon);
    let address = daemon.address("http");
    let flow = Flow::start(daemon.address(udp));
    let loads = Reuse::ALL.map(|reuse| Load::start(address, "/", "hello", reuse, 2));
    let begun = Instant::now();
    for round in 0..RELOADS {
        flow.wait_for_more(10);
        loads.iter().for_each(|load| load.wait_for_more(20));
        daemon.rewrite_config(configurations[(round + 1) % 2]);
        let applied = netctl.json(&["reload", name]);
        assert_eq!(applied[name]["config_generation"], Value::from(round + 2), "{applied}");
    }
    assert!(begun.elapsed() < TOGETHER, "{:?}", begun.elapsed());
    for load in loads {
        load.wait_for_more(20);
        let tally = load.stop();
        assert_eq!((tally.failed, tally.unconnected), (Vec::new(), 0), "after {} good", tally.ok);
    }
    flow.wait_for_more(10);
    let (sent, lost) = flow.stop();
    assert_eq!(lost, [] as [u64; 0], "of {sent}");
}

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    fs::write(site.path().join("index.html"), "hello").unwrap();
    site
}

fn websrvd_config(root: &Path, more: &str) -> String {
    format!("root = {root:?}\necho = [\"127.0.0.1:0\"]\n{more}\n")
}

#[test]
fn websrvd_loses_no_request_while_a_listener_comes_and_goes() {
    let site = site();
    let one = websrvd_config(site.path(), "http = [\"127.0.0.1:0\"]");
    let two = websrvd_config(site.path(), "http = [\"127.0.0.1:0\", \"127.0.0.2:0\"]");
    let websrvd = Daemon::websrvd().config(&one).start();
    reload_under_load(&websrvd, "websrvd", "echo", [&one, &two]);
}

fn proxyd_config(origin: SocketAddr, more: &str) -> String {
    format!("origin = \"http://{origin}\"\nudp = []\n{more}\n")
}

/// One that relays to `upstream`, too.
fn relaying_config(origin: SocketAddr, upstream: &Upstream, http: &str) -> String {
    let upstream = upstream.address();
    format!("origin = \"http://{origin}\"\nudp = [\"127.0.0.1:0={upstream}\"]\nhttp = [{http}]\n")
}

#[test]
fn proxyd_loses_no_request_while_a_listener_comes_and_goes() {
    let (upstream, origin) = (Upstream::start(), Origin::with("/", Reply::fresh("hello")));
    let [one, two] = ["\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"127.0.0.2:0\""]
        .map(|http| relaying_config(origin.address(), &upstream, http));
    let proxyd = Daemon::proxyd().config(&one).start();
    reload_under_load(&proxyd, "proxyd", "udp", [&one, &two]);
}

#[test]
fn proxyd_loses_no_request_while_its_origin_changes() {
    let origins = [(); 2].map(|()| Origin::with("/", Reply::status(200).piece("hello")));
    let upstream = Upstream::start();
    let [one, two] = origins
        .each_ref()
        .map(|origin| relaying_config(origin.address(), &upstream, "\"127.0.0.1:0\""));
    let proxyd = Daemon::proxyd().config(&one).start();
    reload_under_load(&proxyd, "proxyd", "udp", [&one, &two]);
    assert!(origins.iter().all(|origin| origin.count("/") > 0));
}

#[test]
fn a_new_listener_serves_and_an_old_one_is_gone() {
    let site = site();
    let before = websrvd_config(site.path(), "http = [\"127.0.0.1:0\"]");
    let after = websrvd_config(site.path(), "http = [\"127.0.0.2:0\"]");
    let websrvd = Daemon::websrvd().config(&before).start();
    let netctl = Netctl::new().websrvd(&websrvd);
    let mut old = Client::connect(websrvd.address("http"));
    assert_eq!(old.get("/").unwrap().text(), "hello");
    websrvd.rewrite_config(&after);
    let applied = netctl.json(&["reload", "websrvd"]);
    assert!(applied.to_string().contains("127.0.0.2"), "{applied}");
    let status = status(&netctl, "websrvd");
    let listeners = status["listeners"].as_array().unwrap();
    let http: Vec<_> = listeners.iter().filter(|listener| listener["role"] == "http").collect();
    assert_eq!(http.len(), 1, "{listeners:?}");
    let address: SocketAddr = http[0]["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "hello");
    assert!(Client::try_connect(websrvd.address("http")).is_err(), "the old one still listens");
}

#[test]
fn what_is_cached_survives_a_reload() {
    let origin = Origin::with("/", Reply::fresh("hello"));
    let toml = proxyd_config(origin.address(), "http = [\"127.0.0.1:0\"]");
    let proxyd = Daemon::proxyd().config(&toml).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut client = Client::connect(proxyd.address("http"));
    client.get("/").unwrap();
    proxyd.rewrite_config(&format!("{toml}log = \"debug\"\n"));
    let _ = netctl.text(&["reload", "proxyd"]);
    let hit = client.get("/").unwrap();
    assert!(hit.header("cache-status").contains(";hit"), "{:?}", hit.head);
    assert_eq!(origin.count("/"), 1);
}

#[test]
fn a_hangup_reloads_as_netctl_does() {
    let origin = Origin::with("/", Reply::fresh("hello"));
    let toml = proxyd_config(origin.address(), "http = [\"127.0.0.1:0\"]");
    let proxyd = Daemon::proxyd().config(&toml).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    assert_eq!(status(&netctl, "proxyd")["config_generation"], Value::from(1));
    proxyd.process().signal(Signal::HUP);
    let _ = proxyd.process().wait_for_log("configuration applied");
    assert_eq!(status(&netctl, "proxyd")["config_generation"], Value::from(2));
}
