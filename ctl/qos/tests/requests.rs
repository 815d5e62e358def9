//! Requests: every rate is of one time.

#![expect(clippy::unwrap_used, reason = "a figure that is missing must fail loudly")]

use std::time::Duration;

use selat_qos::grade::Profile;
use selat_qos::http::Verdict;
use selat_qos::load::{Exchange, Failure, LoadRun, Outcome};
use selat_qos::report::{Flow, Measurement, Series, Test, json};
use serde_json::Value;

/// A request that was due at `due_ms` and ended at `ended_ms`, with 100 bytes where it was answered.
fn exchange(seq: u32, [due_ms, ended_ms]: [u64; 2], outcome: Outcome) -> Exchange {
    let due_at = Duration::from_millis(due_ms);
    Exchange {
        seq,
        due_at,
        started_at: due_at,
        opened: None,
        first_byte_at: None,
        ended_at: Duration::from_millis(ended_ms),
        bytes: 100,
        outcome,
        verdict: Verdict::None,
        is_cold: false,
    }
}

fn results(clients: Vec<Vec<Exchange>>) -> Vec<Value> {
    let series = |exchanges: &Vec<Exchange>| Series {
        client: "1".to_owned(),
        samples: exchanges.iter().map(Exchange::sample).collect(),
    };
    let measurement = Measurement {
        test: Test::Http,
        target: "http://192.0.2.1/".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: vec![],
        clients: clients.iter().map(series).collect(),
        straight: None,
        flow: Some(Flow::Http(LoadRun {
            started_at: jiff::Timestamp::UNIX_EPOCH,
            dns: None,
            opened: Vec::new(),
            clients,
            dropped: 0,
            is_closed: false,
            unfinished: 0,
            is_cancelled: true,
            processor_share: 0.0,
        })),
    };
    let document: Value =
        serde_json::from_str(&json(&measurement.rows(&Profile::default())).unwrap()).unwrap();
    document["results"].as_array().unwrap().clone()
}

#[test]
fn every_rate_is_of_the_time_until_the_last_request_ended_however_it_did() {
    let (good, bad) = (Outcome::Status(200), Outcome::Failed(Failure::Connect));
    let answered = vec![exchange(0, [0, 200], good), exchange(1, [100, 500], good)];
    let failed = vec![exchange(0, [0, 10], bad), exchange(1, [100, 2_000], bad)];
    let results = results(vec![answered, failed]);
    let figures = |name: &str| results.iter().map(|it| it[name].as_f64()).collect::<Vec<_>>();
    assert_eq!(figures("duration_s"), [Some(0.5), Some(2.0), Some(2.0)]);
    assert_eq!(figures("throughput_bps"), [Some(3_200.0), Some(0.0), Some(800.0)]);
    // Of the total only.
    assert_eq!(figures("requests_per_s"), [None, None, Some(1.0)]);
    assert!(results.iter().all(|it| it["ended"] == "cancelled" && it["pace"].is_null()));
}

#[test]
fn answers_that_are_no_success_took_their_time_too() {
    let missing = Outcome::Status(404);
    let all = (0..20).map(|seq| exchange(seq, [u64::from(seq) / 5, 10], missing)).collect();
    let result = &results(vec![all])[0];
    assert_eq!(result["duration_s"], 0.01);
    assert_eq!(result["requests_per_s"], 2_000.0);
}
