//! What a reflector's count and clock tell, from samples that are written down.

#![expect(clippy::unwrap_used, reason = "a figure that is missing must fail loudly")]

use std::time::Duration;

use selat_qos::analysis::{Analysis, LossDirection};
use selat_qos::sample::{Reflection, Sample};

/// An answered probe: delays on each way in µs, and what the reflector's clock is ahead, ns.
fn answered(seq: u32, number: Option<u32>, [up, down]: [u64; 2], ahead_ns: i64) -> Sample {
    let sent_at = Duration::from_millis(u64::from(seq) * 20);
    let reflected_at = sent_at + Duration::from_micros(up);
    let by_its_clock = i64::try_from(reflected_at.as_nanos()).unwrap() + ahead_ns;
    let (received_ns, sent_ns) = (by_its_clock, by_its_clock);
    Sample {
        received_at: Some(reflected_at + Duration::from_micros(down)),
        reflection: Some(Reflection { number, copies: 0, received_ns, sent_ns }),
        bytes: 100,
        ..Sample::sent(seq, sent_at, sent_at)
    }
}

fn lost(seq: u32) -> Sample {
    let sent_at = Duration::from_millis(u64::from(seq) * 20);
    Sample::sent(seq, sent_at, sent_at)
}

/// A run in which probe i got the number that is at place i; none of those lost.
fn numbered(numbers: &[Option<u32>]) -> Vec<Sample> {
    let sample = |(seq, number): (u32, &Option<u32>)| match number {
        Some(number) => answered(seq, Some(*number), [50, 50], 0),
        None => lost(seq),
    };
    (0..).zip(numbers).map(sample).collect()
}

#[test]
fn a_number_that_is_missing_is_an_answer_that_was_lost() {
    let way = |up, down, unknown| Some(LossDirection { up, down, unknown });
    let cases: [(&[Option<u32>], _); 9] = [
        (&[Some(0), Some(1), Some(2)], way(0, 0, 0)),
        (&[Some(0), None, Some(1)], way(1, 0, 0)),
        (&[Some(0), None, Some(2)], way(0, 1, 0)),
        (&[None, None, Some(1), None, Some(2)], way(2, 1, 0)),
        (&[Some(0), None, None], way(0, 0, 2)),
        // Swapped on the way there.
        (&[Some(1), Some(0), None, Some(2)], way(1, 0, 0)),
        // A count that began before this run.
        (&[None, Some(70), None, Some(72)], way(0, 1, 1)),
        // A count that began anew in between.
        (&[Some(0), Some(1), None, Some(0), Some(1)], way(0, 0, 1)),
        (&[None, None], None),
    ];
    for (numbers, expected) in cases {
        assert_eq!(Analysis::of(&numbered(numbers)).loss_direction, expected, "{numbers:?}");
    }
}

#[test]
fn copies_made_on_the_way_there_are_no_losses() {
    let mut samples = numbered(&[Some(0), Some(2), None, Some(4)]);
    // Probe 0 came twice and both were answered; number 3 was of probe 2.
    samples[0].reflection.as_mut().unwrap().copies = 1;
    samples[0].duplicates = 1;
    let expected = LossDirection { up: 0, down: 1, unknown: 0 };
    assert_eq!(Analysis::of(&samples).loss_direction, Some(expected));
}

#[test]
fn losses_of_clients_whose_reflector_does_not_count_are_unknown() {
    let (counted, uncounted) = (numbered(&[Some(0), None, Some(1)]), vec![lost(0), lost(1)]);
    let total = Analysis::of_all(&[&counted, &uncounted]);
    let expected = LossDirection { up: 1, down: 0, unknown: 2 };
    assert_eq!(total.loss_direction, Some(expected));
}

#[test]
fn throughput_there_counts_what_reached_the_reflector() {
    let figures = Analysis::of(&numbered(&[Some(0), None, Some(2), None, Some(3)]));
    let (down, up) = (figures.throughput_bps.unwrap(), figures.throughput_up_bps.unwrap());
    assert!((up / down - 4.0 / 3.0).abs() < 1e-9, "{up} {down}");
}

/// A minute in which answers queue on the way there now and then, by a clock that drifts.
fn queueing(drift: f64, step_ns: i64) -> Vec<Sample> {
    (0..3_000)
        .map(|seq| {
            let queue = if seq % 3 == 0 { 0 } else { u64::from(seq % 50) * 400 };
            let drifted = (f64::from(seq) * 20e6 * drift) as i64;
            let step = if seq > 1_500 { step_ns } else { 0 };
            answered(seq, Some(seq), [5_000 + queue, 5_000], 7_000_000_000 + drifted + step)
        })
        .collect()
}

#[test]
fn one_way_delays_are_those_of_the_path_whatever_the_clock() {
    for drift in [0.0, 40e-6, -100e-6] {
        let one_way = Analysis::of(&queueing(drift, 0)).one_way.unwrap();
        let near = |found: Option<Duration>, expected_us: u64| {
            let expected = Duration::from_micros(expected_us);
            let off = found.unwrap().abs_diff(expected);
            assert!(off <= Duration::from_micros(20), "{off:?} off {expected:?}, drift {drift}");
        };
        near(one_way.up.min(), 5_000);
        near(one_way.up.max(), 5_000 + 49 * 400);
        near(one_way.down.min(), 5_000);
        near(one_way.down.max(), 5_000);
        assert!((one_way.drift_ppm.unwrap() - drift * 1e6).abs() < 0.5, "{:?}", one_way.drift_ppm);
        assert!((one_way.offset_ms - 7_000.0).abs() < 0.05);
        near(Some(one_way.error), 5_000);
    }
}

#[test]
fn a_reflector_whose_clock_was_set_tells_no_one_way_delays() {
    for step_ns in [60_000_000_000, -60_000_000_000, 40_000_000] {
        assert_eq!(Analysis::of(&queueing(0.0, step_ns)).one_way, None, "{step_ns}");
    }
}

#[test]
fn ways_that_are_never_alike_are_off_by_no_more_than_the_error_bar() {
    let samples: Vec<_> =
        (0..100).map(|seq| answered(seq, Some(seq), [9_000, 1_000], -5_000)).collect();
    let one_way = Analysis::of(&samples).one_way.unwrap();
    let off = one_way.up.percentile(50.0).unwrap().abs_diff(Duration::from_micros(9_000));
    assert!(off <= one_way.error, "{off:?} {:?}", one_way.error);
}

/// A run whose answers arrive in this order.
fn arriving(order: &[u32]) -> Vec<Sample> {
    let mut samples: Vec<_> = (0..10).map(lost).collect();
    for (place, seq) in (0..).zip(order) {
        samples[*seq as usize].received_at = Some(Duration::from_millis(1_000 + place));
    }
    samples
}

#[test]
fn the_extent_of_reordering_is_that_of_rfc_4737() {
    // Order of arrival, how many are reordered, the largest extent, its mean, the longest lateness.
    type Case = (&'static [u32], u64, Option<u64>, Option<f64>, Option<u64>);
    let cases: [Case; 5] = [
        (&[0, 1, 2, 3], 0, None, None, None),
        (&[0, 2, 1, 3], 1, Some(1), Some(1.0), Some(1)),
        // RFC 4737 §7.3: 4 is late by 2, 5 and 6 are in order; here from 0.
        (&[0, 1, 2, 4, 5, 3, 6], 1, Some(2), Some(2.0), Some(2)),
        (&[3, 0, 1, 2], 3, Some(3), Some(2.0), Some(3)),
        // The first with a higher number than 2 is 5, not 9.
        (&[1, 5, 9, 2], 1, Some(2), Some(2.0), Some(2)),
    ];
    for (order, reordered, max, mean, late_ms) in cases {
        let figures = Analysis::of(&arriving(order));
        let found = figures.reordering;
        assert_eq!((figures.reordered, found.extent_max), (Some(reordered), max), "{order:?}");
        assert_eq!(
            (found.extent_mean(), found.late_max),
            (mean, late_ms.map(Duration::from_millis))
        );
    }
}

#[test]
fn delay_variation_is_signed_and_never_across_a_loss() {
    let latency = |seq, up| answered(seq, None, [up, 0], 0);
    let samples =
        [latency(0, 1_000), latency(1, 4_000), lost(2), latency(3, 9_000), latency(4, 8_000)];
    let steps = Analysis::of(&samples).delay_variation;
    assert_eq!(steps.pairs(), 2);
    assert_eq!((steps.percentile(0.0), steps.percentile(100.0)), (Some(-1.0), Some(3.0)));
    assert_eq!(Analysis::default().delay_variation.percentile(50.0), None);
}
