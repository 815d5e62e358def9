//! Samples that are kept in a file and read again.

#![expect(clippy::unwrap_used, reason = "a file that cannot be made must fail loudly")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use selat_qos::bulk::{BulkRun, Interval, Look, Probe, ProbeKind, StreamRun, TcpInfo, Way};
use selat_qos::grade::emodel::Codec;
use selat_qos::grade::tables::Tables;
use selat_qos::grade::{Language, Profile};
use selat_qos::http::{Opened, Verdict};
use selat_qos::load::{Exchange, LoadRun, Outcome};
use selat_qos::report::{
    Condition, Flow, Kept, Measurement, RawError, Series, Test, read_raw, write_raw,
};
use selat_qos::sample::{Reflection, Sample};
use serde_json::Value;
use tempfile::TempDir;

fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raw.json");
    (directory, path)
}

fn measurement() -> Measurement {
    let at = Duration::from_nanos;
    let lost = Sample::sent(0, at(5), at(7));
    let reflection =
        Reflection { number: Some(1), copies: 2, received_ns: -9, sent_ns: i64::MAX / 2 };
    let answered = Sample {
        received_at: Some(at(90)),
        residence: Some(at(11)),
        reflection: Some(reflection),
        bytes: 172,
        duplicates: 3,
        ..Sample::sent(1, at(25), at(27))
    };
    let echoed = Sample { reflection: None, residence: None, ..answered.clone() };
    Measurement {
        test: Test::Udp,
        target: "192.0.2.1:862".to_owned(),
        started_at: jiff::Timestamp::constant(1_786_960_800, 123_456_789),
        conditions: vec![Condition::new("size", "172 B")],
        clients: vec![
            Series { client: "1".to_owned(), samples: vec![lost, answered] },
            Series { client: "2".to_owned(), samples: vec![echoed] },
        ],
        straight: None,
        flow: None,
    }
}

#[test]
fn measurements_read_back_as_they_were() {
    let (_directory, path) = file();
    let through_a_relay = Measurement { straight: Some(Box::new(measurement())), ..measurement() };
    let measurements =
        vec![measurement(), Measurement { test: Test::Http, ..measurement() }, through_a_relay];
    let profile = Profile {
        codec: Codec::G729a,
        bandwidth_bps: Some(1e7),
        tables: Tables::of_variants(["L-A", "T-A"]).unwrap(),
        language: Language::Indonesian,
    };
    write_raw(&path, &measurements, &profile).unwrap();
    assert_eq!(read_raw(&path).unwrap(), Kept { profile: Some(profile), measurements });
}

#[test]
fn a_file_from_before_profiles_were_kept_is_read() {
    let (_directory, path) = file();
    write_raw(&path, &[measurement()], &Profile::default()).unwrap();
    let mut document: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(document.as_object_mut().unwrap().remove("profile").is_some());
    fs::write(&path, document.to_string()).unwrap();
    let kept = Kept { profile: None, measurements: vec![measurement()] };
    assert_eq!(read_raw(&path).unwrap(), kept);
}

/// Requests, and streams, as a run of each has them.
fn flows() -> [Flow; 2] {
    let at = |ms| Duration::from_millis(ms);
    let opened = Opened { connect: at(1), tls: Some(at(2)) };
    let exchange = Exchange {
        seq: 0,
        due_at: at(5),
        started_at: at(6),
        opened: Some(opened),
        first_byte_at: Some(at(8)),
        ended_at: at(9),
        bytes: 10,
        outcome: Outcome::Status(200),
        verdict: Verdict::None,
        is_cold: false,
    };
    let started_at = jiff::Timestamp::UNIX_EPOCH;
    let requests = LoadRun {
        started_at,
        dns: Some(at(1)),
        opened: vec![opened],
        clients: vec![vec![exchange.clone(), Exchange { seq: 1, ..exchange }]],
        dropped: 1,
        is_closed: false,
        unfinished: 1,
        is_cancelled: false,
        processor_share: 0.1,
    };
    let info = TcpInfo {
        rtt: at(1),
        min_rtt: Some(at(1)),
        receiver_rtt: Some(at(1)),
        cwnd: 10,
        mss: 1448,
        retransmits: 1,
        acked_bytes: Some(1000),
        sent_bytes: Some(1000),
        resent_bytes: Some(10),
        delivery_rate: Some(1000),
        out_of_order: Some(1),
    };
    let interval = |ends_at| Interval {
        ends_at,
        length: at(1000),
        down_bytes: 1000,
        up_bytes: 1000,
        streams: 2,
    };
    let stream = |way| StreamRun {
        way,
        began_at: at(0),
        bytes: 2000,
        looks: vec![Look { at: at(500), info }, Look { at: at(1500), info }],
    };
    let probe =
        |kind| Probe { at: at(100), kind, connect: Some(at(1)), tls: None, http: Some(at(2)) };
    let streams = BulkRun {
        started_at,
        ways: vec![Way::Down, Way::Up],
        loaded_at: at(0),
        counted_at: at(1000),
        ended_at: at(2000),
        intervals: vec![interval(at(1000)), interval(at(2000))],
        streams: vec![stream(Way::Down), stream(Way::Up)],
        probes: vec![probe(ProbeKind::Foreign), probe(ProbeKind::Loaded)],
        failures: Vec::new(),
        confidence: None,
        is_cancelled: false,
    };
    [Flow::Http(requests), Flow::Tcp(streams)]
}

/// Puts `number` in the place of the number `place`, in the order of the document; false where there are fewer.
fn replace(value: &mut Value, place: &mut usize, number: u64) -> bool {
    match value {
        Value::Number(_) if *place == 0 => {
            *value = number.into();
            true
        }
        Value::Number(_) => {
            *place -= 1;
            false
        }
        Value::Array(values) => values.iter_mut().any(|it| replace(it, place, number)),
        Value::Object(values) => values.values_mut().any(|it| replace(it, place, number)),
        _ => false,
    }
}

#[test]
fn whatever_number_a_file_of_requests_or_streams_has_it_is_refused_or_worked_with() {
    let (_directory, path) = file();
    for flow in flows() {
        let measurement = Measurement { flow: Some(flow), ..measurement() };
        write_raw(&path, &[measurement], &Profile::default()).unwrap();
        let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut replaced = 0;
        for number in [u64::MAX, u64::MAX / 2, 1 << 50, u64::from(u32::MAX), 0] {
            for place in 0.. {
                let mut document = good.clone();
                let flow = &mut document["measurements"][0]["flow"];
                if !replace(flow, &mut place.clone(), number) {
                    break;
                }
                fs::write(&path, document.to_string()).unwrap();
                if let Ok(kept) = read_raw(&path) {
                    assert!(!kept.measurements[0].rows(&Profile::default()).is_empty());
                }
                replaced += 1;
            }
        }
        assert!(replaced > 100, "{replaced}");
    }
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let (_directory, path) = file();
    write_raw(&path, &[measurement()], &Profile::default()).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let changes = [
        ("", "when,what"),
        ("\"schema\":1", "\"schema\":2"),
        // Not in order; a time and a size that would overflow sums; a number that is none.
        ("[[0,5,7", "[[9,5,7"),
        ("[[0,5,7", "[[0,5,18446744073709551615"),
        (",172,", ",18446744073709551615,"),
        ("[[0,5,7", "[[-1,5,7"),
        ("}\n", ""),
    ];
    for (from, to) in changes {
        let text = if from.is_empty() { to.to_owned() } else { good.replacen(from, to, 1) };
        assert_ne!(text, good, "{from}");
        fs::write(&path, text).unwrap();
        let refused = read_raw(&path);
        let is_refusal = |error: &RawError| !matches!(error, RawError::Io { .. });
        assert!(refused.as_ref().is_err_and(is_refusal), "{to}: {refused:?}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(read_raw(&path), Err(RawError::Io { .. })));
}
