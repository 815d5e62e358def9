//! Grades against published values, and against what a grade must never do.

use proptest::prelude::*;
use selat_qos::grade::emodel::{Codec, R_MAX, mos, r_factor};
use selat_qos::grade::tiphon::{Index, Measured, Tiphon};

/// One-way delay in ms, loss in percent; R and MOS for G.711, G.711 with PLC, G.729A.
type Vector = (f64, f64, [(f64, f64); 3]);

/// The simplified E-model of ITU-T G.107 with the codec table of G.113 appendix I.
const VECTORS: [Vector; 9] = [
    (20.0, 0.0, [(92.7, 4.40), (92.7, 4.40), (81.7, 4.09)]),
    (100.0, 0.0, [(90.8, 4.36), (90.8, 4.36), (79.8, 4.02)]),
    (150.0, 0.0, [(89.6, 4.33), (89.6, 4.33), (78.6, 3.97)]),
    (200.0, 0.0, [(85.9, 4.23), (85.9, 4.23), (74.9, 3.82)]),
    (300.0, 0.0, [(72.5, 3.71), (72.5, 3.71), (61.5, 3.18)]),
    (400.0, 0.0, [(59.1, 3.05), (59.1, 3.05), (48.1, 2.48)]),
    (20.0, 1.0, [(74.8, 3.81), (89.1, 4.32), (77.5, 3.93)]),
    (20.0, 3.0, [(53.7, 2.77), (82.6, 4.12), (70.3, 3.61)]),
    (150.0, 1.0, [(71.7, 3.67), (86.0, 4.23), (74.4, 3.80)]),
];

#[test]
fn the_e_model_gives_the_published_ratings() {
    for (delay_ms, loss_pct, ratings) in VECTORS {
        let codecs = [Codec::G711, Codec::G711Plc, Codec::G729a];
        for (codec, (expected_r, expected_mos)) in codecs.into_iter().zip(ratings) {
            let r = r_factor(codec, delay_ms, loss_pct, 1.0);
            assert!((r - expected_r).abs() < 0.06, "{codec:?} {delay_ms} {loss_pct}: R {r}");
            let mos = mos(r);
            assert!((mos - expected_mos).abs() < 0.006, "{codec:?} {delay_ms} {loss_pct}: {mos}");
        }
    }
}

#[test]
fn bursts_of_loss_are_worse_than_random_loss() {
    assert!(r_factor(Codec::G711, 50.0, 2.0, 3.0) < r_factor(Codec::G711, 50.0, 2.0, 1.0));
}

#[test]
fn tiphon_classes_meet_without_gaps() {
    let grade = |delay, jitter, loss, bandwidth| {
        let tiphon = Tiphon::of(&Measured {
            delay_ms: Some(delay),
            jitter_ms: Some(jitter),
            loss_pct: Some(loss),
            bandwidth_pct: Some(bandwidth),
        });
        [tiphon.delay, tiphon.jitter, tiphon.loss, tiphon.throughput]
            .map(|index| index.unwrap().number())
    };
    let cases = [
        ((149.999, 0.499, 2.999, 75.0), [4; 4]),
        ((150.0, 0.5, 3.0, 74.999), [3; 4]),
        ((299.999, 75.499, 14.999, 50.0), [3; 4]),
        ((300.0, 75.5, 15.0, 49.999), [2; 4]),
        ((449.999, 125.499, 24.999, 25.0), [2; 4]),
        ((450.0, 125.5, 25.0, 24.999), [1; 4]),
        ((1e9, 1e9, 100.0, 0.0), [1; 4]),
    ];
    for ((delay, jitter, loss, bandwidth), expected) in cases {
        assert_eq!(grade(delay, jitter, loss, bandwidth), expected, "{delay} {jitter} {loss}");
    }
}

#[test]
fn the_overall_index_is_the_mean_of_what_was_measured() {
    let measured = Measured { delay_ms: Some(20.0), jitter_ms: Some(2.0), ..Measured::default() };
    let tiphon = Tiphon::of(&measured);
    assert_eq!((tiphon.mean, tiphon.overall()), (Some(3.5), Some(Index::Good)));
    let nothing = Tiphon::of(&Measured::default());
    assert_eq!((nothing.mean, nothing.overall()), (None, None));
}

#[test]
fn classes_have_their_customary_names() {
    let names = [Index::VeryGood, Index::Good, Index::Fair, Index::Poor].map(Index::indonesian);
    assert_eq!(names, ["Sangat Bagus", "Bagus", "Sedang", "Jelek"]);
}

fn worse(value: f64) -> impl Strategy<Value = (f64, f64)> {
    (0.0..value, 0.0..value).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

proptest! {
    #[test]
    fn tiphon_never_grades_worse_as_better(
        delay in worse(2_000.0), jitter in worse(500.0), loss in worse(100.0), used in worse(120.0),
    ) {
        let grade = |delay, jitter, loss, used| Tiphon::of(&Measured {
            delay_ms: Some(delay), jitter_ms: Some(jitter), loss_pct: Some(loss), bandwidth_pct: Some(used),
        });
        let better = grade(delay.0, jitter.0, loss.0, used.1);
        let worse = grade(delay.1, jitter.1, loss.1, used.0);
        prop_assert!(better.delay >= worse.delay && better.jitter >= worse.jitter);
        prop_assert!(better.loss >= worse.loss && better.throughput >= worse.throughput);
        prop_assert!(better.mean >= worse.mean && better.overall() >= worse.overall());
        prop_assert!((1.0..=4.0).contains(&worse.mean.unwrap()));
    }

    #[test]
    fn the_e_model_never_rates_worse_as_better(
        codec in prop::sample::select(&Codec::ALL[..]),
        delay in worse(5_000.0), loss in worse(100.0), burst in worse(50.0),
    ) {
        let better = r_factor(codec, delay.0, loss.0, burst.0);
        let worse = r_factor(codec, delay.1, loss.1, burst.1);
        prop_assert!(better >= worse && worse >= 0.0 && better <= R_MAX);
        prop_assert!(mos(better) >= mos(worse) && (1.0..=4.5).contains(&mos(worse)));
    }
}
