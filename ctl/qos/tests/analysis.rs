//! Figures from samples that are written down: each against its formula.

use std::time::Duration;

use proptest::prelude::*;
use selat_qos::analysis::Analysis;
use selat_qos::sample::Sample;

/// Probes sent 20 ms apart; a latency of `None` is a loss.
fn samples(latencies_ms: &[Option<u64>]) -> Vec<Sample> {
    let sample = |(seq, latency): (u32, &Option<u64>)| {
        let sent_at = Duration::from_millis(u64::from(seq) * 20 + 10);
        let received_at = latency.map(|latency| sent_at + Duration::from_millis(latency));
        let bytes = if received_at.is_some() { 100 } else { 0 };
        Sample { received_at, bytes, ..Sample::sent(seq, sent_at, sent_at) }
    };
    (0..).zip(latencies_ms).map(sample).collect()
}

fn of(latencies_ms: &[Option<u64>]) -> Analysis {
    Analysis::of(&samples(latencies_ms))
}

fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?} {expected}");
}

#[test]
fn nothing_sent_has_no_figures() {
    assert_eq!(of(&[]), Analysis::default());
}

#[test]
fn nothing_received_has_a_loss_and_no_latency() {
    let figures = of(&[None, None, None]);
    assert_eq!((figures.sent, figures.lost, figures.loss_pct), (3, 3, Some(100.0)));
    assert_eq!(figures.throughput_bps, Some(0.0));
    assert_eq!((figures.latency.mean(), figures.jitter.mean_ms), (None, None));
    assert_eq!(figures.jitter.rfc3550, None);
}

#[test]
fn one_answer_has_a_latency_and_no_jitter() {
    let figures = of(&[Some(8)]);
    assert_eq!(figures.latency.mean(), Some(Duration::from_millis(8)));
    assert_eq!((figures.jitter.mean_ms, figures.jitter.pairs), (None, 0));
    assert_eq!(figures.duration, Some(Duration::from_millis(8)));
}

#[test]
fn throughput_is_bytes_received_over_total_time() {
    let figures = of(&[Some(5), None, Some(10)]);
    assert_eq!((figures.bytes, figures.duration), (Some(200), Some(Duration::from_millis(50))));
    close(figures.throughput_bps, 200.0 * 8.0 / 0.050);
}

#[test]
fn jitter_is_the_mean_step_between_consecutive_answers() {
    // |14−10|, |11−14|, and across the loss |20−11|.
    let figures = of(&[Some(10), Some(14), Some(11), None, Some(20)]);
    close(figures.jitter.mean_ms, (4.0 + 3.0 + 9.0) / 3.0);
    assert_eq!(figures.jitter.pairs, 3);
}

#[test]
fn rfc_3550_jitter_moves_by_a_sixteenth_of_each_difference() {
    let jitter = of(&[Some(10), Some(26), Some(26)]).jitter.rfc3550.unwrap();
    close(Some(jitter.max_ms), 1.0);
    close(Some(jitter.last_ms), 1.0 - 1.0 / 16.0);
    close(Some(jitter.mean_ms), (1.0 + 15.0 / 16.0) / 2.0);
}

#[test]
fn rfc_3550_jitter_follows_the_order_of_arrival() {
    // Probe 0 arrives last: 70, then 1 at 31 and 2 at 51.
    let figures = of(&[Some(60), Some(1), Some(1)]);
    let jitter = figures.jitter.rfc3550.unwrap();
    close(Some(jitter.last_ms), 59.0 / 16.0);
    close(figures.jitter.mean_ms, 59.0 / 2.0);
}

#[test]
fn reordered_answers_are_those_of_rfc_4737() {
    let cases: [(&[Option<u64>], u64); 5] = [
        (&[Some(1), Some(1), Some(1)], 0),
        // 1 overtakes 0.
        (&[Some(30), Some(1), Some(1)], 1),
        // 0 and 1 arrive after 2.
        (&[Some(100), Some(70), Some(1)], 2),
        // A loss is no reordering.
        (&[Some(1), None, Some(1)], 0),
        // 2 arrives before 0 and 1, which keep their order: both are late.
        (&[Some(60), Some(50), Some(5), Some(60)], 2),
    ];
    for (latencies, expected) in cases {
        assert_eq!(of(latencies).reordered, Some(expected), "{latencies:?}");
    }
}

#[test]
fn loss_runs_bursts_and_gaps_are_those_of_rfc_3611() {
    let pattern = |text: &str| {
        let latencies: Vec<_> = text.chars().map(|c| (c == '.').then_some(1)).collect();
        of(&latencies).loss_runs
    };
    let gap = ".".repeat(16);
    // A single loss between two stretches of 16 answers stays in the gap.
    let runs = pattern(&format!("{gap}x{gap}xx.x{gap}"));
    assert_eq!((runs.runs, runs.longest, runs.lost), (3, 2, 4));
    // The longest run begins with probe 33, sent at 33 × 20 + 10 ms.
    assert_eq!(runs.longest_at, Some(Duration::from_millis(670)));
    assert_eq!((runs.bursts, runs.sent_in_bursts, runs.lost_in_bursts), (1, 4, 3));
    assert_eq!(runs.burst_density(), Some(0.75));
    assert_eq!(runs.gap_density(), Some(1.0 / 49.0));
    assert_eq!((runs.mean_burst(), runs.gaps, runs.mean_gap()), (Some(4.0), 2, Some(24.5)));
    // 15 answers do not end a burst.
    let runs = pattern(&format!("x{}x{gap}", ".".repeat(15)));
    assert_eq!((runs.bursts, runs.sent_in_bursts), (1, 17));
    // There is no gap before a burst that begins with the first probe.
    assert_eq!((runs.gaps, runs.mean_gap()), (1, Some(16.0)));
    assert_eq!((pattern("xx").gaps, pattern("xx").mean_gap()), (0, None));
    let none = pattern("....");
    assert_eq!((none.mean_burst(), none.mean_gap()), (None, Some(4.0)));
    assert_eq!((none.burst_density(), none.mean_run(), none.burst_ratio()), (None, None, None));
}

#[test]
fn several_clients_add_up_and_are_not_compared_with_each_other() {
    let (a, b) = (samples(&[Some(10), Some(10)]), samples(&[Some(90), None, Some(94)]));
    let total = Analysis::of_all(&[&a, &b]);
    assert_eq!((total.sent, total.received, total.lost), (5, 4, 1));
    // |10−10| and |94−90|, not |90−10|.
    close(total.jitter.mean_ms, 2.0);
    assert_eq!(total.reordered, Some(0));
    assert_eq!(total.latency.max(), Some(Duration::from_millis(94)));
    assert_eq!(total.duration, Some(Duration::from_millis(134)));
}

#[test]
fn a_residence_longer_than_the_round_trip_is_not_believed() {
    let mut sample = samples(&[Some(10)]).remove(0);
    sample.residence = Some(Duration::from_millis(4));
    assert_eq!(sample.latency(), Some(Duration::from_millis(6)));
    sample.residence = Some(Duration::from_millis(11));
    assert_eq!(sample.latency(), Some(Duration::from_millis(10)));
}

proptest! {
    #[test]
    fn figures_hold_together(
        latencies in prop::collection::vec(prop::option::of(0..500_u64), 0..300),
    ) {
        let figures = of(&latencies);
        prop_assert_eq!(figures.sent, latencies.len() as u64);
        prop_assert_eq!(figures.sent, figures.received + figures.lost);
        prop_assert_eq!(figures.bytes.unwrap_or(0), figures.received * 100);
        prop_assert!(figures.reordered <= Some(figures.received.saturating_sub(1)));
        prop_assert_eq!(figures.jitter.pairs, figures.received.saturating_sub(1));
        let runs = figures.loss_runs;
        prop_assert!(runs.lost_in_bursts <= runs.sent_in_bursts && runs.sent_in_bursts <= runs.sent);
        prop_assert!(runs.lost == figures.lost && runs.lost_in_bursts <= runs.lost);
        prop_assert!(runs.runs <= runs.lost && runs.longest <= runs.lost);
    }
}
