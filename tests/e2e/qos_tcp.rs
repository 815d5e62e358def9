//! Streams and responsiveness, straight and through the proxy.

use std::process::Command;

use rustix::process::Signal;
use selat_tests::{Daemon, Netctl, Origin, Process, Reply, binary};
use serde_json::Value;
use tempfile::TempDir;

const MEASURE: &str = "[measure]\npath = \"/.well-known/nq\"\n";

/// websrvd that is measured against, proxyd in front of it, and the directory that is served.
fn system() -> (Daemon, Daemon, TempDir) {
    let site = tempfile::tempdir().unwrap();
    let websrvd = Daemon::serving(site.path()).config(MEASURE).start();
    let proxyd = Daemon::caching(websrvd.address("http")).start();
    (websrvd, proxyd, site)
}

fn measure(command: &[&str]) -> Vec<Value> {
    let document = Netctl::new().json(&[&["qos"], command].concat());
    assert_eq!(document["schema"], 1);
    document["results"].as_array().unwrap().clone()
}

fn number(result: &Value, name: &str) -> f64 {
    result[name].as_f64().unwrap_or_else(|| panic!("no {name} in {result}"))
}

#[test]
fn goodput_is_told_each_way_without_its_warm_up_and_beside_latency() {
    let (_websrvd, proxyd, _site) = system();
    let url = proxyd.url("/.well-known/nq");
    let times = ["--duration", "1500ms", "--warm-up", "500ms", "--idle", "500ms"];
    let results = measure(&[&["tcp", &url, "--interval", "500ms"], &times[..]].concat());
    let tests: Vec<_> = results.iter().map(|it| it["test"].as_str().unwrap()).collect();
    assert_eq!(tests, ["tcp_down", "tcp_up"]);
    for (result, [this, other]) in
        results.iter().zip([["down_bps", "up_bps"], ["up_bps", "down_bps"]])
    {
        assert!(number(result, this) > 1e6 && result[other].is_null(), "{result}");
        assert_eq!(result[this], result["throughput_bps"]);
        assert!(number(result, "bytes") > 100_000.0, "{result}");
        let intervals = result["intervals"].as_array().unwrap();
        let warm: Vec<_> = intervals.iter().map(|it| it["is_warm_up"].as_bool().unwrap()).collect();
        assert!(warm[0] && !warm[1], "{result}");
        for latency in ["idle", "loaded"] {
            assert!(result[latency]["count"].as_u64().unwrap() > 0, "{latency}: {result}");
        }
        assert_eq!((&result["broken"], &result["lost"]), (&0.into(), &0.into()), "{result}");
    }
    for name in ["duplicates", "reordered", "late", "schedule_error_p50_ms"] {
        assert!(results.iter().all(|it| it[name].is_null()), "streams have no {name}: {results:?}");
    }
    // Only the side that sends knows what was sent again.
    assert!(results[0]["retransmits"].is_null() && results[1]["retransmits"].is_u64());
    assert!(number(&results[1], "cwnd_bytes") > 0.0);
}

#[test]
fn an_upload_that_the_server_ends_at_its_limit_goes_on_with_the_next() {
    let site = tempfile::tempdir().unwrap();
    let limits = format!("{MEASURE}bytes = \"8MiB\"\n");
    let websrvd = Daemon::serving(site.path()).config(&limits).start();
    let url = websrvd.url("/.well-known/nq");
    let times = ["--duration", "2s", "--warm-up", "0", "--idle", "0", "--interval", "500ms"];
    let up = ["--direction", "up", "--streams", "2"];
    let results = measure(&[&["tcp", &url], &up[..], &times[..]].concat());
    let result = &results[0];
    assert_eq!(result["broken"], 0, "{result}");
    let intervals = result["intervals"].as_array().unwrap();
    assert!(intervals.len() >= 3, "{result}");
    for interval in intervals {
        assert!(number(interval, "up_bps") > 0.0, "{result}");
    }
    assert!(number(result, "bytes") > 3.0 * 8.0 * 1024.0 * 1024.0, "several transfers: {result}");
}

#[test]
fn a_server_that_refuses_uploads_is_not_measured_as_one_that_takes_them() {
    let origin = Origin::start();
    for path in ["/nq", "/nq/small", "/nq/down"] {
        origin.on(path, Reply::fresh("x"));
    }
    origin.on("/nq/up", Reply::status(403).at_once());
    let url = format!("http://{}/nq", origin.address());
    let times = ["--duration", "1s", "--warm-up", "0", "--idle", "0", "--direction", "up"];
    let run = Netctl::new().run(&[&["qos", "tcp", &url], &times[..]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("403"), "{run:?}");
}

#[test]
fn both_ways_at_once_are_one_result_of_which_the_throughput_is_the_sum() {
    let (websrvd, _proxyd, _site) = system();
    let url = websrvd.url("/.well-known/nq");
    let times = ["--duration", "1s", "--warm-up", "0", "--idle", "0", "--interval", "200ms"];
    let results = measure(&[&["tcp", &url, "--direction", "both"], &times[..]].concat());
    assert_eq!((results.len(), &results[0]["test"]), (1, &"tcp_both".into()));
    let sum = number(&results[0], "down_bps") + number(&results[0], "up_bps");
    assert!((sum - number(&results[0], "throughput_bps")).abs() < 1.0, "{results:?}");
    assert!(results[0]["idle"]["p50_ms"].is_null(), "nothing was idle: {results:?}");
}

#[test]
fn responsiveness_is_told_with_its_parts_and_its_confidence() {
    let (websrvd, _proxyd, _site) = system();
    let url = websrvd.url("/.well-known/nq");
    for (protocol, own) in [("--idle=500ms", true), ("--http1", false)] {
        let run = ["responsiveness", &url, "--direction", "down", protocol];
        let results = measure(&[&run[..], &["--duration", "3s", "--interval", "300ms"]].concat());
        let (result, found) = (&results[0], &results[0]["responsiveness"]);
        assert_eq!(result["test"], "rpm_down");
        assert_eq!(found["draft"], "draft-ietf-ippm-responsiveness-09");
        let (rpm, foreign) = (number(found, "rpm"), number(found, "foreign_rpm"));
        let mean = (foreign + found["loaded_rpm"].as_f64().unwrap_or(foreign)) / 2.0;
        assert!(rpm > 1.0 && (rpm - mean).abs() < 1e-3, "{found}");
        assert!(["low", "medium", "high"].contains(&found["confidence"].as_str().unwrap()));
        assert_eq!(result["loaded_own"]["count"].as_u64().unwrap() > 0, own, "{result}");
        // One more each interval.
        assert!(result["streams"].as_u64().unwrap() >= 4, "{result}");
    }
    let run = ["qos", "responsiveness", &url, "--direction", "up", "--duration", "1s"];
    let short = [&run[..], &["--interval", "200ms", "--idle", "0", "--min-rpm", "1e9"]].concat();
    let ran = Netctl::new().run(&short);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("below the threshold of 1000000000 RPM"), "{ran:?}");
    assert!(ran.stdout.contains("round trips a minute"), "{ran:?}");
}

#[test]
fn a_server_that_offers_nothing_is_told_with_what_would_help() {
    let site = tempfile::tempdir().unwrap();
    let websrvd = Daemon::serving(site.path()).start();
    let ran = Netctl::new().run(&["qos", "tcp", &websrvd.url("/.well-known/nq")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for part in ["/.well-known/nq/small is answered 404", "[measure]"] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = Netctl::new().run(&["qos", "tcp", &format!("http://{nobody}/nq")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let ran = Netctl::new().run(&["qos", "tcp", "--warm-up", "9s", "--duration", "8s"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("longer than its warm-up"), "{ran:?}");
}

#[test]
fn an_interrupted_run_shows_what_it_measured() {
    let (websrvd, _proxyd, _site) = system();
    let mut netctl = Command::new(binary("netctl"));
    let raw = websrvd.directory().join("raw.json");
    netctl.args(["qos", "tcp", &websrvd.url("/.well-known/nq")]).arg("--raw").arg(&raw);
    netctl.args(["--direction", "down", "--duration", "1h", "--warm-up", "0", "--idle", "0"]);
    let mut running = interrupted(&websrvd, &mut netctl);
    assert_eq!(running.exit_status().code(), Some(0), "{}", running.stderr());
    let result = &measure(&["report", raw.to_str().unwrap()])[0];
    assert!(number(result, "received") >= 1.0 && number(result, "bytes") > 0.0, "{result}");
}

/// The run, interrupted once it has probed for some time.
fn interrupted(websrvd: &Daemon, netctl: &mut Command) -> Process {
    let running = Process::start(netctl);
    // The first asks whether there is anything to measure against, the others are probes.
    websrvd.process().wait_for_logs("nq/small", 5);
    running.signal(Signal::INT);
    running
}

#[test]
fn a_run_that_is_interrupted_before_there_is_load_shows_the_idle_path() {
    for test in ["tcp", "responsiveness"] {
        let (websrvd, _proxyd, _site) = system();
        let mut netctl = Command::new(binary("netctl"));
        netctl.args(["-o", "json", "qos", test, &websrvd.url("/.well-known/nq")]);
        let mut running = interrupted(&websrvd, netctl.args(["--idle", "1h"]));
        assert_eq!(running.exit_status().code(), Some(0), "{}", running.stderr());
        let document: Value = serde_json::from_str(&running.stdout()).unwrap();
        let result = &document["results"][0];
        assert!(number(&result["idle"], "count") >= 1.0, "{result}");
        assert!(result["intervals"].as_array().unwrap().is_empty(), "{result}");
        assert!(result["duration_s"].is_null() && result["responsiveness"].is_null(), "{result}");
    }
}

#[test]
fn what_ended_before_it_counted_is_not_measured_as_nothing() {
    let (websrvd, _proxyd, _site) = system();
    let mut netctl = Command::new(binary("netctl"));
    netctl.args(["-o", "json", "qos", "tcp", &websrvd.url("/.well-known/nq")]);
    netctl.args(["--direction", "down", "--duration", "1h", "--warm-up", "30m", "--idle", "0"]);
    let mut running = interrupted(&websrvd, netctl.args(["--interval", "100ms"]));
    running.exit_status();
    let document: Value = serde_json::from_str(&running.stdout()).unwrap();
    let result = &document["results"][0];
    for name in ["bytes", "throughput_bps", "down_bps", "loss_pct"] {
        assert!(result[name].is_null(), "{name} in {result}");
    }
    // The warm-up was measured, for what it is.
    let first = &result["intervals"][0];
    assert!(number(first, "down_bps") > 0.0 && first["up_bps"].is_null(), "{result}");
    assert!(first["is_warm_up"].as_bool().unwrap() && result["streams"] == 4, "{result}");
}
