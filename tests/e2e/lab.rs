//! The whole system in one process, as a newcomer meets it.

use std::{fs, process::Command};

use selat_tests::{CSV_HEADER, binary};

#[test]
fn the_tour_shows_a_miss_a_hit_statistics_and_the_quality_of_service() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Command::new(binary("selat-lab"))
        .args(["--once", "--free-ports"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (said, complaints) =
        (String::from_utf8_lossy(&lab.stdout), String::from_utf8_lossy(&lab.stderr));
    assert!(lab.status.success(), "{said}\n{complaints}");
    let lower = said.to_lowercase();
    for shown in ["miss", "hit ratio", "loss", "latency", "jitter", "throughput", "client"] {
        assert!(lower.contains(shown), "{shown} in {said}");
    }
    let hit_after_miss = lower.find("miss").zip(lower.rfind("hit"));
    assert!(hit_after_miss.is_some_and(|(miss, hit)| miss < hit), "{said}");
    let results = fs::read_to_string(directory.path().join("qos_result.csv")).unwrap();
    assert_eq!(results.lines().next(), Some(CSV_HEADER));
    assert!(results.lines().any(|row| row.contains(",udp,") && row.contains(",all,")), "{results}");
}
