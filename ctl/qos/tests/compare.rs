//! Two runs compared: what is a change, and what is noise.

#![expect(clippy::unwrap_used, reason = "a figure that is missing must fail loudly")]

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use selat_qos::bulk::{BulkRun, Interval, Way};
use selat_qos::compare::{Change, Finding, Measure, compare};
use selat_qos::http::Verdict;
use selat_qos::load::{Exchange, LoadRun, Outcome};
use selat_qos::report::{Flow, Measurement, Series, Test};
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
    of(changes, measure).finding().unwrap()
}

#[test]
fn a_run_is_no_different_from_itself() {
    let run = noisy(1, 5_000, 2_000, 0.05);
    for change in compare(&run, &run) {
        let found = (change.difference.unwrap(), change.finding().unwrap());
        assert_eq!(found, (0.0, Finding::Noise), "{change:?}");
    }
}

#[test]
fn two_runs_over_one_path_differ_by_noise_most_of_the_time() {
    let runs = 10;
    let changes = (0..runs).flat_map(|seed| {
        compare(&noisy(seed, 5_000, 2_000, 0.05), &noisy(seed + 1_000, 5_000, 2_000, 0.05))
    });
    let findings: Vec<_> = changes.filter_map(|change| change.finding()).collect();
    assert_eq!(findings.len(), 10 * 6);
    let alarms = findings.iter().filter(|it| **it != Finding::Noise).count();
    // One in twenty is what the interval promises; the runs of a measure are few.
    assert!(alarms * 8 < findings.len(), "{alarms} of {}", findings.len());
}

#[test]
fn a_path_that_got_worse_is_found_out_by_the_measure_that_shows_it() {
    let before = noisy(1, 5_000, 2_000, 0.01);
    let slower = compare(&before, &noisy(2, 6_000, 2_000, 0.01));
    assert_eq!(finding(&slower, Measure::P50), Finding::Worse);
    assert_eq!(finding(&slower, Measure::Loss), Finding::Noise);
    let value = of(&slower, Measure::Mean).difference.unwrap();
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
    assert_eq!(of(&changes, Measure::Loss).difference.unwrap(), 100.0);
    let empty = compare(&some, &run([]));
    assert!(empty.iter().all(|change| change.after.is_none() && change.difference.is_none()));
}

/// Requests in a closed loop that take 10 ms, and up to `spread` ms more.
fn requests(seed: u64, spread: u64) -> Measurement {
    let mut draws = Pcg64::seed_from_u64(seed);
    let mut now = Duration::ZERO;
    let exchange = |seq: u32| {
        let due_at = now;
        now += Duration::from_micros(10_000 + draws.random_range(0..=spread * 1_000));
        Exchange {
            seq,
            due_at,
            started_at: due_at,
            opened: None,
            first_byte_at: Some(now),
            ended_at: now,
            bytes: 1,
            outcome: Outcome::Status(if seq.is_multiple_of(10) { 503 } else { 200 }),
            verdict: Verdict::None,
            is_cold: false,
        }
    };
    let clients: Vec<Vec<Exchange>> = vec![(0..300).map(exchange).collect()];
    let samples = clients[0].iter().map(Exchange::sample).collect();
    let run = LoadRun {
        started_at: jiff::Timestamp::UNIX_EPOCH,
        dns: None,
        opened: Vec::new(),
        clients,
        dropped: 0,
        is_closed: true,
        unfinished: 0,
        is_cancelled: false,
        processor_share: 0.0,
    };
    Measurement {
        test: Test::Http,
        clients: vec![Series { client: "1".to_owned(), samples }],
        flow: Some(Flow::Http(run)),
        ..self::run([])
    }
}

/// Streams that carried so many megabytes in each second, of which the first does not count.
fn streams(megabytes: &[u64]) -> Measurement {
    let seconds = Duration::from_secs;
    let interval = |(end, megabytes): (u64, &u64)| Interval {
        ends_at: seconds(end),
        length: seconds(1),
        down_bytes: megabytes * 1_000_000,
        up_bytes: 0,
        streams: 1,
    };
    let run = BulkRun {
        started_at: jiff::Timestamp::UNIX_EPOCH,
        ways: vec![Way::Down],
        loaded_at: Duration::ZERO,
        counted_at: seconds(1),
        ended_at: seconds(megabytes.len() as u64),
        intervals: (1..).zip(megabytes).map(interval).collect(),
        streams: Vec::new(),
        probes: Vec::new(),
        failures: Vec::new(),
        confidence: None,
        is_cancelled: false,
    };
    Measurement { test: Test::TcpDown, flow: Some(Flow::Tcp(run)), ..self::run([]) }
}

#[test]
fn fewer_requests_a_second_are_worse_and_errors_are_told_as_such() {
    let changes = compare(&requests(1, 2), &requests(2, 12));
    let rate = of(&changes, Measure::Rate);
    // One in 11 ms against one in 16 ms.
    assert!((rate.before.unwrap() - 90.9).abs() < 2.0, "{rate:?}");
    assert!((rate.difference.unwrap() + 28.4).abs() < 3.0, "{rate:?}");
    assert_eq!(
        (rate.finding(), finding(&changes, Measure::P50)),
        (Some(Finding::Worse), Finding::Worse)
    );
    let errors = of(&changes, Measure::Errors);
    assert_eq!((errors.before, errors.finding()), (Some(10.0), Some(Finding::Noise)));
    assert!(changes.iter().all(|change| change.measure != Measure::Loss), "{changes:?}");
    let back = compare(&requests(2, 12), &requests(1, 2));
    assert_eq!(finding(&back, Measure::Rate), Finding::Better);
    let same = compare(&requests(1, 2), &requests(3, 2));
    assert_eq!(finding(&same, Measure::Rate), Finding::Noise);
}

#[test]
fn throughput_is_compared_by_interval_where_there_are_several() {
    let fast = streams(&[1, 100, 104, 98, 101, 103]);
    let slow = compare(&fast, &streams(&[1, 50, 52, 49, 51, 50]));
    let throughput = of(&slow, Measure::Throughput);
    assert_eq!(throughput.before, Some(101.2 * 8e6), "the warm-up is left out");
    assert_eq!(throughput.finding(), Some(Finding::Worse), "{throughput:?}");
    let noisy = compare(&fast, &streams(&[1, 104, 98, 103, 100, 101]));
    assert_eq!(finding(&noisy, Measure::Throughput), Finding::Noise);
    // Of one interval nothing can be redrawn: what differs is told, but not whether that is noise.
    let short = compare(&fast, &streams(&[1, 50]));
    let short = of(&short, Measure::Throughput);
    assert_eq!((short.worsening(), short.finding()), (Some(51.2 * 8e6), None));
}
