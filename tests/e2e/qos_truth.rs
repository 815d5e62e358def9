//! What a UDP test says of losses, copies and order, beside what its link does to each datagram. The figures that it
//! must give are worked out here from the numbers of the probes, by nothing of the product.

use std::collections::BTreeSet;

use selat_tests::{Burst, Link, Pattern, System};
use serde_json::Value;

/// Answers in a row that end a burst (RFC 3611 §4.7.2, the recommended Gmin).
const GMIN: u64 = 16;
/// Probes of a run; whose number it is comes back once from each of the links below.
const COUNT: u64 = 296;

/// What becomes of probes 0 to [`COUNT`] − 1 on a link.
#[derive(Debug)]
struct Truth {
    /// The probes that the reflector got, in order, copies among them.
    reached: Vec<u64>,
    /// Those whose answers came back, likewise.
    came: Vec<u64>,
}

impl Truth {
    fn of(up: Pattern, down: Pattern) -> Self {
        let reached = up.carry(0..COUNT);
        let came = down.carry(reached.iter().copied());
        // Of what is lost after the last answer nobody can know the way, nor of copies of that.
        let last = came.last().filter(|last| **last == COUNT - 1);
        assert!(last.is_some() && came.iter().filter(|probe| Some(*probe) == last).count() == 1);
        Self { reached, came }
    }

    fn lost(&self) -> Vec<u64> {
        (0..COUNT).filter(|probe| !self.came.contains(probe)).collect()
    }

    fn lost_up(&self) -> usize {
        (0..COUNT).filter(|probe| !self.reached.contains(probe)).count()
    }

    /// First answers that come after one to a later probe (RFC 4737 §3.3).
    fn reordered(&self) -> usize {
        let mut seen = BTreeSet::new();
        let is_late = |probe: &&u64| {
            let is_first = seen.insert(**probe);
            is_first && seen.last() > Some(*probe)
        };
        self.came.iter().filter(is_late).count()
    }

    fn counts(&self) -> [(&'static str, usize); 8] {
        let (lost, lost_up) = (self.lost().len(), self.lost_up());
        let received = COUNT as usize - lost;
        [
            ("sent", COUNT as usize),
            ("received", received),
            ("lost", lost),
            ("duplicates", self.came.len() - received),
            ("reordered", self.reordered()),
            ("lost_up", lost_up),
            ("lost_down", lost - lost_up),
            ("lost_unknown", 0),
        ]
    }
}

/// Runs a test through such a link to the relay and returns its result.
fn measure(system: &System, up: Pattern, down: Pattern) -> Value {
    let link = Link::start(system.proxyd.address("udp"), up, down).address().to_string();
    let count = COUNT.to_string();
    let arguments = ["qos", "udp", &link, "--count", &count, "--rate", "500", "--timeout", "2s"];
    system.netctl.json(&arguments)["results"][0].clone()
}

fn assert_counts(result: &Value, truth: &Truth) {
    let expected = truth.counts();
    let measured = expected.map(|(name, _)| (name, result[name].as_u64().unwrap_or(u64::MAX)));
    assert_eq!(measured.map(|(name, count)| (name, count as usize)), expected, "{result}");
}

/// What RFC 3611 §4.7.2 and ITU-T G.107 say of a run in which these probes are lost, and how many are in a row.
fn assert_bursts(result: &Value, lost: &[u64]) {
    // A burst is from a loss to a loss, with fewer than Gmin answers in a row, and at least two of them.
    let groups = lost.chunk_by(|one, next| next - one - 1 < GMIN);
    let bursts: Vec<&[u64]> = groups.filter(|losses| losses.len() > 1).collect();
    let ends = bursts.iter().flat_map(|burst| [burst[0], burst[burst.len() - 1] + 1]);
    let bounds: Vec<u64> = [0].into_iter().chain(ends).chain([COUNT]).collect();
    let gaps: Vec<u64> =
        bounds.chunks(2).map(|gap| gap[1] - gap[0]).filter(|len| *len > 0).collect();
    let outside: u64 = gaps.iter().sum();
    let inside = COUNT - outside;
    let lost_inside: usize = bursts.iter().map(|burst| burst.len()).sum();
    let in_a_row: Vec<usize> =
        lost.chunk_by(|one, next| next - one == 1).map(<[u64]>::len).collect();
    assert!(bursts.len() > 1 && gaps.len() > 1, "a test of both: {lost:?}");

    let ratio = |part: usize, whole: f64| part as f64 / whole;
    let (lost_count, runs) = (lost.len(), in_a_row.len() as f64);
    let expected = [
        ("loss_pct", ratio(lost_count, COUNT as f64) * 100.0),
        ("loss_run_max", in_a_row.into_iter().max().unwrap() as f64),
        ("loss_bursts", bursts.len() as f64),
        ("loss_gaps", gaps.len() as f64),
        ("burst_mean_probes", inside as f64 / bursts.len() as f64),
        ("gap_mean_probes", outside as f64 / gaps.len() as f64),
        ("burst_density", ratio(lost_inside, inside as f64)),
        ("gap_density", ratio(lost_count - lost_inside, outside as f64)),
        ("burst_ratio", ratio(lost_count, runs) * (1.0 - ratio(lost_count, COUNT as f64))),
    ];
    for (name, expected) in expected {
        let measured = result[name].as_f64().unwrap_or(f64::NAN);
        // Six decimals are given.
        assert!((measured - expected).abs() < 1e-6, "{name}: {measured}, not {expected}: {result}");
    }
}

#[test]
fn bursts_of_loss_are_told_to_the_probe_with_the_way_on_which_they_were() {
    let system = System::start();
    let good = Pattern::default();
    // Five in a row and, 30 answers away from those, one alone.
    let one = Pattern { drop_every: 35, burst: Burst { every: 70, length: 5 }, ..good };
    // Some of these follow the others within 16 answers, and are one burst with them.
    let other = Pattern { drop_every: 53, burst: Burst { every: 48, length: 2 }, ..good };
    let rare = Pattern { drop_every: 90, burst: Burst { every: 95, length: 3 }, ..good };
    for (up, down) in [(one, good), (good, one), (other, good), (good, other), (one, rare)] {
        let truth = Truth::of(up, down);
        let result = measure(&system, up, down);
        assert_counts(&result, &truth);
        assert_bursts(&result, &truth.lost());
    }
}

#[test]
fn copies_and_changed_places_are_told_to_the_datagram_on_either_way() {
    let system = System::start();
    let good = Pattern::default();
    let copies = Pattern { duplicate_every: 11, ..good };
    let places = Pattern { swap_every: 7, ..good };
    for (up, down) in [(copies, good), (good, copies), (places, good), (good, places)] {
        let truth = Truth::of(up, down);
        assert!(truth.reordered() > 20 || truth.came.len() as u64 > COUNT + 20);
        assert_counts(&measure(&system, up, down), &truth);
    }
    // Each way has its own: copies of copies, and places that change back.
    let (up, down) = (
        Pattern { duplicate_every: 11, swap_every: 7, ..good },
        Pattern { duplicate_every: 13, swap_every: 5, ..good },
    );
    assert_counts(&measure(&system, up, down), &Truth::of(up, down));
}

#[test]
fn links_that_do_everything_are_told_to_the_datagram() {
    let system = System::start();
    let burst = Burst { every: 60, length: 4 };
    let all =
        Pattern { drop_every: 53, burst, duplicate_every: 14, swap_every: 9, ..Pattern::default() };
    let other = Pattern { drop_every: 71, duplicate_every: 15, swap_every: 8, ..all };
    let lossless = Pattern { drop_every: 0, burst: Burst::default(), duplicate_every: 16, ..all };
    let single = Pattern { duplicate_every: 0, ..all };
    // The answer to a copy that is lost looks like that to a probe where probes are lost there, too.
    for (up, down) in [(all, lossless), (lossless, other), (single, other)] {
        let truth = Truth::of(up, down);
        let result = measure(&system, up, down);
        assert_counts(&result, &truth);
        assert_bursts(&result, &truth.lost());
    }
}
