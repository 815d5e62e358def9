//! Who may do what: everything on the control socket, looking on the status socket.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use selat_proto::{
    socket::status_socket,
    v1::{
        CacheServiceGetStatsRequest, FlushRequest, GetStatusRequest, PurgeRequest, ReloadRequest,
        SetLogLevelRequest, cache_service_client::CacheServiceClient,
        daemon_service_client::DaemonServiceClient, purge_request::Selection,
    },
};
use selat_tests::{Daemon, Descriptor, NOBODY, Netctl, System};
use tokio::runtime::Runtime;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// A group that every Debian has, for sockets that are not ours.
const DAEMON_GROUP: u32 = 1;

fn status_of(daemon: &Daemon) -> PathBuf {
    status_socket(daemon.control_socket())
}

async fn connect(socket: &Path) -> Channel {
    let target = format!("unix://{}", socket.display());
    Endpoint::from_shared(target).unwrap().connect().await.unwrap()
}

#[test]
fn the_status_socket_is_for_looking_only_on_both_daemons() {
    let system = System::start();
    Runtime::new().unwrap().block_on(async {
        for daemon in [&system.websrvd, &system.proxyd] {
            let channel = connect(&status_of(daemon)).await;
            let mut client = DaemonServiceClient::new(channel.clone());
            let status = client.get_status(GetStatusRequest {}).await.unwrap().into_inner();
            let reload = client.reload(ReloadRequest { check_only: true }).await.unwrap_err();
            assert_eq!(reload.code(), Code::PermissionDenied, "{reload}");
            let filter = SetLogLevelRequest { filter: "debug".to_owned(), ttl: None };
            let log_level = client.set_log_level(filter).await.unwrap_err();
            assert_eq!(log_level.code(), Code::PermissionDenied, "{log_level}");
            let after = client.get_status(GetStatusRequest {}).await.unwrap().into_inner();
            assert_eq!(
                (after.config_generation, after.log_filter),
                (status.config_generation, status.log_filter)
            );
            let health = HealthCheckRequest { service: String::new() };
            assert!(HealthClient::new(channel).check(health).await.is_ok());
        }
    });
}

#[test]
fn who_may_only_look_can_neither_purge_nor_flush() {
    let system = System::start();
    let url = system.proxyd.url("/");
    let _ = system.netctl.text(&["fetch", &url]);
    Runtime::new().unwrap().block_on(async {
        let mut cache = CacheServiceClient::new(connect(&status_of(&system.proxyd)).await);
        let selection = Some(Selection::Url(url));
        let purge = PurgeRequest { selection, ..PurgeRequest::default() };
        assert_eq!(cache.purge(purge).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(cache.flush(FlushRequest {}).await.unwrap_err().code(), Code::PermissionDenied);
        let stats =
            cache.get_stats(CacheServiceGetStatsRequest::default()).await.unwrap().into_inner();
        assert_eq!((stats.entries, stats.purges), (1, 0), "{stats:?}");
    });
}

#[test]
fn netctl_looks_where_it_may_not_control_and_says_which_group_may() {
    let proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    let directory = proxyd.directory();
    let netctl = Netctl::new().proxyd(&proxyd).unprivileged(directory);
    let is_root = rustix::process::geteuid().is_root();
    fs::set_permissions(proxyd.control_socket(), fs::Permissions::from_mode(0o000)).unwrap();
    if is_root {
        chown(proxyd.control_socket(), None, Some(DAEMON_GROUP)).unwrap();
        chown(status_of(&proxyd), None, Some(NOBODY)).unwrap();
    }
    assert_eq!(netctl.json(&["status", "proxyd"])["proxyd"]["state"], "DAEMON_STATE_SERVING");
    assert_eq!(netctl.json(&["cache", "stats"])["hits"], 0);
    for arguments in
        [&["cache", "flush"][..], &["reload", "proxyd"], &["log-level", "debug", "proxyd"]]
    {
        let refused = netctl.run(arguments);
        assert_eq!(refused.code, 77, "{refused:?}");
        assert!(refused.stderr.contains("look at proxyd but not change it"), "{refused:?}");
        assert!(refused.stderr.contains("control.sock"), "{refused:?}");
        assert_eq!(refused.stderr.contains("usermod -aG daemon"), is_root, "{refused:?}");
    }
}

#[test]
fn who_may_do_neither_is_told_both_groups() {
    let proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    let netctl = Netctl::new().proxyd(&proxyd).unprivileged(proxyd.directory());
    for socket in [proxyd.control_socket().to_owned(), status_of(&proxyd)] {
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(proxyd.control_socket(), None, Some(DAEMON_GROUP)).unwrap();
        chown(status_of(&proxyd), None, Some(DAEMON_GROUP + 1)).unwrap();
    }
    let socket = proxyd.control_socket().to_str().unwrap();
    for arguments in [&["status", "proxyd"], &["cache", "stats"]] {
        let refused = netctl.run(arguments);
        assert_eq!(refused.code, 77, "{refused:?}");
        for said in ["you may not control proxyd", socket, "sudo"] {
            assert!(refused.stderr.contains(said), "{said} in {refused:?}");
        }
        for group in ["usermod -aG daemon", "or bin to look only"] {
            assert_eq!(refused.stderr.contains(group), is_root, "{group} in {refused:?}");
        }
    }
}

#[test]
fn both_sockets_are_for_owner_and_group_only_and_gone_after_a_stop() {
    let mut proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    let sockets = [proxyd.control_socket().to_owned(), status_of(&proxyd)];
    for socket in &sockets {
        let mode = fs::metadata(socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660, "{mode:o}");
    }
    proxyd.terminate();
    assert!(proxyd.exit_status().success());
    assert!(sockets.iter().all(|socket| !socket.exists()));
}

#[test]
fn the_service_manager_decides_which_of_the_two_there_are() {
    for has_status in [true, false] {
        let sockets = tempfile::tempdir().unwrap();
        let path = |name: &str| sockets.path().join(name);
        let bound = |name: &str| UnixListener::bind(path(name)).unwrap();
        let mut proxyd = Daemon::proxyd()
            .args(["--http", "127.0.0.1:0"])
            .inherit(Descriptor::new("control", bound("control.sock")));
        if has_status {
            proxyd = proxyd.inherit(Descriptor::new("status", bound("status.sock")));
        }
        let proxyd = proxyd.start();
        assert!(!status_of(&proxyd).exists(), "one of its own making");
        let control = path("control.sock");
        let status =
            Netctl::new().json(&["--proxyd", control.to_str().unwrap(), "status", "proxyd"]);
        let listeners = status["proxyd"]["listeners"].as_array().unwrap();
        let roles: Vec<_> =
            listeners.iter().filter(|it| it["inherited"] == true).map(|it| &it["role"]).collect();
        let expected: &[&str] = if has_status { &["status", "control"] } else { &["control"] };
        assert_eq!(roles, expected, "{listeners:?}");
    }
}
