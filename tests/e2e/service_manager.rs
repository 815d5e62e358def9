//! Life under a service manager: inherited sockets and notifications.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixListener,
    time::Duration,
};

use selat_tests::{
    Client, Daemon, Descriptor, Gate, Load, Manager, Netctl, Origin, PATIENCE, PausedThread, Reply,
    Reuse,
};

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    fs::write(site.path().join("index.html"), "hello").unwrap();
    site
}

#[test]
fn websrvd_takes_over_tcp_udp_and_unix_sockets_by_name() {
    let (site, sockets) = (site(), tempfile::tempdir().unwrap());
    let control = sockets.path().join("control.sock");
    let http = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = http.each_ref().map(|listener| listener.local_addr().unwrap());
    let echo_address = echo.local_addr().unwrap();
    let [first, second] = http;
    let websrvd = Daemon::websrvd()
        .args(["--root", site.path().to_str().unwrap()])
        .inherit(Descriptor::new("control", UnixListener::bind(&control).unwrap()))
        .inherit(Descriptor::new("http", first))
        .inherit(Descriptor::new("echo", echo))
        .inherit(Descriptor::new("http", second))
        .start();
    assert_eq!(websrvd.addresses("http"), addresses);
    assert_eq!(websrvd.addresses("echo"), [echo_address]);
    for address in addresses {
        assert_eq!(Client::connect(address).get("/").unwrap().text(), "hello");
    }
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"echo", echo_address).unwrap();
    let mut reply = [0; 8];
    let len = client.recv(&mut reply).unwrap();
    assert_eq!(&reply[..len], b"echo");
    let control = control.to_str().unwrap();
    let _ = Netctl::new().text(&["--websrvd", control, "reload", "websrvd"]);
}

#[test]
fn proxyd_takes_over_its_http_sockets() {
    let origin = Origin::with("/", Reply::fresh("hello"));
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = http.local_addr().unwrap();
    let proxyd = Daemon::caching(origin.address()).inherit(Descriptor::new("http", http)).start();
    assert_eq!(proxyd.addresses("http"), [address]);
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "hello");
}

#[test]
fn what_is_passed_in_needs_no_address() {
    let (site, http) = (site(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = http.local_addr().unwrap();
    let toml = format!("root = {:?}\nhttp = []\necho = []\n", site.path());
    let passed = || Descriptor::new("http", http.try_clone().unwrap());
    let websrvd = Daemon::websrvd().config(&toml).inherit(passed()).start();
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "hello");
    let _ = Netctl::new().websrvd(&websrvd).text(&["reload", "websrvd"]);
    drop(websrvd);

    let origin = Origin::with("/", Reply::fresh("from the origin"));
    let toml = format!("origin = \"http://{}\"\nhttp = []\nudp = []\n", origin.address());
    let proxyd = Daemon::proxyd().config(&toml).inherit(passed()).start();
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "from the origin");
    drop(proxyd);

    let control = site.path().join("control.sock");
    let control = Descriptor::new("control", UnixListener::bind(control).unwrap());
    let (status, told) = Daemon::proxyd().config(&toml).inherit(control).fail();
    assert_eq!(status.code(), Some(78), "{told}");
    assert!(told.contains("nothing would be served"), "{told}");
}

#[test]
fn configured_addresses_that_no_passed_socket_serves_are_told() {
    let (site, http) = (site(), TcpListener::bind("127.0.0.1:0").unwrap());
    let served = http.local_addr().unwrap().to_string();
    let websrvd = Daemon::websrvd()
        .args(["--root", site.path().to_str().unwrap(), "--echo", "127.0.0.1:0"])
        .args(["--http", &served, "--http", "127.0.0.2:8000"])
        .inherit(Descriptor::new("http", http))
        .start();
    let told = websrvd.process().wait_for_log("not listened on");
    assert!(told.contains("WARN") && told.contains("127.0.0.2:8000"), "{told}");
    let log = websrvd.process().stderr();
    let mut lines = log.lines().filter(|line| line.contains("not listened on"));
    assert!(lines.all(|line| !line.contains(&served)), "{log}");
}

#[test]
fn a_restart_on_inherited_sockets_loses_no_request() {
    let (site, http) = (site(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = http.local_addr().unwrap();
    let start = || {
        let root = site.path().to_str().unwrap();
        let passed = Descriptor::new("http", http.try_clone().unwrap());
        Daemon::websrvd().args(["--root", root, "--echo", "127.0.0.1:0"]).inherit(passed).start()
    };
    let mut websrvd = start();
    let loads = Reuse::ALL.map(|reuse| Load::start(address, "/", "hello", reuse, 4));
    for _ in 0..3 {
        loads.iter().for_each(|load| load.wait_for_more(100));
        websrvd.terminate();
        assert_eq!(websrvd.exit_status().code(), Some(0));
        websrvd = start();
    }
    for load in loads {
        load.wait_for_more(100);
        let tally = load.stop();
        assert_eq!((tally.failed, tally.unconnected), (Vec::new(), 0), "after {} good", tally.ok);
    }
}

#[test]
fn life_is_reported_to_the_service_manager() {
    let site = site();
    let flags = ["--http", "127.0.0.1:0"];
    for launcher in [Daemon::serving(site.path()), Daemon::proxyd().args(flags)] {
        let mut daemon = launcher.managed(Manager::new()).start();
        let ready = daemon.manager().wait_for("READY=1", 0);
        assert!(daemon.manager().report(ready).contains("STATUS="));
        daemon.process().signal(rustix::process::Signal::HUP);
        let reloading = daemon.manager().wait_for("RELOADING=1", ready);
        assert!(daemon.manager().report(reloading).contains("MONOTONIC_USEC="));
        let reloaded = daemon.manager().wait_for("READY=1", reloading);
        daemon.terminate();
        daemon.manager().wait_for("STOPPING=1", reloaded);
        assert_eq!(daemon.exit_status().code(), Some(0));
    }
}

#[test]
fn a_watchdog_is_not_fed_while_a_thread_of_the_data_plane_is_wedged() {
    let site = site();
    let flags = ["--http", "127.0.0.1:0"];
    for (name, launcher) in
        [("websrvd", Daemon::serving(site.path())), ("proxyd", Daemon::proxyd().args(flags))]
    {
        let manager = Manager::with_watchdog(Duration::from_millis(400));
        let daemon = launcher.args(["--threads", "2"]).managed(manager).start();
        let _ = daemon.manager().wait_for("WATCHDOG=1", 0);
        let wedged = PausedThread::of(daemon.process(), &format!("{name}-1"));
        daemon.process().wait_for_logs("made no progress", 1);
        let fed = daemon.manager().count("WATCHDOG=1");
        daemon.process().wait_for_logs("made no progress", 3);
        assert_eq!(daemon.manager().count("WATCHDOG=1"), fed, "{name} was fed while wedged");
        drop(wedged);
        let _ = daemon.manager().wait_for("WATCHDOG=1", daemon.manager().seen());
    }
}

#[test]
fn a_watchdog_is_fed_while_the_data_plane_is_busy() {
    let site = site();
    let manager = Manager::with_watchdog(Duration::from_secs(2));
    let websrvd = Daemon::serving(site.path()).args(["--threads", "1"]).managed(manager).start();
    let address = websrvd.address("http");
    let load = Load::start(address, "/", "hello", Reuse::KeepAlive, 16);
    load.wait_for_more(100);
    let mut seen = websrvd.manager().seen();
    for _ in 0..3 {
        seen = websrvd.manager().wait_for("WATCHDOG=1", seen);
    }
    assert!(!websrvd.process().stderr().contains("made no progress"));
    assert_eq!(load.stop().failed, [] as [String; 0]);
}

#[test]
fn a_watchdog_is_fed_until_what_is_in_flight_at_the_stop_has_ended() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let manager = Manager::with_watchdog(Duration::from_millis(400));
    let mut proxyd = Daemon::caching(origin.address()).managed(manager).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    client.receive_head().unwrap();
    assert_eq!(client.read_exactly(6).unwrap(), b"first,");
    proxyd.terminate();
    let mut seen = proxyd.manager().wait_for("STOPPING=1", 0);
    for _ in 0..3 {
        seen = proxyd.manager().wait_for("WATCHDOG=1", seen);
    }
    gate.open();
    assert_eq!(client.read_exactly(6).unwrap(), b"second");
    assert_eq!(proxyd.exit_status().code(), Some(0));
}

#[test]
fn a_watchdog_is_fed_as_long_as_the_data_plane_lives() {
    let site = site();
    let flags = ["--http", "127.0.0.1:0"];
    for launcher in [Daemon::serving(site.path()), Daemon::proxyd().args(flags)] {
        let manager = Manager::with_watchdog(Duration::from_millis(200));
        let daemon = launcher.managed(manager).start();
        let first = daemon.manager().wait_for("WATCHDOG=1", 0);
        daemon.manager().wait_for("WATCHDOG=1", first);
    }
}
