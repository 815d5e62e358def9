//! A new process takes over in place: nothing is lost, nobody waits, and who cannot take over changes nothing.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use selat_tests::{
    Client, Daemon, Descriptor, Flow, Gate, Load, Netctl, Origin, Reply, Reuse, Service, Upstream,
    binary, install_program, install_script,
};

const UPGRADES: usize = 20;

/// Time in which a request is answered that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(2);

fn hello() -> Origin {
    Origin::with("/", Reply::fresh("hello"))
}

/// Ends the clients, each of which has had to do with more than one process, and none with a failure.
fn nothing_lost(loads: [Load; 3], flow: Flow) {
    for load in loads {
        load.wait_for_more(20);
        let tally = load.stop();
        assert_eq!((tally.failed, tally.unconnected), (Vec::new(), 0), "after {} good", tally.ok);
        assert!(tally.connections > 2, "{}: nobody was told to go elsewhere", tally.connections);
    }
    flow.wait_for_more(10);
    let (sent, lost) = flow.stop();
    assert_eq!(lost, [] as [u64; 0], "of {sent}");
}

#[test]
fn nothing_is_lost_over_upgrades_of_websrvd() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    fs::create_dir(directory.path().join("websrvd")).unwrap();
    fs::write(directory.path().join("index.html"), "hello").unwrap();
    let control = UnixListener::bind(directory.path().join("websrvd/control.sock")).unwrap();
    let (http, echo) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (http_address, echo_address) = (http.local_addr().unwrap(), echo.local_addr().unwrap());
    let mut websrvd = Daemon::websrvd()
        .in_directory(&directory)
        .args(["--root", directory.path().to_str().unwrap()])
        .inherit(Descriptor::new("control", control))
        .inherit(Descriptor::new("http", http))
        .inherit(Descriptor::new("echo", echo))
        .start();
    let flow = Flow::start(echo_address);
    let loads = Reuse::ALL.map(|reuse| Load::start(http_address, "/", "hello", reuse, 2));
    for _ in 0..UPGRADES {
        flow.wait_for_more(10);
        loads.iter().for_each(|load| load.wait_for_more(20));
        let before = websrvd.process().pid();
        let upgraded = websrvd.upgrade();
        assert_eq!(upgraded["previous_pid"], before, "{upgraded}");
        assert_ne!(upgraded["pid"], before, "{upgraded}");
    }
    let _ = websrvd.upgrade_to_its_end();
    nothing_lost(loads, flow);
}

#[test]
fn nothing_is_lost_over_upgrades() {
    let (upstream, origin) = (Upstream::start(), hello());
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    let flow = Flow::start(service.udp());
    let loads = Reuse::ALL.map(|reuse| Load::start(service.http(), "/", "hello", reuse, 2));
    for _ in 0..UPGRADES {
        flow.wait_for_more(10);
        loads.iter().for_each(|load| load.wait_for_more(20));
        let before = proxyd.process().pid();
        let upgraded = proxyd.upgrade();
        assert_eq!(upgraded["previous_pid"], before, "{upgraded}");
        assert_ne!(upgraded["pid"], before, "{upgraded}");
        assert_eq!(upgraded["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(upgraded["sessions"], 1, "{upgraded}");
    }
    let _ = proxyd.upgrade_to_its_end();
    nothing_lost(loads, flow);
    assert_eq!(upstream.sources().len(), 1, "the upstream sees one client all along");
}

#[test]
fn a_signal_upgrades_as_netctl_does() {
    let (upstream, origin) = (Upstream::start(), hello());
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    let flow = Flow::start(service.udp());
    flow.wait_for_more(10);
    let before = proxyd.process().pid();
    let told = proxyd.upgrade_by_signal();
    assert!(told.contains("actor=signal"), "{told}");
    assert_ne!(proxyd.process().pid(), before);
    flow.wait_for_more(10);
    let (sent, lost) = flow.stop();
    assert_eq!(lost, [] as [u64; 0], "of {sent}");
    assert_eq!(Client::connect(service.http()).get("/").unwrap().text(), "hello");
    let again = proxyd.upgrade();
    assert_eq!(again["sessions"], 1, "the session came along: {again}");
}

#[test]
fn a_signal_that_asks_for_what_cannot_be_is_refused_in_the_log() {
    let site = tempfile::tempdir().unwrap();
    fs::write(site.path().join("index.html"), "hello").unwrap();
    let websrvd = Daemon::serving(site.path()).start();
    websrvd.process().signal(Signal::USR2);
    let told = websrvd.process().wait_for_log("upgrade refused");
    for part in ["actor=signal", "only sockets that the service manager passed in"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(Client::connect(websrvd.address("http")).get("/").unwrap().text(), "hello");
}

#[test]
fn a_slow_request_ends_with_the_process_that_began_it_and_keeps_nobody_waiting() {
    let gate = Gate::new();
    let (upstream, origin) = (Upstream::start(), hello());
    origin.on("/slow", Reply::fresh("first,").wait(&gate).piece("second"));
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let mut slow = Client::connect(service.http());
    slow.send("GET", "/slow", &[]).unwrap();
    slow.receive_head().unwrap();
    assert_eq!(slow.read_exactly(6).unwrap(), b"first,");
    let upgraded = proxyd.upgrade();
    let begun = Instant::now();
    assert_eq!(Client::connect(service.http()).get("/").unwrap().text(), "hello");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let status = netctl.json(&["status", "proxyd"])["proxyd"].clone();
    assert_eq!(status["pid"], upgraded["pid"]);
    assert_eq!(status["predecessor_pid"], upgraded["previous_pid"], "{status}");
    gate.open();
    assert_eq!(slow.read_exactly(6).unwrap(), b"second");
    assert!(slow.ends());
    let again = proxyd.upgrade_to_its_end();
    let status = netctl.json(&["status", "proxyd"])["proxyd"].clone();
    assert_eq!(status["predecessor_pid"], 0, "{status}");
    assert_eq!(status["pid"], again["pid"]);
}

#[test]
fn the_service_manager_hears_who_serves_and_keeps_what_is_left() {
    let (upstream, origin) = (Upstream::start(), hello());
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.start();
    assert_eq!(Client::connect(service.http()).get("/").unwrap().text(), "hello");
    let client = service.client();
    let ask = || {
        client.send(b"1").unwrap();
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 1);
    };
    ask();
    service.wait_for_kept_sessions(1);
    let seen = service.manager().seen();
    let upgraded = proxyd.upgrade();
    let named = service.manager().wait_for(&format!("MAINPID={}", upgraded["pid"]), seen);
    let _ = service.manager().wait_for("READY=1", named);
    ask();
    proxyd.kill();
    let proxyd = service.start();
    ask();
    assert_eq!(upstream.sources().len(), 1, "the session outlived both");
    let status = Netctl::new().proxyd(&proxyd).json(&["status", "proxyd"]);
    assert_eq!(status["proxyd"]["requests"], 1, "and so did what was counted");
}

/// A program file that a test can replace.
fn replaceable(directory: &std::path::Path) -> PathBuf {
    let file = directory.join("proxyd.program");
    install_program(binary("proxyd"), &file);
    file
}

#[test]
fn who_cannot_take_over_changes_nothing() {
    let programs = tempfile::tempdir().unwrap();
    let file = replaceable(programs.path());
    let (upstream, origin) = (Upstream::start(), hello());
    let service = Service::new(&upstream, &origin);
    let mut proxyd = service.launcher().program(&file).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    let flow = Flow::start(service.udp());
    let refused = |reason: &str| {
        flow.wait_for_more(5);
        let run = netctl.run(&["upgrade", "proxyd"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(reason), "{reason} in {}", run.stderr);
        assert_eq!(Client::connect(service.http()).get("/").unwrap().text(), "hello");
    };
    proxyd.rewrite_config("colour = \"blue\"\n");
    refused("colour");
    proxyd.rewrite_config(service.toml());

    let working = programs.path().join("working");
    fs::rename(&file, &working).unwrap();
    refused("cannot start");
    install_script(&file, "#!/bin/sh\nexit 7\n");
    refused("exit status: 7");
    fs::rename(&working, &file).unwrap();

    let pid = proxyd.process().pid();
    assert_eq!(proxyd.upgrade()["previous_pid"], pid, "the same process all along");
    let (sent, lost) = flow.stop();
    assert_eq!(lost, [] as [u64; 0], "of {sent}");
}

#[test]
fn sockets_that_the_daemon_bound_are_not_handed_over() {
    let origin = hello();
    let proxyd = Daemon::caching(origin.address()).start();
    let run = Netctl::new().proxyd(&proxyd).run(&["upgrade", "proxyd"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("only sockets that the service manager passed in"), "{run:?}");
    assert_eq!(Client::connect(proxyd.address("http")).get("/").unwrap().text(), "hello");
}
