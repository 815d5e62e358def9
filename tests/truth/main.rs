//! What a measurement says beside what is known to be true, to 50 µs. A program of its own, in which no other test
//! runs beside this one and takes the processor away from it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{fs, time::Duration};

use selat_tests::{Link, Pattern, System};
use serde_json::Value;

/// What a run through a link measured, beside what the link did.
struct Measured {
    result: Value,
    /// How long the link held each probe and its answer, ms.
    held: Vec<f64>,
    /// Median of what each latency has beyond that, ms: the ways to the link and from it.
    beyond: f64,
}

fn measure(system: &System, way: Pattern) -> Measured {
    let link = Link::start(system.websrvd.address("echo"), way, way);
    let target = link.address().to_string();
    let arguments = ["qos", "udp", &target, "--count", "150", "--rate", "40", "--raw", "raw.json"];
    let result = system.netctl.json(&arguments)["results"][0].clone();
    assert_eq!((&result["sent"], &result["lost"]), (&150.into(), &0.into()));
    let held: Vec<f64> = link.held().iter().map(|held| held.as_secs_f64() * 1e3).collect();
    let kept: Value =
        serde_json::from_slice(&fs::read(system.site().join("raw.json")).unwrap()).unwrap();
    let samples = kept["measurements"][0]["clients"][0]["samples"].as_array().unwrap();
    assert_eq!((samples.len(), held.len()), (150, 150));
    let latency = |sample: &Value| {
        let nanos = |index: usize| sample[index].as_f64().unwrap_or_default();
        (nanos(3) - nanos(2) - nanos(4)) / 1e6
    };
    let mut beyond: Vec<f64> =
        samples.iter().zip(&held).map(|(sample, held)| latency(sample) - held).collect();
    beyond.sort_by(f64::total_cmp);
    Measured { result, beyond: beyond[beyond.len() / 2], held }
}

#[test]
fn delay_and_jitter_are_those_of_the_link() {
    let system = System::start();
    let way = Pattern {
        delay: Duration::from_millis(4),
        spread: Duration::from_millis(8),
        ..Pattern::default()
    };
    let (delayed, direct) = (measure(&system, way), measure(&system, Pattern::default()));
    // The ways to the link and from it are the same whether it delays or not.
    assert!(direct.beyond > 0.0, "{} ms less than the link held them", direct.beyond);
    let error_ms = delayed.beyond - direct.beyond;
    assert!(error_ms.abs() < 0.05, "{} ms and {} ms", delayed.beyond, direct.beyond);
    let steps: Vec<f64> = delayed.held.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let jitter = steps.iter().sum::<f64>() / steps.len() as f64;
    let measured = delayed.result["jitter_ms"].as_f64().unwrap();
    assert!((measured - jitter).abs() / jitter < 0.05, "{measured} ms of {jitter} ms");
}
