//! The control socket and the gRPC services on it.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;
use selat_proto::v1::{
    GetStatusRequest, WatchEventsRequest, daemon_service_client::DaemonServiceClient,
};
use selat_tests::{Client, Daemon, Load, Netctl, PATIENCE, Reuse, System};
use tokio::{runtime::Runtime, time::timeout};
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

async fn connect(daemon: &Daemon) -> Channel {
    let target = format!("unix://{}", daemon.control_socket().display());
    Endpoint::from_shared(target).unwrap().connect().await.unwrap()
}

#[test]
fn both_daemons_answer_health_and_reflection() {
    let system = System::start();
    Runtime::new().unwrap().block_on(async {
        for daemon in [&system.websrvd, &system.proxyd] {
            let channel = connect(daemon).await;
            let request = HealthCheckRequest { service: String::new() };
            let health = HealthClient::new(channel.clone()).check(request).await.unwrap();
            assert_eq!(health.into_inner().status, 1, "SERVING");
            let services = services(channel).await;
            for service in ["selat.v1.DaemonService", "grpc.health.v1.Health"] {
                assert!(services.iter().any(|known| known == service), "{services:?}");
            }
        }
        let own = services(connect(&system.proxyd).await).await;
        for service in ["selat.v1.CacheService", "selat.v1.RelayService"] {
            assert!(own.iter().any(|known| known == service), "{own:?}");
        }
    });
}

async fn services(channel: Channel) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap();
    match answer.message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_tell_of_a_purge_and_who_asked() {
    let system = System::start();
    Runtime::new().unwrap().block_on(async {
        let mut client = DaemonServiceClient::new(connect(&system.proxyd).await);
        let mut events = client.watch_events(WatchEventsRequest {}).await.unwrap().into_inner();
        let url = system.proxyd.url("/");
        let netctl = system.netctl.clone();
        let purge = tokio::task::spawn_blocking(move || {
            assert!(!netctl.text(&["fetch", "--fail", &url]).is_empty());
            netctl.text(&["cache", "purge", &url])
        });
        purge.await.unwrap();
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(event.kind, "purged");
        assert!(event.actor.starts_with("uid="), "{event:?}");
        assert!(event.message.starts_with("1 variant removed: "), "{event:?}");
    });
}

#[test]
fn the_control_socket_is_for_owner_and_group_only() {
    let system = System::start();
    for daemon in [&system.websrvd, &system.proxyd] {
        let mode = fs::metadata(daemon.control_socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660, "{:o}", mode);
    }
}

#[test]
fn a_stale_control_socket_is_replaced() {
    let proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]);
    let socket = proxyd.control_socket();
    let mut dead = proxyd.start();
    dead.process().signal(Signal::KILL);
    dead.exit_status();
    assert!(socket.exists(), "a killed daemon cannot clean up");
    let next = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).in_directory_of(&dead).start();
    let _ = Netctl::new().proxyd(&next).text(&["status", "proxyd"]);
}

#[test]
fn the_control_socket_of_a_live_daemon_is_left_alone() {
    let live = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    let (status, log) =
        Daemon::proxyd().args(["--http", "127.0.0.1:0"]).in_directory_of(&live).fail();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("control.sock") && log.contains("running"), "{log}");
    let _ = Netctl::new().proxyd(&live).text(&["status", "proxyd"]);
}

#[test]
fn the_control_socket_is_gone_after_a_stop() {
    let mut proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    proxyd.terminate();
    assert!(proxyd.exit_status().success());
    assert!(!proxyd.control_socket().exists());
}

#[test]
fn the_control_plane_answers_while_the_data_plane_is_saturated() {
    let system = System::start();
    Client::connect(system.proxyd.address("http")).get("/").unwrap();
    let load = Load::start(system.proxyd.address("http"), "/", "hello", Reuse::KeepAlive, 32);
    load.wait_for_more(1_000);
    Runtime::new().unwrap().block_on(async {
        let mut client = DaemonServiceClient::new(connect(&system.proxyd).await);
        for _ in 0..50 {
            let status = client.get_status(GetStatusRequest {}).await.unwrap().into_inner();
            assert!(status.connections_active >= 32, "{status:?}");
        }
    });
    load.wait_for_more(1_000);
    let tally = load.stop();
    assert_eq!(tally.failed, [] as [String; 0]);
}
