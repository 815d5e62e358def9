//! Metrics for Prometheus: each kind of test has its own, by the conventions, with what was measured.

use std::{fs, path::Path};

use selat_tests::{Daemon, Exposition, Netctl, Origin, Reply};
use serde_json::Value;

/// The metrics of a run and what it printed beside them.
fn measure(directory: &Path, command: &[&str]) -> (Exposition, Vec<Value>) {
    let file = directory.join("selat.prom");
    let document = Netctl::new()
        .json(&[&["qos"], command, &["--prometheus", file.to_str().unwrap()]].concat());
    let text = fs::read_to_string(file).unwrap();
    let read = Exposition::parse(&text).unwrap_or_else(|why| panic!("{why} in\n{text}"));
    (read, document["results"].as_array().unwrap().clone())
}

/// The figure at a path such as `service.p50_ms`.
fn figure(result: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(result, |value, name| &value[name]);
    found.as_f64().unwrap_or_else(|| panic!("no {path} in {result}"))
}

#[track_caller]
fn assert_same(metric: f64, figure: f64) {
    assert!((metric - figure).abs() <= figure.abs() * 1e-9 + 1e-12, "{metric} is not {figure}");
}

#[test]
fn requests_have_errors_quantiles_and_what_the_cache_saves() {
    let origin = Origin::start();
    origin.on_any(|_| Reply::fresh("page"));
    let proxyd = Daemon::caching(origin.address()).start();
    let directory = tempfile::tempdir().unwrap();
    let command = ["http", &proxyd.url("/"), "--compare-cache", "-n", "40", "--rate", "400"];
    let (metrics, results) = measure(directory.path(), &command);
    let all = results.last().unwrap();
    assert_eq!(metrics.only("selat_qos_requests", &[("outcome", "status 200")]), 40.0);
    assert_same(metrics.only("selat_qos_requests_per_second", &[]), figure(all, "requests_per_s"));
    assert_eq!(metrics.only("selat_qos_dropped_requests", &[]), 0.0);
    assert_same(
        metrics.only("selat_qos_latency_seconds", &[("quantile", "0.99")]),
        figure(all, "latency_p99_ms") / 1e3,
    );
    assert_same(
        metrics.only("selat_qos_request_seconds", &[("part", "service"), ("quantile", "0.5")]),
        figure(all, "service.p50_ms") / 1e3,
    );
    assert_same(
        metrics.only("selat_qos_request_seconds_sum", &[("part", "response")]),
        figure(all, "response.mean_ms") * 40.0 / 1e3,
    );
    assert_eq!(metrics.only("selat_qos_cache_seconds_count", &[("verdict", "HIT")]), 20.0);
    for (bound, name) in [("estimate", ""), ("low", "_low"), ("high", "_high")] {
        assert_same(
            metrics.only("selat_qos_cache_difference_seconds", &[("bound", bound)]),
            figure(all, &format!("comparison.difference{name}_ms")) / 1e3,
        );
    }
    for name in ["duplicates", "reordered", "mos", "goodput_bytes_per_second"] {
        assert!(!metrics.has(&format!("selat_qos_{name}")), "{name} of requests: {metrics:?}");
    }
    let broken = Origin::with("/", Reply::status(503));
    let file = directory.path().join("failed.prom");
    let url = format!("http://{}/", broken.address());
    let failed = ["qos", "http", &url, "-n", "3", "--prometheus", file.to_str().unwrap()];
    assert_eq!(Netctl::new().run(&failed).code, 1);
    let metrics = Exposition::parse(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(metrics.only("selat_qos_loss_ratio", &[]), 1.0);
    assert_eq!(metrics.only("selat_qos_requests", &[("outcome", "status 503")]), 3.0);
    assert!(!metrics.has("selat_qos_latency_seconds"), "nothing came: {metrics:?}");
}

#[test]
fn streams_have_goodput_by_direction_latency_under_load_and_responsiveness() {
    let site = tempfile::tempdir().unwrap();
    let config = "[measure]\npath = \"/.well-known/nq\"\n";
    let websrvd = Daemon::serving(site.path()).config(config).start();
    let url = websrvd.url("/.well-known/nq");
    let times = ["--duration", "1200ms", "--interval", "200ms", "--idle", "300ms"];
    let tcp = [&["tcp", &url, "--direction", "both", "--warm-up", "0"], &times[..]].concat();
    let (metrics, results) = measure(site.path(), &tcp);
    for (way, name) in [("down", "down_bps"), ("up", "up_bps")] {
        assert_same(
            metrics.only("selat_qos_goodput_bytes_per_second", &[("way", way)]),
            figure(&results[0], name) / 8.0,
        );
    }
    for (name, path) in [
        ("selat_qos_retransmitted_segments", "retransmits"),
        ("selat_qos_congestion_window_bytes", "cwnd_bytes"),
        ("selat_qos_rtt_seconds_count", "rtt.count"),
        ("selat_qos_streams", "streams"),
    ] {
        assert_same(metrics.only(name, &[]), figure(&results[0], path));
    }
    assert_same(
        metrics.only("selat_qos_added_latency_seconds", &[]),
        figure(&results[0], "added_latency_ms") / 1e3,
    );
    let request = [("path", "loaded"), ("step", "request"), ("quantile", "0.5")];
    assert_same(
        metrics.only("selat_qos_probe_seconds", &request),
        figure(&results[0], "loaded.p50_ms") / 1e3,
    );
    let rpm = [&["responsiveness", &url, "--direction", "down"], &times[..]].concat();
    let (metrics, results) = measure(site.path(), &rpm);
    for (probes, name) in
        [("all", "rpm"), ("foreign", "foreign_rpm"), ("loaded", "loaded_rpm"), ("idle", "idle_rpm")]
    {
        assert_same(
            metrics.only("selat_qos_responsiveness_rpm", &[("probes", probes)]),
            figure(&results[0]["responsiveness"], name),
        );
    }
    assert!(!metrics.has("selat_qos_requests"), "streams are no requests: {metrics:?}");
}

#[test]
fn what_is_no_exposition_is_told_from_one() {
    const HEAD: &str = "# HELP selat_a_seconds A.\n# TYPE selat_a_seconds";
    let good = format!("{HEAD} gauge\nselat_a_seconds{{a=\"\\\"\\\\\\n,}}\"}} 1e-3\n");
    let read = Exposition::parse(&good).unwrap();
    assert_eq!(read.only("selat_a_seconds", &[("a", "\"\\\n,}")]), 1e-3);
    let summary = format!("{HEAD} summary\nselat_a_seconds{{quantile=\"0.5\"}} 1\n");
    assert!(Exposition::parse(&summary).is_ok());
    for bad in [
        good.trim_end().to_owned(),
        good.replace("1e-3", "1 ms"),
        good.replace("a=", "A="),
        good.replace("\\\\", "\\x"),
        good.replace("a=", "quantile="),
        good.replace("seconds", "ms"),
        good.replace("gauge", "summary"),
        summary.replace("0.5", "50"),
        summary.replace("summary", "gauge"),
        format!("{good}{good}"),
        format!("{good}selat_b{{a=\"b\"}} 1\n"),
        format!("{HEAD} gauge\n"),
    ] {
        assert!(Exposition::parse(&bad).is_err(), "{bad}");
    }
}
