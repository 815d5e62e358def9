//! Samples that are kept in a file and read again.

#![expect(clippy::unwrap_used, reason = "a file that cannot be made must fail loudly")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use selat_qos::grade::emodel::Codec;
use selat_qos::grade::tables::Tables;
use selat_qos::grade::{Language, Profile};
use selat_qos::report::{
    Condition, Kept, Measurement, RawError, Series, Test, read_raw, write_raw,
};
use selat_qos::sample::{Reflection, Sample};
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
