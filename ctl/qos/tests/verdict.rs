//! The sentences: true of good paths and of bad ones, and careful where little was measured.

use std::time::Duration;

use selat_qos::grade::Profile;
use selat_qos::report::{Condition, Measurement, Series, Test, verdict};
use selat_qos::sample::Sample;

/// A probe every millisecond, answered after so many milliseconds; `None` is lost.
fn measured(test: Test, count: u32, latency_ms: impl Fn(u32) -> Option<u64>) -> Measurement {
    let sample = |seq: u32| {
        let sent_at = Duration::from_millis(u64::from(seq));
        let received_at = latency_ms(seq).map(|latency| sent_at + Duration::from_millis(latency));
        Sample { received_at, bytes: 100, ..Sample::sent(seq, sent_at, sent_at) }
    };
    Measurement {
        test,
        target: "192.0.2.1:9".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: Vec::new(),
        clients: vec![Series { client: "1".to_owned(), samples: (0..count).map(sample).collect() }],
        straight: None,
        flow: None,
    }
}

fn said_of(measurement: &Measurement) -> String {
    let total = measurement.total();
    let grades = measurement.grades(&total, &Profile::default());
    verdict(measurement, &total, &grades)
}

fn said(test: Test, count: u32, latency_ms: impl Fn(u32) -> Option<u64>) -> String {
    said_of(&measured(test, count, latency_ms))
}

#[test]
fn the_first_sentence_says_what_a_path_is_good_for_and_what_was_lost_when() {
    type Path = fn(u32) -> Option<u64>;
    let cases: [(&str, Path); 8] = [
        ("Good enough for video calls; all 10,000 were answered.", |_| Some(20)),
        (
            "Good enough for video calls; 3 of 10,000 went unanswered (0.03 %), all in a row at 00:07.",
            |seq| (!(7_000..7_003).contains(&seq)).then_some(20),
        ),
        (
            "Good enough for video calls; 4 of 10,000 went unanswered (0.04 %), up to 3 in a row, at 00:07.",
            |seq| (seq != 5 && !(7_000..7_003).contains(&seq)).then_some(20),
        ),
        ("Good enough for video calls; 1 of 10,000 went unanswered (0.01 %), at 00:09.", |seq| {
            (seq != 9_000).then_some(20)
        }),
        (
            "Good enough for voice calls, but video would break up; 200 of 10,000 went unanswered \
             (2.00 %), never two in a row.",
            |seq| (seq % 50 > 0).then_some(20),
        ),
        ("Calls work, with a delay that is felt: 200 ms one way; ", |_| Some(400)),
        ("Calls work with a large buffer only: delays vary by 80 ms; ", |seq| {
            Some(if seq % 10 == 0 { 100 } else { 20 })
        }),
        (
            "Not good enough for calls: ITU-T G.1010 has them lose less than 3 %; 1,000 of 10,000 went \
             unanswered (10.00 %), never two in a row.",
            |seq| (seq % 10 > 0).then_some(20),
        ),
    ];
    for (sentence, path) in cases {
        let verdict = said(Test::Udp, 10_000, path);
        assert!(verdict.starts_with(sentence), "{verdict}");
    }
    assert!(
        said(Test::Udp, 9, |_| Some(900)).starts_with("Not good enough for calls: 450 ms one way")
    );
}

#[test]
fn a_short_run_is_no_proof() {
    let verdict = said(Test::Udp, 100, |_| Some(20));
    let careful = "Looks good enough for video calls; all 100 were answered, too few to rule out a \
        loss of up to 3 %.";
    assert!(verdict.starts_with(careful), "{verdict}");
    let single = said(Test::Udp, 1, |_| Some(20));
    assert!(
        single.contains("the only one was answered, too few to rule out a loss of up to 100 %"),
        "{single}"
    );
    assert!(said(Test::Udp, 300, |_| Some(20)).starts_with("Good enough for video calls;"));
}

#[test]
fn silence_is_said_as_such() {
    let silence = "Nothing came back: 500 sent, not one answered.";
    assert_eq!(said(Test::Udp, 500, |_| None), silence);
    assert_eq!(said(Test::Udp, 0, |_| None), "Nothing was sent.");
}

#[test]
fn a_bound_and_a_score_that_differ_are_told_apart() {
    let verdict = said(Test::Udp, 10_000, |seq| (seq % 29 > 0).then_some(1));
    assert!(verdict.contains("went unanswered (3.45 %)"), "{verdict}");
    let apart =
        "By the E-model, which has no such bound, a voice call (G.711 with PLC) would still score";
    assert!(verdict.contains(apart), "{verdict}");
    let lost = said(Test::Udp, 10_000, |seq| (seq % 3 == 0).then_some(1));
    assert!(lost.contains("A voice call (G.711 with PLC) would score MOS 1."), "{lost}");
}

#[test]
fn a_good_mean_hides_no_poor_measure() {
    let verdict = said(Test::Udp, 9_000, |seq| (seq % 3 == 0).then_some(1));
    assert!(verdict.contains("of 4: Bagus (Good), but loss Jelek (Poor)."), "{verdict}");
}

#[test]
fn a_flood_says_nothing_of_calls() {
    let fields = [("pace", "flood: what is due leaves in bundles"), ("pattern", "all at once")];
    for (name, value) in fields {
        let mut flood = measured(Test::Udp, 10_000, |seq| (seq % 2 > 0).then_some(1));
        flood.conditions.push(Condition::new(name, value));
        let verdict = said_of(&flood);
        assert!(verdict.starts_with("5,000 of 10,000 went unanswered (50.00 %)"), "{verdict}");
        assert!(!verdict.contains("call"), "{verdict}");
    }
}

#[test]
fn requests_are_judged_as_pages_are() {
    let first = |latency_ms: u64, lost_every: u32| {
        let all = said(Test::Http, 1_000, |seq| (seq % lost_every > 0).then_some(latency_ms));
        all.split(';').next().unwrap_or_default().to_owned()
    };
    assert_eq!(first(20, 2_000), "Answers feel immediate");
    assert_eq!(first(900, 2_000), "Fast enough for web pages");
    assert_eq!(first(3_000, 2_000), "Slow for web pages, but bearable");
    assert_eq!(first(9_000, 2_000), "Too slow for web pages");
    assert_eq!(first(20, 50), "Not reliable");
}

#[test]
fn latency_a_call_and_the_customary_index_follow() {
    let verdict = said(Test::Udp, 1_000, |_| Some(20));
    let rest = [
        "Half of the answers came within 20.000 ms, 95 % within 20.000 ms.",
        "A voice call (G.711 with PLC) would score MOS",
        "TIPHON (customary) index 4.00 of 4: Sangat Bagus (Very good).",
    ];
    for sentence in rest {
        assert!(verdict.contains(sentence), "{verdict}");
    }
}
