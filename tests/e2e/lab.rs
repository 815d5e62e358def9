//! The whole system in one process, as a newcomer meets it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use selat_tests::{CSV_HEADER, Client, PATIENCE, Process, binary};

/// How long a daemon waits for what is in flight, where nothing else is configured.
const DRAIN: Duration = Duration::from_secs(30);

#[test]
fn the_tour_shows_a_miss_a_hit_statistics_and_the_quality_of_service() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Command::new(binary("selat-lab"))
        .args(["--once", "--free-ports"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (said, complaints) =
        (String::from_utf8_lossy(&lab.stdout), String::from_utf8_lossy(&lab.stderr));
    assert!(lab.status.success(), "{said}\n{complaints}");
    let lower = said.to_lowercase();
    for shown in ["miss", "hit ratio", "loss", "latency", "jitter", "throughput", "client"] {
        assert!(lower.contains(shown), "{shown} in {said}");
    }
    let hit_after_miss = lower.find("miss").zip(lower.rfind("hit"));
    assert!(hit_after_miss.is_some_and(|(miss, hit)| miss < hit), "{said}");
    let results = fs::read_to_string(directory.path().join("qos_result.csv")).unwrap();
    assert_eq!(results.lines().next(), Some(CSV_HEADER));
    assert!(results.lines().any(|row| row.contains(",udp,") && row.contains(",all,")), "{results}");
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_what_is_in_flight() {
    let directory = tempfile::tempdir().unwrap();
    let page = vec![b'x'; 64 << 20];
    fs::write(directory.path().join("index.html"), "hello").unwrap();
    fs::write(directory.path().join("large"), page).unwrap();
    let mut command = Command::new(binary("selat-lab"));
    command.args(["--free-ports", "--root"]).arg(directory.path()).current_dir(directory.path());
    let mut lab = Process::start(&mut command);
    let itself = lab.find_in_stdout("from websrvd itself").unwrap();
    let url = itself.split_whitespace().next().unwrap();
    let address: SocketAddr =
        url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    lab.find_in_stdout("until Ctrl-C").unwrap();
    // A client that takes no more holds the drain up to its deadline.
    let mut client = Client::connect(address);
    client.send("GET", "/large", &[]).unwrap();
    client.receive_head().unwrap();
    let asked = Instant::now();
    lab.signal(Signal::INT);
    while TcpStream::connect(address).is_ok() {
        assert!(asked.elapsed() < PATIENCE, "the first Ctrl-C ends nothing");
        thread::yield_now();
    }
    lab.signal(Signal::INT);
    assert!(lab.exit_status().success());
    assert!(asked.elapsed() < DRAIN, "{:?}", asked.elapsed());
}
