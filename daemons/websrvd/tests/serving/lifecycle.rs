//! Reload, shutdown, the control socket.

use std::{
    fs,
    net::{TcpStream, UdpSocket},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use selat_proto::stamp::{ErrorEstimate, Packet, SenderPacket, Timestamp};
use selat_proto::v1::{
    EchoServiceGetStatsRequest, WatchEventsRequest, daemon_service_client::DaemonServiceClient,
    echo_service_client::EchoServiceClient,
};

use crate::{
    control::Control,
    harness::{Client, Server, write},
};

fn second_root(server: &Server) -> PathBuf {
    let root = server.beside("second");
    write(&root.join("index.html"), b"second");
    root
}

#[test]
fn a_reload_serves_another_root_on_the_connections_that_are_open() {
    let server = Server::of(&[("index.html", b"first")]);
    let mut client = server.connect();
    assert_eq!(client.request("GET", "/", &[]).body, b"first");
    server.rewrite(&second_root(&server), "cache_control = \"no-cache\"\n");
    let control = Control::of(&server);
    let changes = control.reload().unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[0].starts_with("cache_control: ") && changes[1].starts_with("root: "));
    let reply = client.request("GET", "/", &[]);
    assert_eq!((reply.body.as_slice(), reply.field("cache-control")), (&b"second"[..], "no-cache"));
    assert_eq!(control.status().config_generation, 2);
}

#[test]
fn a_reload_follows_the_root_to_where_its_path_leads_now() {
    let server = Server::of(&[("index.html", b"first")]);
    let current = server.beside("current");
    symlink(server.root(), &current).unwrap();
    server.rewrite(&current, "");
    let control = Control::of(&server);
    control.reload().unwrap();
    fs::remove_file(&current).unwrap();
    symlink(second_root(&server), &current).unwrap();
    assert_eq!(server.get("/").body, b"first", "a release is not mixed with the next");
    assert_eq!(control.reload(), Ok(vec![]));
    assert_eq!(server.get("/").body, b"second");
}

#[test]
fn a_hangup_is_a_reload() {
    let server = Server::of(&[("index.html", b"first")]);
    let control = Control::of(&server);
    let mut daemon = DaemonServiceClient::new(control.channel.clone());
    let watching = control.runtime.block_on(daemon.watch_events(WatchEventsRequest {}));
    let mut events = watching.unwrap().into_inner();
    server.rewrite(&second_root(&server), "");
    server.hang_up();
    let event = control.runtime.block_on(events.message()).unwrap().unwrap();
    assert_eq!((event.kind.as_str(), event.actor.as_str()), ("reloaded", "signal"));
    assert_eq!(server.get("/").body, b"second");
}

#[test]
fn a_bad_configuration_is_refused_with_every_error_and_the_old_one_serves_on() {
    let server = Server::of(&[("index.html", b"first")]);
    let control = Control::of(&server);
    server.rewrite(Path::new("/nowhere/at/all"), "colour = \"red\"\n[limits]\nheaders = 0\n");
    let refused = control.reload().unwrap_err();
    for expected in ["no such directory", "colour: unknown key", "limits.headers = \"0\": must be"]
    {
        assert!(refused.contains(expected), "{expected} is not in {refused}");
    }
    assert_eq!(server.get("/").body, b"first");
    assert!(control.status().config_error.contains("no such directory"));
    server.rewrite(&server.root(), "");
    assert_eq!(control.reload(), Ok(vec![]));
    assert!(control.status().config_error.is_empty());
}

#[test]
fn what_takes_a_restart_is_refused_and_nothing_of_it_is_applied() {
    let server = Server::of(&[("index.html", b"first")]);
    server.rewrite(&second_root(&server), "threads = 3\n");
    let refused = Control::of(&server).reload().unwrap_err();
    assert!(refused.contains("takes a restart: threads: 2 is now 3"), "{refused}");
    assert_eq!(server.get("/").body, b"first");
}

#[test]
fn a_reload_moves_listeners_and_cuts_off_no_connection() {
    let server = Server::of(&[("index.html", b"hello")]);
    let old = server.http();
    let mut client = server.connect();
    assert_eq!(client.request("GET", "/", &[]).body, b"hello");
    server.rewrite(&server.root(), "http = [\"127.0.0.2:0\", \"127.0.0.3:0\"]\necho = []\n");
    let control = Control::of(&server);
    control.reload().unwrap();
    let listeners = control.status().listeners;
    let of_role = |role| listeners.iter().filter(move |it| it.role == role).collect::<Vec<_>>();
    assert_eq!((of_role("http").len(), of_role("echo").len(), of_role("control").len()), (2, 0, 1));
    for listener in of_role("http") {
        let mut client = Client::connect(listener.address.parse().unwrap());
        assert_eq!(client.request("GET", "/", &[]).body, b"hello");
    }
    assert_eq!(client.request("GET", "/", &[]).body, b"hello", "an open connection lives on");
    // The accept loops hear of it on their own threads.
    while TcpStream::connect(old).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn reloads_under_load_lose_no_request() {
    let server = Server::of(&[("index.html", b"first")]);
    let second = second_root(&server);
    let control = Control::of(&server);
    let address = server.http();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut kept = Client::connect(address);
                for _ in 0..100 {
                    let fresh = Client::connect(address).request("GET", "/", &[]);
                    for reply in [fresh, kept.request("GET", "/", &[])] {
                        assert!(reply.complete && reply.status == 200);
                        assert!([&b"first"[..], b"second"].contains(&reply.body.as_slice()));
                    }
                }
            })
        })
        .collect();
    for turn in 0..40 {
        let root = if turn % 2 == 0 { second.clone() } else { server.root() };
        server.rewrite(&root, "");
        control.reload().unwrap();
    }
    assert!(clients.into_iter().all(|client| client.join().is_ok()));
}

#[test]
fn shutdown_lets_a_download_end() {
    let content = vec![7; 64 << 20];
    let server = Server::of(&[("large.bin", &content)]);
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let mut reply = client.head();
    reply.body = client.part(1 << 20);
    server.terminate();
    client.body(&mut reply);
    assert!(reply.complete && reply.body == content);
    assert!(client.is_closed());
    let (address, control) = (server.http(), server.control());
    server.join().unwrap();
    assert!(TcpStream::connect(address).is_err());
    assert!(!control.exists());
}

#[test]
fn shutdown_serves_what_a_connection_still_asks_for_and_says_when_to_stop() {
    let server = Server::configured(&[("index.html", b"hello")], "[timeouts]\nlinger = \"20s\"\n");
    let mut client = server.connect();
    assert_eq!(client.request("GET", "/", &[]).field("connection"), "");
    server.terminate();
    // Each request is served; one of them is told that it was the last, and then it is.
    while client.request("GET", "/", &[]).field("connection") != "close" {}
    assert!(client.is_closed());
    server.join().unwrap();
}

#[test]
fn shutdown_has_a_deadline() {
    let settings = "[timeouts]\nlinger = \"10ms\"\ndrain = \"50ms\"\n";
    let server = Server::configured(&[("large.bin", &vec![7; 64 << 20])], settings);
    let mut client = server.connect();
    client.send("GET", "/large.bin", &[]);
    let mut reply = client.head();
    server.terminate();
    server.join().unwrap();
    client.body(&mut reply);
    assert!(!reply.complete, "what nobody reads is cut off");
}

#[test]
fn a_live_control_socket_is_not_taken_over_but_a_stale_one_is() {
    let server = Server::of(&[("index.html", b"hello")]);
    let refused = server.twin().err().unwrap();
    assert!(refused.contains("belongs to a daemon that is running"), "{refused}");
    assert_eq!(Control::of(&server).status().daemon, "websrvd");

    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let second = Server::configured(&[("index.html", b"hello")], &format!("control = {stale:?}\n"));
    assert_eq!(second.get("/").body, b"hello");
    let mode =
        fs::metadata(&stale).map(|it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()));
    assert_eq!(mode.unwrap() & 0o777, 0o660);
}

#[test]
fn the_control_socket_tells_what_was_served() {
    let server = Server::of(&[("index.html", b"hello"), ("docs/index.html", b"")]);
    let mut client = server.connect();
    let etag = client.request("GET", "/", &[]).field("etag").to_owned();
    client.request("HEAD", "/", &[]);
    client.request("GET", "/", &[&format!("If-None-Match: {etag}")]);
    client.request("GET", "/", &["Range: bytes=0-1"]);
    client.request("GET", "/", &["Range: bytes=9-"]);
    client.request("GET", "/", &["If-Match: \"x\""]);
    client.request("GET", "/docs", &[]);
    client.request("GET", "/missing", &[]);
    client.request("GET", "/%00", &[]);
    client.request("POST", "/", &["Content-Length: 0"]);
    let control = Control::of(&server);
    let told = control.web();
    let counts = [
        told.requests,
        told.files,
        told.not_modified,
        told.ranges,
        told.range_refused,
        told.precondition_failed,
        told.redirects,
        told.not_found,
        told.bad_target,
        told.method_refused,
    ];
    assert_eq!(counts, [10, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!((told.overloaded, told.failed, told.bodies_cut), (0, 0, 0));
    assert!(told.body_bytes > 7 && told.root == server.root().display().to_string());
    let status = control.status();
    assert_eq!((status.requests, status.connections_active, status.threads), (10, 1, 2));
}

#[test]
fn datagrams_come_back_and_are_counted() {
    let server = Server::configured(&[], "echo = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let echoes = server.addresses("echo");
    assert_eq!(echoes.len(), 2);
    for echo in &echoes {
        client.send_to(b"probe", echo).unwrap();
        let mut answer = [0; 16];
        let (length, from) = client.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..length], from), (&b"probe"[..], *echo));
    }
    let control = Control::of(&server);
    let mut echo = EchoServiceClient::new(control.channel.clone());
    let told = control.runtime.block_on(echo.get_stats(EchoServiceGetStatsRequest {}));
    let told = told.unwrap().into_inner();
    assert_eq!((told.received, told.received_bytes), (2, 10));
    assert_eq!(told.dropped.len(), 8);
}

#[test]
fn a_reload_turns_the_reflector_off_and_on() {
    let server = Server::configured(&[], "reflector = false\n");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.connect(server.addresses("echo")[0]).unwrap();
    let control = Control::of(&server);
    let mut probe = [0; 44];
    let (sent, error) = (Timestamp::default(), ErrorEstimate::UNSYNCHRONISED);
    SenderPacket { seq: 3, sent, error, ssid: 1 }.encode(&mut probe).unwrap();
    let ask = || {
        let mut answer = [0; 64];
        client.send(&probe).unwrap();
        let length = client.recv(&mut answer).unwrap();
        Packet::decode(&answer[..length])
    };
    assert!(matches!(ask(), Ok(Packet::Sender(_))));
    server.rewrite(&server.root(), "reflector = true\n");
    assert_eq!(control.reload().unwrap(), ["reflector: false is now true"]);
    assert!(matches!(ask(), Ok(Packet::Reflector(answer)) if answer.sender_seq == 3));
}

#[test]
fn every_error_of_a_configuration_is_told_at_once() {
    use selat_runtime::{config::Sources, process::ProcessConfig};
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    let lines = [
        "root = \"/etc/passwd\"",
        "http = [\"127.0.0.1:8000\", \"0.0.0.0:8000\", \"here\"]",
        "echo = [\"127.0.0.1:8000\"]",
        "log = \"loud=?=\"",
        "[limits]",
        "connection = 5",
        "disk_jobs = 0",
        "[timeouts]",
        "drain = \"soon\"",
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let errors = websrvd::Config::read(&Sources::of("websrvdtest").with_file(file)).unwrap_err();
    let report = errors.to_string();
    for expected in [
        "bad.toml:1: root = \"/etc/passwd\": this is not a directory",
        "bad.toml:2: http = \"here\": an address is expected",
        "0.0.0.0:8000 is covered by an address before it",
        "is no log filter",
        "bad.toml:6: limits.connection: unknown key; did you mean limits.connections?",
        "bad.toml:7: limits.disk_jobs = \"0\": must be from 1",
        "bad.toml:9: timeouts.drain = \"soon\": a duration is expected",
    ] {
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
    assert_eq!(errors.errors().len(), 7, "{report}");
}
