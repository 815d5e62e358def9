//! Grades against published values, and against what a grade must never do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::time::Duration;

use proptest::prelude::*;
use selat_qos::analysis::{Analysis, Distribution, LossDirection, OneWay};
use selat_qos::grade::emodel::{Codec, R_MAX, mos, r_factor};
use selat_qos::grade::tables::{Bounds, BoundsError, Side, Tables, VARIANTS};
use selat_qos::grade::tiphon::{Index, Measured, Tiphon};
use selat_qos::grade::y1541::{Basis, Y1541};
use selat_qos::grade::{Grades, Language, Profile, ProfileError};

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
        let measured = Measured {
            delay_ms: Some(delay),
            jitter_ms: Some(jitter),
            loss_pct: Some(loss),
            throughput_bps: Some(bandwidth),
            bandwidth_bps: Some(100.0),
        };
        let tiphon = Tiphon::of(&measured, &Tables::default());
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
    let tiphon = Tiphon::of(&measured, &Tables::default());
    assert_eq!((tiphon.mean, tiphon.overall()), (Some(3.5), Some(Index::Good)));
    let nothing = Tiphon::of(&Measured::default(), &Tables::default());
    assert_eq!((nothing.mean, nothing.overall()), (None, None));
}

#[test]
fn classes_have_their_customary_names() {
    let names = [Index::VeryGood, Index::Good, Index::Fair, Index::Poor].map(Index::indonesian);
    assert_eq!(names, ["Sangat Bagus", "Bagus", "Sedang", "Jelek"]);
}

#[test]
fn variants_class_their_bounds_as_published() {
    // Variant, a value, and its class.
    let cases = [
        ("L-A", 0.0, 4),
        ("L-A", 0.001, 3),
        ("L-A", 3.0, 3),
        ("L-A", 15.0, 2),
        ("L-A", 15.1, 1),
        ("L-B", 0.0, 4),
        ("L-B", 3.0, 3),
        ("J-A", 0.4, 4),
        ("J-A", 75.4, 3),
        ("J-A", 125.6, 1),
        ("J-B", 74.9, 4),
        ("J-B", 75.0, 3),
        ("J-B", 224.9, 2),
        ("J-B", 225.0, 1),
        ("T-A", 2.1e6, 4),
        ("T-A", 1.3e6, 3),
        ("T-A", 7e5, 2),
        ("T-A", 4e5, 1),
        ("T-P", 75.0, 4),
        ("D-A", 150.0, 3),
    ];
    for (variant, value, expected) in cases {
        let tables = Tables::of_variants([variant]).unwrap();
        assert_eq!(tables.name, format!("TIPHON (customary), {variant}"));
        let class = match &variant[..1] {
            "L" => tables.loss.class(value),
            "J" => tables.jitter_class(value),
            "T" => tables.throughput_class(value, Some(100.0)).unwrap(),
            _ => tables.delay.class(value),
        };
        assert_eq!(class.number(), expected, "{variant} {value}");
    }
    assert_eq!(Tables::of_variants(["l-a", "L-C"]), Err("L-C"));
    assert!(VARIANTS.iter().all(|name| Tables::default().take_variant(name)));
}

#[test]
fn a_share_of_an_unknown_bandwidth_is_not_graded_and_a_rate_is() {
    let measured = Measured { throughput_bps: Some(1.5e6), ..Measured::default() };
    assert_eq!(Tiphon::of(&measured, &Tables::default()).throughput, None);
    let rate = Tables::of_variants(["T-A"]).unwrap();
    assert_eq!(Tiphon::of(&measured, &rate).throughput, Some(Index::Good));
}

#[test]
fn a_profile_grades_by_its_own_bounds() {
    let tables = Tables::from_toml(
        "name = \"Campus\"\ndelay_ms = { below = [10, 20.5, 40] }\njitter_ms = \"j-b\"\n\
         loss_pct = { up_to = [0, 1, 5] }\nthroughput_bps = { above = [3e6, 2e6, 1e6] }",
    )
    .unwrap();
    assert_eq!(tables.name, "Campus");
    let measured = Measured {
        delay_ms: Some(20.5),
        jitter_ms: Some(0.6),
        loss_pct: Some(1.0),
        throughput_bps: Some(3e6),
        bandwidth_bps: None,
    };
    let graded = Tiphon::of(&measured, &tables);
    let numbers = [graded.delay, graded.jitter, graded.loss, graded.throughput]
        .map(|index| index.unwrap().number());
    assert_eq!(numbers, [2, 4, 3, 3]);
    // What it does not name is as usual.
    let usual = Tables::from_toml("").unwrap();
    assert_eq!(Tables { name: Tables::default().name, ..usual }, Tables::default());
    let whole = Tables::from_toml("jitter_ms = { up_to = [0, 9, 99], whole = true }").unwrap();
    assert_eq!(whole.jitter_class(0.4), Index::VeryGood);
}

#[test]
fn a_profile_with_a_gap_or_an_unknown_key_is_refused_by_its_name() {
    let cases = [
        (
            "delay_ms = { below = [10, 10, 40] }",
            "delay_ms.below: the bound of index 3, 10, must be above",
        ),
        (
            "delay_ms = { below = [-1, 10, 40] }",
            "delay_ms.below: the bound of index 4, -1, must be",
        ),
        (
            "loss_pct = { up_to = [0, 5, nan] }",
            "loss_pct.up_to: the bound of index 2, NaN, must be",
        ),
        (
            "throughput_pct = { from = [50, 75, 25] }",
            "throughput_pct.from: the bound of index 3, 75, must be below",
        ),
        ("throughput_pct = { below = [1, 2, 3] }", "throughput_pct: bounds are written as { from"),
        ("delay_ms = { from = [3, 2, 1] }", "delay_ms: bounds are written as { below"),
        ("delay_ms = { below = [1, 2] }", "delay_ms: bounds are written as"),
        ("delay_ms = 7", "delay_ms: bounds are written as"),
        ("delay_ms = { below = [1, 2, 3], whole = true }", "delay_ms: bounds are written as"),
        ("jitter_ms = { below = [1, 2, 3], whole = 1 }", "jitter_ms.whole: true or false"),
        ("jitter_ms = \"L-A\"", "jitter_ms: no such variant; there is J-A and J-B"),
        ("delay = 7", "delay: unknown; a profile has name"),
        ("name = 7", "name: a text that is not empty"),
        ("throughput_pct = \"T-P\"\nthroughput_bps = \"T-A\"", "only one of them"),
        ("delay_ms", "not TOML"),
    ];
    for (text, expected) in cases {
        let error: ProfileError = Tables::from_toml(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let order = Bounds::new(Side::UpTo, [0.0, 3.0, 2.0]).unwrap_err();
    assert!(matches!(order, BoundsError::Order { index: 2, .. }), "{order:?}");
}

#[test]
fn classes_are_called_by_the_language_that_is_asked_for() {
    let name = |language| Index::Good.name(language);
    assert_eq!([Language::English, Language::Indonesian].map(name), ["Good", "Bagus"]);
}

/// A run of `sent` probes of which `lost` are lost, all delays alike but the slowest.
fn delays(sent: u64, lost: u64, usual_ms: u64, slowest_ms: u64) -> Analysis {
    let mut latency = vec![Duration::from_millis(usual_ms); (sent - lost - 2) as usize];
    latency.extend([Duration::from_millis(slowest_ms); 2]);
    Analysis {
        sent,
        lost,
        received: sent - lost,
        latency: Distribution::new(latency),
        ..Analysis::default()
    }
}

fn y1541(analysis: &Analysis) -> Y1541 {
    Grades::of(analysis, &Profile::default()).y1541.unwrap()
}

#[test]
fn the_class_of_y_1541_is_the_most_demanding_that_is_kept() {
    // Probes, lost ones, the usual and the slowest delay in ms; the class.
    let cases = [
        ((1_000, 0, 20, 60), 0),
        ((1_000, 1, 20, 60), 0),
        ((1_000, 2, 20, 60), 5),
        ((1_000, 0, 20, 90), 2),
        ((1_000, 0, 150, 180), 1),
        ((1_000, 0, 150, 260), 3),
        ((1_000, 0, 700, 700), 4),
        ((1_000, 0, 1_200, 1_200), 5),
        // One in 100,000 can be told only by as many.
        ((99_999, 0, 20, 60), 0),
        ((100_000, 0, 20, 60), 6),
        ((100_000, 1, 20, 60), 6),
        ((100_000, 0, 150, 180), 7),
    ];
    for ((sent, lost, usual, slowest), expected) in cases {
        let found = y1541(&delays(sent, lost, usual, slowest));
        assert_eq!((found.basis, found.class()), (Basis::RoundTrip, expected), "{sent} {usual}");
        assert!(found.is_sound());
    }
    assert!(!y1541(&delays(999, 0, 20, 60)).is_sound());
    assert_eq!(Grades::of(&Analysis::default(), &Profile::default()).y1541, None);
}

#[test]
fn one_way_figures_are_those_of_the_worse_way() {
    let way = |ms| Distribution::new(vec![Duration::from_millis(ms); 1_000]);
    let one_way = OneWay { up: way(30), down: way(90), ..OneWay::default() };
    let lost = LossDirection { up: 1, down: 4, unknown: 0 };
    let run = Analysis {
        one_way: Some(one_way),
        loss_direction: Some(lost),
        ..delays(2_000, 5, 120, 120)
    };
    let found = y1541(&run);
    assert_eq!((found.basis, found.iptd_ms), (Basis::OneWay, 90.0));
    assert_eq!(found.iplr, 4.0 / 1_999.0);
    let unknown = LossDirection { unknown: 1, ..lost };
    let run = Analysis { loss_direction: Some(unknown), ..run };
    assert_eq!(y1541(&run).iplr, 5.0 / 2_000.0);
}

fn worse(value: f64) -> impl Strategy<Value = (f64, f64)> {
    (0.0..value, 0.0..value).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

proptest! {
    #[test]
    fn any_bounds_that_are_taken_class_every_value_and_none_worse_as_better(
        side in prop::sample::select(&[Side::Below, Side::UpTo, Side::From, Side::Above][..]),
        cuts in prop::array::uniform3(0.0..100.0_f64), (low, high) in worse(120.0),
        odd in prop::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]),
    ) {
        let Ok(bounds) = Bounds::new(side, cuts) else { return Ok(()) };
        let [lower, higher] = [low, high].map(|value| bounds.class(value));
        let (better, worse) = if side.is_cost() { (lower, higher) } else { (higher, lower) };
        prop_assert!(better >= worse);
        prop_assert!((1..=4).contains(&bounds.class(odd).number()));
    }

    #[test]
    fn tiphon_never_grades_worse_as_better(
        delay in worse(2_000.0), jitter in worse(500.0), loss in worse(100.0), used in worse(120.0),
        variants in prop::collection::vec(prop::sample::select(&VARIANTS[..]), 0..4),
    ) {
        let tables = Tables::of_variants(variants).unwrap();
        let grade = |delay, jitter, loss, used: f64| Tiphon::of(&Measured {
            delay_ms: Some(delay),
            jitter_ms: Some(jitter),
            loss_pct: Some(loss),
            throughput_bps: Some(used * 3e4),
            bandwidth_bps: Some(3e6),
        }, &tables);
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
