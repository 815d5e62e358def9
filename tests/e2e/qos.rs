//! Quality of service through links that are known to be bad.

use std::{fs, time::Duration};

use selat_tests::{CSV_HEADER, Link, Netctl, Pattern, System};
use serde_json::Value;

/// Runs a UDP test of `count` probes through a link to the relay and returns its one result.
fn measure(system: &System, up: Pattern, down: Pattern, count: u32) -> Value {
    let link = Link::start(system.proxyd.address("udp"), up, down).address().to_string();
    let count = count.to_string();
    let arguments = ["qos", "udp", &link, "--count", &count, "--rate", "500", "--timeout", "1s"];
    let document = system.netctl.json(&arguments);
    assert_eq!(document["schema"], 1);
    let results = document["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{document}");
    assert_eq!((&results[0]["test"], &results[0]["client"]), (&"udp".into(), &"all".into()));
    assert_eq!(results[0]["target"], link);
    results[0].clone()
}

fn counts(result: &Value) -> [u64; 5] {
    ["sent", "received", "lost", "duplicates", "reordered"]
        .map(|name| result[name].as_u64().unwrap_or_else(|| panic!("no {name} in {result}")))
}

#[test]
fn a_good_link_is_reported_as_good() {
    let result = measure(&System::start(), Pattern::default(), Pattern::default(), 200);
    assert_eq!(counts(&result), [200, 200, 0, 0, 0]);
    assert_eq!(result["loss_pct"], 0.0);
}

#[test]
fn every_tenth_probe_lost_on_the_way_is_ten_percent() {
    let up = Pattern { drop_every: 10, ..Pattern::default() };
    let result = measure(&System::start(), up, Pattern::default(), 200);
    assert_eq!(counts(&result), [200, 180, 20, 0, 0]);
    assert_eq!(result["loss_pct"], 10.0);
}

#[test]
fn loss_on_the_way_back_counts_too() {
    let up = Pattern { drop_every: 10, ..Pattern::default() };
    let down = Pattern { drop_every: 9, ..Pattern::default() };
    let result = measure(&System::start(), up, down, 200);
    assert_eq!(counts(&result), [200, 160, 40, 0, 0]);
}

#[test]
fn the_way_on_which_each_probe_was_lost_is_told() {
    let up = Pattern { drop_every: 10, ..Pattern::default() };
    let down = Pattern { drop_every: 9, ..Pattern::default() };
    // 176 of 195 come through, of which the answers to 157 come back, that to the last among them.
    let result = measure(&System::start(), up, down, 195);
    assert_eq!(counts(&result), [195, 157, 38, 0, 0]);
    let ways = ["lost_up", "lost_down", "lost_unknown"].map(|name| result[name].as_u64());
    assert_eq!(ways, [Some(19), Some(19), Some(0)], "{result}");
}

#[test]
fn each_way_takes_its_half_of_a_delay_that_is_the_same_on_both() {
    let way = Pattern { delay: Duration::from_millis(40), ..Pattern::default() };
    let result = measure(&System::start(), way, way, 100);
    let number = |name: &str| result[name].as_f64().unwrap();
    for name in ["one_way_up_p50_ms", "one_way_down_p50_ms"] {
        let error = number("one_way_error_ms");
        assert!((number(name) - 40.0).abs() <= error, "{name} in {result}");
    }
    // Both clocks are this machine's.
    assert!(number("clock_offset_ms").abs() <= number("one_way_error_ms"), "{result}");
}

#[test]
fn duplicates_are_counted_and_are_no_answers_of_their_own() {
    // The last is not among them: a run ends with its first answer.
    let down = Pattern { duplicate_every: 30, ..Pattern::default() };
    let result = measure(&System::start(), Pattern::default(), down, 200);
    assert_eq!(counts(&result), [200, 200, 0, 6, 0]);
}

#[test]
fn neighbours_that_change_places_are_reordered() {
    let down = Pattern { swap_every: 7, ..Pattern::default() };
    let result = measure(&System::start(), Pattern::default(), down, 200);
    assert_eq!(counts(&result), [200, 200, 0, 0, 28]);
}

#[test]
fn a_link_that_does_everything_is_reported_to_the_last_datagram() {
    let up = Pattern { drop_every: 10, ..Pattern::default() };
    let down = Pattern { duplicate_every: 12, swap_every: 7, ..Pattern::default() };
    let result = measure(&System::start(), up, down, 200);
    // 180 come back: 15 of them twice, and 25 later than their successor, of which 2 are doubled instead.
    assert_eq!(counts(&result), [200, 180, 20, 15, 23]);
}

#[test]
fn a_constant_delay_is_latency_and_no_jitter() {
    let way = Pattern { delay: Duration::from_millis(40), ..Pattern::default() };
    let result = measure(&System::start(), way, way, 100);
    let number = |name: &str| result[name].as_f64().unwrap();
    assert_eq!(counts(&result), [100, 100, 0, 0, 0]);
    assert!(number("latency_min_ms") >= 80.0, "{result}");
    assert!(number("latency_p50_ms") < 160.0 && number("jitter_ms") < 40.0, "{result}");
    assert!((1.0..=4.5).contains(&number("mos")), "{result}");
}

#[test]
fn every_client_has_a_row_and_all_together_one() {
    let system = System::start();
    let relay = system.proxyd.address("udp").to_string();
    let page = system.proxyd.url("/");
    let document = system.netctl.json(&[
        "qos", "clients", "10", "--udp", &relay, "--http", &page, "--count", "20", "--rate", "200",
    ]);
    let results = document["results"].as_array().unwrap();
    for test in ["udp", "http"] {
        let rows: Vec<_> = results.iter().filter(|row| row["test"] == test).collect();
        let clients: Vec<_> = rows.iter().map(|row| row["client"].as_str().unwrap()).collect();
        assert_eq!(clients, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "all"], "{test}");
        for row in &rows {
            let expected = if row["client"] == "all" { 200 } else { 20 };
            assert_eq!((&row["sent"], &row["lost"]), (&expected.into(), &0.into()), "{test}");
        }
    }
}

#[test]
fn results_are_appended_to_a_csv_file_under_the_designed_header() {
    let system = System::start();
    let relay = system.proxyd.address("udp").to_string();
    let run = |file: &str| {
        let arguments = ["qos", "udp", &relay, "--count", "10", "--rate", "500", "--csv", file];
        system.netctl.run(&arguments)
    };
    for _ in 0..2 {
        assert_eq!(run("qos_result.csv").code, 0);
    }
    let text = fs::read_to_string(system.site().join("qos_result.csv")).unwrap();
    assert_eq!(text.lines().next(), Some(CSV_HEADER));
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!((row.len(), &row[1], &row[3], &row[4]), (24, "udp", "all", "10"));
    }
}

#[test]
fn a_csv_file_with_another_header_is_refused_and_kept() {
    let system = System::start();
    let relay = system.proxyd.address("udp").to_string();
    let foreign = "when,what\nyesterday,something\n";
    fs::write(system.site().join("other.csv"), foreign).unwrap();
    let run = system.netctl.run(&["qos", "udp", &relay, "--count", "5", "--csv", "other.csv"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("other.csv"), "{run:?}");
    assert_eq!(fs::read_to_string(system.site().join("other.csv")).unwrap(), foreign);
}

#[test]
fn a_target_where_nobody_answers_is_told_as_such() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = nobody.to_string();
    let run = Netctl::new().run(&["qos", "udp", &target, "--count", "10", "--timeout", "1s"]);
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains(&target), "{run:?}");
}
