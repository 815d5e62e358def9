//! Delay and its variation, where nothing is lost.

use std::{fs, time::Duration};

use selat_tests::{Irtt, Link, Pattern, System};
use serde_json::Value;

use crate::{alone, median};

const COUNT: u32 = 150;
const INTERVAL: Duration = Duration::from_millis(20);
/// How far the median of delays may be off, ms.
const ERROR_MAX_MS: f64 = 0.05;
/// How far jitter may be off, as a share of it.
const JITTER_ERROR_MAX: f64 = 0.05;

/// What a run through a link measured, beside what the link did.
struct Measured {
    /// Latencies of the probes in order, ms.
    latencies: Vec<f64>,
    /// Mean variation from one to the next, ms.
    jitter: f64,
    /// How long the link held each probe and its answer, ms.
    held: Vec<f64>,
}

impl Measured {
    /// Median of what each latency has beyond the time that the link held it, ms: the ways to the link and from it.
    fn beyond(&self) -> f64 {
        assert_eq!(self.latencies.len(), self.held.len());
        median(
            self.latencies.iter().zip(&self.held).map(|(latency, held)| latency - held).collect(),
        )
    }
}

/// Mean variation from one to the next.
fn jitter(delays: &[f64]) -> f64 {
    let steps: Vec<f64> = delays.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    steps.iter().sum::<f64>() / steps.len() as f64
}

fn ms(delay: Duration) -> f64 {
    delay.as_secs_f64() * 1e3
}

fn ours(system: &System, way: Pattern) -> Measured {
    let link = Link::start(system.websrvd.address("echo"), way, way);
    let (target, count) = (link.address().to_string(), COUNT.to_string());
    let rate = (1.0 / INTERVAL.as_secs_f64()).to_string();
    let arguments =
        ["qos", "udp", &target, "--count", &count, "--rate", &rate, "--raw", "raw.json"];
    let result = system.netctl.json(&arguments)["results"][0].clone();
    assert_eq!((&result["sent"], &result["lost"]), (&COUNT.into(), &0.into()));
    let kept: Value =
        serde_json::from_slice(&fs::read(system.site().join("raw.json")).unwrap()).unwrap();
    let samples = kept["measurements"][0]["clients"][0]["samples"].as_array().unwrap();
    let latency = |sample: &Value| {
        let nanos = |index: usize| sample[index].as_f64().unwrap_or_default();
        (nanos(3) - nanos(2) - nanos(4)) / 1e6
    };
    Measured {
        latencies: samples.iter().map(latency).collect(),
        jitter: result["jitter_ms"].as_f64().unwrap(),
        held: link.held().into_iter().map(ms).collect(),
    }
}

fn irtts(irtt: &Irtt, way: Pattern) -> Measured {
    let link = Link::start(irtt.address(), way, way);
    let result = Irtt::measure(link.address(), COUNT, INTERVAL);
    let nanos = |value: &Value| value.as_f64().unwrap() / 1e6;
    let trips = result["round_trips"].as_array().unwrap();
    let held = link.held().into_iter().map(ms);
    Measured {
        latencies: trips.iter().map(|trip| nanos(&trip["delay"]["rtt"])).collect(),
        jitter: nanos(&result["stats"]["ipdv_round_trip"]["mean"]),
        // A datagram goes each way before the probes, another one after them.
        held: held.skip(1).take(trips.len()).collect(),
    }
}

/// Mean variation of what the link was to do to each probe and its answer, ms.
fn jitter_of(way: Pattern) -> f64 {
    let both_ways: Vec<f64> = way.delays(COUNT.into()).map(|delay| ms(delay) * 2.0).collect();
    jitter(&both_ways)
}

/// A line of the table, for who measured what on which link, of which `off_ms` is the error.
fn show(link: &str, who: &str, run: &Measured, off_ms: f64) {
    let (held, latency) = (median(run.held.clone()), median(run.latencies.clone()));
    let (off_us, held_jitter) = (off_ms * 1e3, jitter(&run.held));
    println!(
        "| {link} | {who} | {held:.3} | {latency:.3} | {off_us:+.1} | {held_jitter:.3} | {:.3} |",
        run.jitter
    );
}

#[test]
fn delay_and_jitter_are_those_of_the_link() {
    let _alone = alone();
    let (system, irtt) = (System::start(), Irtt::start());
    let constant = Pattern { delay: Duration::from_millis(8), ..Pattern::default() };
    let drawn = Pattern {
        delay: Duration::from_millis(4),
        spread: Duration::from_millis(8),
        ..Pattern::default()
    };
    println!("\n| link | by | held, ms | latency, ms | off, µs | jitter held, ms | jitter, ms |");
    println!("|---|---|---|---|---|---|---|");
    // The ways to the link and from it are the same whether it delays or not.
    let direct = ours(&system, Pattern::default());
    show("direct", "netctl", &direct, direct.beyond());
    let direct_irtt = irtts(&irtt, Pattern::default());
    show("direct", "irtt", &direct_irtt, direct_irtt.beyond());
    for (link, way) in [("constant", constant), ("drawn", drawn)] {
        let run = ours(&system, way);
        let (beyond, alone) = (run.beyond(), direct.beyond());
        show(link, "netctl", &run, beyond - alone);
        let other = irtts(&irtt, way);
        show(link, "irtt", &other, other.beyond() - direct_irtt.beyond());
        let is_exact = (beyond - alone).abs() < ERROR_MAX_MS;
        assert!(
            is_exact,
            "{link}: {beyond} ms beyond what the link held, {alone} ms without delay"
        );
        // The link is late itself now and then, which is variation where there should be none.
        let (is_steady, pattern, held) = (way.spread.is_zero(), jitter_of(way), jitter(&run.held));
        let (expected, error_max) =
            if is_steady { (held, ERROR_MAX_MS) } else { (pattern, pattern * JITTER_ERROR_MAX) };
        let (measured, error) = (run.jitter, (run.jitter - expected).abs());
        assert!(error < error_max, "{link}: {measured} ms; pattern {pattern} ms, link {held} ms");
    }
}
