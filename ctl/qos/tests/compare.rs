//! Two runs compared: what is a change, and what is noise.

#![expect(clippy::unwrap_used, reason = "a figure that is missing must fail loudly")]

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use selat_qos::compare::{Change, Finding, Measure, compare};
use selat_qos::report::{Measurement, Series, Test};
use selat_qos::sample::Sample;

/// A run of probes 20 ms apart with these latencies in µs; `None` is a loss.
fn run(latencies_us: impl IntoIterator<Item = Option<u64>>) -> Measurement {
    let sample = |(seq, latency): (u32, Option<u64>)| {
        let sent_at = Duration::from_millis(u64::from(seq) * 20);
        let received_at = latency.map(|latency| sent_at + Duration::from_micros(latency));
        Sample { received_at, ..Sample::sent(seq, sent_at, sent_at) }
    };
    Measurement {
        test: Test::Udp,
        target: "192.0.2.1:862".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: vec![],
        clients: vec![Series {
            client: "1".to_owned(),
            samples: (0..).zip(latencies_us).map(sample).collect(),
        }],
        straight: None,
        flow: None,
    }
}

/// A run of a noisy path: `base_us` and up to `spread_us` more, `loss` of it lost.
fn noisy(seed: u64, base_us: u64, spread_us: u64, loss: f64) -> Measurement {
    let mut draws = Pcg64::seed_from_u64(seed);
    run((0..600).map(move |_| {
        let latency = base_us + draws.random_range(0..=spread_us);
        (draws.random::<f64>() >= loss).then_some(latency)
    }))
}

fn of(changes: &[Change], measure: Measure) -> Change {
    *changes.iter().find(|change| change.measure == measure).unwrap()
}

fn finding(changes: &[Change], measure: Measure) -> Finding {
    of(changes, measure).difference.unwrap().finding()
}

#[test]
fn a_run_is_no_different_from_itself() {
    let run = noisy(1, 5_000, 2_000, 0.05);
    for change in compare(&run, &run) {
        let difference = change.difference.unwrap();
        assert_eq!((difference.value, difference.finding()), (0.0, Finding::Noise), "{change:?}");
    }
}

#[test]
fn two_runs_over_one_path_differ_by_noise_most_of_the_time() {
    let runs = 10;
    let changes = (0..runs).flat_map(|seed| {
        compare(&noisy(seed, 5_000, 2_000, 0.05), &noisy(seed + 1_000, 5_000, 2_000, 0.05))
    });
    let differences: Vec<_> = changes.filter_map(|change| change.difference).collect();
    assert_eq!(differences.len(), 10 * Measure::ALL.len());
    let alarms = differences.iter().filter(|it| it.finding() != Finding::Noise).count();
    // One in twenty is what the interval promises; the runs of a measure are few.
    assert!(alarms * 8 < differences.len(), "{alarms} of {}", differences.len());
}

#[test]
fn a_path_that_got_worse_is_found_out_by_the_measure_that_shows_it() {
    let before = noisy(1, 5_000, 2_000, 0.01);
    let slower = compare(&before, &noisy(2, 6_000, 2_000, 0.01));
    assert_eq!(finding(&slower, Measure::P50), Finding::Worse);
    assert_eq!(finding(&slower, Measure::Loss), Finding::Noise);
    let value = of(&slower, Measure::Mean).difference.unwrap().value;
    assert!((value - 1.0).abs() < 0.1, "{value}");
    let lossy = compare(&before, &noisy(2, 5_000, 2_000, 0.08));
    assert_eq!(finding(&lossy, Measure::Loss), Finding::Worse);
    assert_eq!(finding(&lossy, Measure::Mean), Finding::Noise);
    let calmer = compare(&before, &noisy(2, 5_500, 1_000, 0.01));
    assert_eq!(finding(&calmer, Measure::Jitter), Finding::Better);
}

#[test]
fn one_burst_of_loss_is_not_proof_of_a_lossy_path() {
    let clean = run((0..1_000).map(|_| Some(5_000)));
    let burst = run((0..1_000).map(|seq| (!(400..430).contains(&seq)).then_some(5_000)));
    let scattered = run((0..1_000).map(|seq| (seq % 33 != 0).then_some(5_000)));
    assert_eq!(finding(&compare(&clean, &burst), Measure::Loss), Finding::Noise);
    assert_eq!(finding(&compare(&clean, &scattered), Measure::Loss), Finding::Worse);
}

#[test]
fn what_was_not_measured_is_not_compared() {
    let (some, nothing) = (run([Some(1), Some(2), Some(3)]), run([None, None, None]));
    let changes = compare(&some, &nothing);
    let mean = of(&changes, Measure::Mean);
    assert!(mean.before.is_some() && mean.after.is_none() && mean.difference.is_none());
    assert_eq!(of(&changes, Measure::Loss).difference.unwrap().value, 100.0);
    let empty = compare(&some, &run([]));
    assert!(empty.iter().all(|change| change.after.is_none() && change.difference.is_none()));
}
