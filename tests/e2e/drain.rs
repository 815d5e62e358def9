//! Stopping without losing a request.

use rustix::process::Signal;
use selat_tests::{Client, Daemon, Gate, Launcher, Load, Manager, Origin, Reply, Reuse, System};

#[test]
fn kept_connections_lose_no_request_when_a_daemon_stops() {
    let system = System::start();
    let System { proxyd, websrvd, .. } = system;
    for mut daemon in [proxyd, websrvd] {
        let load = Load::start(daemon.address("http"), "/", "hello", Reuse::KeepAlive, 8);
        load.wait_for_more(200);
        daemon.terminate();
        // Each client goes on until it is told that its connection ends and nobody listens any more.
        let tally = load.join();
        assert_eq!(tally.failed, [] as [String; 0], "after {} good", tally.ok);
        assert_eq!(daemon.exit_status().code(), Some(0));
    }
}

#[test]
fn a_response_in_flight_is_finished_before_the_exit() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let mut proxyd = Daemon::caching(origin.address()).managed(Manager::new()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    gate.open();
    assert_eq!(client.read_exactly(6).unwrap(), b"second");
    assert!(client.ends());
    assert_eq!(proxyd.exit_status().code(), Some(0));
}

#[test]
fn a_request_that_was_not_yet_read_is_answered_before_the_exit() {
    let system = System::start();
    let System { proxyd, websrvd, .. } = system;
    for mut daemon in [proxyd, websrvd] {
        let mut clients: Vec<_> =
            (0..20).map(|_| Client::connect(daemon.address("http"))).collect();
        for client in &mut clients {
            client.send("GET", "/", &[]).unwrap();
        }
        daemon.terminate();
        for client in &mut clients {
            let response = client.receive("GET").unwrap();
            assert_eq!(response.text(), "hello");
        }
        assert_eq!(daemon.exit_status().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let toml = format!(
        "origin = \"http://{}\"\nhttp = [\"127.0.0.1:0\"]\nudp = []\n[timeouts]\ndrain = \"1h\"\n",
        origin.address()
    );
    let mut proxyd = Daemon::proxyd().config(&toml).managed(Manager::new()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    proxyd.terminate();
    proxyd.manager().wait_for("STOPPING=1", 0);
    proxyd.process().signal(Signal::INT);
    assert_eq!(proxyd.exit_status().code(), Some(0));
    assert!(client.ends());
}

#[test]
fn an_idle_daemon_stops_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        for launcher in [Daemon::proxyd().args(["--http", "127.0.0.1:0"]), idle_websrvd()] {
            let mut daemon = launcher.start();
            daemon.process().signal(signal);
            assert_eq!(daemon.exit_status().code(), Some(0));
        }
    }
}

fn idle_websrvd() -> Launcher {
    Daemon::serving("/usr/share".as_ref())
}
