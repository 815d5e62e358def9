//! Requests against origins of a known speed: what is measured is what was done.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use selat_tests::{Daemon, Netctl, Origin, Reply};
use serde_json::Value;

/// More than the machine adds to a time, also while other tests run.
const NOISE_MS: f64 = 60.0;

fn measure(url: &str, arguments: &[&str]) -> Value {
    let document = Netctl::new().json(&[&["qos", "http", url], arguments].concat());
    assert_eq!(document["schema"], 1);
    let results = document["results"].as_array().unwrap();
    results.last().unwrap().clone()
}

fn url(origin: &Origin, path: &str) -> String {
    format!("http://{}{path}", origin.address())
}

/// The milliseconds at a path such as `service.p50_ms`.
fn ms(result: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(result, |value, name| &value[name]);
    found.as_f64().unwrap_or_else(|| panic!("no {path} in {result}"))
}

#[track_caller]
fn assert_about(result: &Value, path: &str, expected: f64) {
    let found = ms(result, path);
    assert!((expected..expected + NOISE_MS).contains(&found), "{path} is {found}: {result}");
}

#[test]
fn each_phase_takes_as_long_as_the_origin_makes_it() {
    let (head, body) = (Duration::from_millis(120), Duration::from_millis(200));
    let slow = Reply::fresh("begin").after(head).pause(body).piece("end");
    let origin = Origin::with("/", slow);
    let result = measure(&url(&origin, "/"), &["-n", "12", "-c", "4"]);
    assert_eq!((&result["sent"], &result["lost"]), (&12.into(), &0.into()), "{result}");
    assert_about(&result, "first_byte.p50_ms", 120.0);
    assert_about(&result, "body.p50_ms", 200.0);
    assert_about(&result, "service.p50_ms", 320.0);
    assert_eq!((&result["connect"]["count"], &result["tls"]["count"]), (&4.into(), &0.into()));
    assert_eq!((&result["test"], &result["bytes"]), (&"http".into(), &(12 * 8).into()));
    assert!(result["reordered"].is_null(), "connections have no order among them: {result}");
}

#[test]
fn what_requests_have_not_is_null_and_blank_and_never_zero() {
    let origin = Origin::with("/", Reply::fresh("page"));
    let url = url(&origin, "/");
    let closed = measure(&url, &["-n", "12", "-c", "2"]);
    let open = measure(&url, &["-n", "12", "-c", "2", "--rate", "500"]);
    for name in ["duplicates", "reordered"] {
        assert!(closed[name].is_null() && open[name].is_null(), "{name}: {closed} {open}");
    }
    // Where the next request follows the answer to another, none is due at a time of its own.
    for name in ["late", "dropped", "schedule_error_p50_ms", "schedule_error_p99_ms"] {
        assert!(closed[name].is_null() && open[name].is_number(), "{name}: {closed} {open}");
    }
    assert_eq!((&closed["queued"]["count"], &open["queued"]["count"]), (&0.into(), &12.into()));
    let table = Netctl::new().text(&["-o", "csv", "qos", "http", &url, "-n", "12"]);
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let header = rows.headers().unwrap().clone();
    let row = rows.records().next().unwrap().unwrap();
    let blank: Vec<&str> =
        header.iter().zip(&row).filter(|(_, cell)| cell.is_empty()).map(|(name, _)| name).collect();
    assert_eq!(blank, ["duplicates", "reordered", "r_factor", "mos"], "{table}");
}

/// An origin that answers at once, but for request 50, to which it takes half a second.
fn stalling() -> Origin {
    let (origin, asked) = (Origin::start(), AtomicU32::new(0));
    origin.on_request("/", move |_| match asked.fetch_add(1, Relaxed) {
        50 => Reply::fresh("late").after(Duration::from_millis(500)),
        _ => Reply::fresh("soon"),
    });
    origin
}

#[test]
fn a_stall_shows_in_every_request_that_was_due_meanwhile() {
    let origin = stalling();
    let arguments = ["-n", "200", "--rate", "100", "-c", "1"];
    let result = measure(&url(&origin, "/"), &arguments);
    // 50 were due in that half second, the last of which waited for 10 ms: of 200, one in four.
    assert!(ms(&result, "response.p90_ms") >= 250.0, "{result}");
    assert_about(&result, "response.max_ms", 500.0);
    assert_about(&result, "latency_max_ms", 500.0);
    // The server itself took long for one of them.
    assert_about(&result, "service.p90_ms", 0.0);
    assert_about(&result, "service.max_ms", 500.0);
    assert!(result["late"].as_u64().unwrap() >= 45, "{result}");
}

#[test]
fn a_stall_shows_once_in_a_closed_loop_and_nowhere_where_others_are_free() {
    let closed = measure(&url(&stalling(), "/"), &["-n", "200", "-c", "1"]);
    assert_about(&closed, "response.p99_ms", 0.0);
    assert_about(&closed, "response.max_ms", 500.0);
    let many = measure(&url(&stalling(), "/"), &["-n", "200", "--rate", "100", "-c", "8"]);
    assert_about(&many, "response.p90_ms", 0.0);
    assert_about(&many, "response.max_ms", 500.0);
}

#[test]
fn what_comes_of_requests_is_counted_by_status_and_by_reason() {
    let (origin, asked) = (Origin::start(), AtomicU32::new(0));
    origin.on_request("/", move |_| match asked.fetch_add(1, Relaxed) % 5 {
        0 => Reply::status(404),
        1 => Reply::status(503),
        2 => Reply::hang_up(),
        3 => Reply::fresh("whole").cut(10),
        _ => Reply::fresh("good"),
    });
    let result = measure(&url(&origin, "/"), &["-n", "100", "-c", "1"]);
    let outcomes = result["outcomes"].as_object().unwrap();
    for outcome in
        ["status 200", "status 404", "status 503", "no valid response", "incomplete response"]
    {
        assert_eq!(outcomes[outcome], 20, "{result}");
    }
    assert_eq!((&result["received"], &result["lost"]), (&20.into(), &80.into()), "{result}");
    let slow = Origin::with("/", Reply::fresh("late").after(Duration::from_secs(5)));
    let run = Netctl::new();
    let run = run.run(&["qos", "http", &url(&slow, "/"), "-n", "3", "--timeout", "100ms"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("timed out × 3"), "{run:?}");
}

#[test]
fn requests_that_no_connection_is_free_for_are_lost() {
    let origin = Origin::with("/", Reply::fresh("late").after(Duration::from_millis(300)));
    let run = ["--rate", "50", "-z", "1s", "-c", "1", "--timeout", "400ms", "--max-loss", "1"];
    let url = url(&origin, "/");
    let ran = Netctl::new().run(&[&["-o", "json", "qos", "http", &url][..], &run].concat());
    assert_eq!(ran.code, 4, "an outage is no good run: {ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let result = &document["results"][0];
    let [sent, lost, dropped] =
        ["sent", "lost", "dropped"].map(|name| result[name].as_u64().unwrap());
    assert_eq!((sent, lost), (50, dropped), "{result}");
    assert!((31..=47).contains(&dropped), "{result}");
    assert_eq!(result["outcomes"]["no connection was free"], dropped, "{result}");
}

#[test]
fn a_time_ends_a_run_where_no_count_does() {
    let origin = Origin::with("/", Reply::fresh("page").after(Duration::from_millis(50)));
    let result = measure(&url(&origin, "/"), &["-z", "1s", "-c", "2"]);
    assert!((10..=44).contains(&result["sent"].as_u64().unwrap()), "{result}");
    assert_eq!(result["lost"], 0, "{result}");
}

#[test]
fn http_2_carries_several_requests_at_once_on_one_connection() {
    let page = Reply::status(200).header("cache-control", "no-store").piece("page");
    let origin = Origin::with("/", page.after(Duration::from_millis(200)));
    let proxyd = Daemon::caching(origin.address()).start();
    let arguments = ["--http2", "--streams", "8", "-c", "1", "-n", "16", "-m", "POST"];
    let result = measure(&proxyd.url("/"), &arguments);
    assert_eq!((&result["sent"], &result["lost"]), (&16.into(), &0.into()), "{result}");
    assert_about(&result, "service.p50_ms", 200.0);
    assert_eq!(result["connect"]["count"], 1, "{result}");
    // Two rounds of eight, not sixteen one after the other.
    assert!(result["duration_s"].as_f64().unwrap() < 1.6, "{result}");
    assert_eq!(result["verdicts"]["PASS"]["count"], 16, "{result}");
}

#[test]
fn what_a_cache_saves_is_told_with_its_uncertainty() {
    let page = || Reply::fresh("page").after(Duration::from_millis(100));
    let origin = Origin::start();
    origin.on("/", page());
    origin.on_any(move |_| page());
    let proxyd = Daemon::caching(origin.address()).start();
    let url = proxyd.url("/");
    let document = Netctl::new().json(&["qos", "http", &url, "--compare-cache", "-n", "60"]);
    let results = document["results"].as_array().unwrap();
    let rows: Vec<_> = results
        .iter()
        .map(|row| (row["client"].as_str().unwrap(), row["sent"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows, [("hit", 30), ("miss", 30), ("all", 60)], "{document}");
    let comparison = &results[2]["comparison"];
    assert_eq!((&comparison["hits"], &comparison["misses"]), (&30.into(), &30.into()));
    assert_eq!(comparison["told_by"], "cache_status");
    let (low, high) = (ms(comparison, "difference_low_ms"), ms(comparison, "difference_high_ms"));
    let difference = ms(comparison, "difference_ms");
    assert!(low <= difference && difference <= high, "{comparison}");
    assert!((100.0 - NOISE_MS..100.0 + NOISE_MS).contains(&difference), "{comparison}");
    assert!(comparison["p_value"].as_f64().unwrap() < 0.001, "{comparison}");
    let text = Netctl::new().text(&["qos", "http", &url, "--compare-cache", "-n", "40"]);
    assert!(text.contains("times as fast as a miss"), "{text}");
}

#[test]
fn content_and_fields_are_sent_as_they_were_given() {
    let origin = Origin::with("/in", Reply::fresh("taken"));
    let arguments = ["-n", "2", "-d", "a=1", "-H", "content-type: text/x-own", "-H", "accept: a/b"];
    let result = measure(&url(&origin, "/in"), &arguments);
    assert_eq!(result["received"], 2, "{result}");
    let request = origin.requests("/in")[0].clone();
    assert_eq!((request.method.as_str(), request.content.as_slice()), ("POST", &b"a=1"[..]));
    assert_eq!(request.header("content-type"), "text/x-own");
    assert_eq!(request.header("accept"), "a/b");
    assert_eq!(request.header("host"), origin.address().to_string());
}

#[test]
fn a_kept_run_shows_the_same_again() {
    let directory = tempfile::tempdir().unwrap();
    let raw = directory.path().join("raw.json");
    let raw = raw.to_str().unwrap();
    let origin = Origin::with("/", Reply::fresh("page"));
    let url = url(&origin, "/");
    let first = Netctl::new().json(&["qos", "http", &url, "-n", "20", "--raw", raw]);
    assert_eq!(Netctl::new().json(&["qos", "report", raw]), first);
}
