//! Loss with its way, copies and order.

use std::{collections::BTreeSet, time::Duration};

use selat_tests::{Burst, Irtt, Link, Pattern, System};
use serde_json::Value;

use crate::alone;

/// Probes of a run; the last comes back through each of the links below.
const COUNT: u32 = 310;
const INTERVAL: Duration = Duration::from_millis(4);

/// Lost, copies, out of order, lost on the way there.
type Counts = [usize; 4];

/// What is true of `count` probes after `before` other datagrams.
fn truth(up: Pattern, down: Pattern, before: usize, count: usize) -> Counts {
    let probes = before..before + count;
    let reached = up.carry(0..before + count);
    let came = down.carry(reached.iter().copied());
    let came: Vec<usize> = came.into_iter().filter(|probe| probes.contains(probe)).collect();
    let first: BTreeSet<usize> = came.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let late = came.iter().filter(|probe| seen.insert(**probe) && seen.last() > Some(*probe));
    let unreached = probes.clone().filter(|probe| !reached.contains(probe));
    let (late, unreached) = (late.count(), unreached.count());
    [count - first.len(), came.len() - first.len(), late, unreached]
}

fn ours(system: &System, up: Pattern, down: Pattern) -> Counts {
    let link = Link::start(system.websrvd.address("echo"), up, down).address().to_string();
    let (count, rate) = (COUNT.to_string(), (1.0 / INTERVAL.as_secs_f64()).to_string());
    let document = system.netctl.json(&["qos", "udp", &link, "--count", &count, "--rate", &rate]);
    let result = &document["results"][0];
    assert_eq!((&result["sent"], &result["lost_unknown"]), (&COUNT.into(), &0.into()), "{result}");
    ["lost", "duplicates", "reordered", "lost_up"].map(|name| number(&result[name]))
}

/// What irtt measured, and what is true of the probes that it sent: after one datagram each way.
fn irtts(irtt: &Irtt, up: Pattern, down: Pattern) -> (Counts, Counts) {
    let link = Link::start(irtt.address(), up, down);
    let result = Irtt::measure(link.address(), COUNT, INTERVAL);
    let stats = &result["stats"];
    let trips = result["round_trips"].as_array().unwrap();
    let is_lost = |trip: &&Value| trip["lost"] != "false";
    let unreached = trips.iter().filter(|trip| trip["lost"] == "true_up").count();
    let lost = trips.iter().filter(is_lost).count();
    let measured = [lost, number(&stats["duplicates"]), number(&stats["late_packets"]), unreached];
    (measured, truth(up, down, 1, trips.len()))
}

fn number(value: &Value) -> usize {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn loss_copies_and_order_are_those_of_the_link() {
    let _alone = alone();
    let (system, irtt) = (System::start(), Irtt::start());
    let good = Pattern::default();
    let every = Pattern { drop_every: 13, ..good };
    let bursts = Pattern { burst: Burst { every: 60, length: 4 }, ..good };
    let copies = Pattern { duplicate_every: 11, ..good };
    let places = Pattern { swap_every: 7, ..good };
    let cases = [
        ("every 13th lost there", every, good),
        ("every 13th lost back", good, every),
        ("4 in a row of 60 lost there", bursts, good),
        ("4 in a row of 60 lost back", good, bursts),
        ("every 11th twice, back", good, copies),
        ("every 7th after the next, back", good, places),
        ("lost there, lost and swapped back", bursts, Pattern { swap_every: 7, ..every }),
    ];
    println!(
        "\n| link | by | lost | of it there | copies | out of order |\n|---|---|---|---|---|---|"
    );
    for (link, up, down) in cases {
        let expected = truth(up, down, 0, COUNT as usize);
        let measured = ours(&system, up, down);
        show(link, "netctl", measured, expected);
        let (measured_by_irtt, expected_of_irtt) = irtts(&irtt, up, down);
        show(link, "irtt", measured_by_irtt, expected_of_irtt);
        assert_eq!(measured, expected, "{link}");
    }
}

fn show(link: &str, who: &str, measured: Counts, truth: Counts) {
    let of = |index: usize| format!("{} of {}", measured[index], truth[index]);
    println!("| {link} | {who} | {} | {} | {} | {} |", of(0), of(3), of(1), of(2));
}
