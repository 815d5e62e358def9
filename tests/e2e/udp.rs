//! UDP measurements with keys, with the way past a relay, and with tables of grades.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use selat_tests::{Daemon, Netctl, System};
use serde_json::Value;

fn result(document: &Value) -> &Value {
    &document["results"][0]
}

fn number(result: &Value, name: &str) -> f64 {
    result[name].as_f64().unwrap_or_else(|| panic!("no {name} in {result}"))
}

/// Writes a file of keys that not everyone may read.
fn keys(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_session_with_a_key_is_measured_only_by_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let ours = keys(directory.path(), "ours", &format!("7 = {}\n", "a5".repeat(32)));
    let other = keys(directory.path(), "other", &format!("7 = {}\n", "5a".repeat(32)));
    let websrvd = Daemon::serving(directory.path()).env("WEBSRVD_REFLECTOR_KEYS", &ours).start();
    let target = websrvd.address("echo").to_string();
    let measure = |options: &[&str]| {
        let usual = ["-o", "json", "qos", "udp", &target, "--count", "30", "--rate", "500"];
        Netctl::new()
            .in_directory(directory.path())
            .run(&[&usual[..], &["--timeout", "300ms"], options].concat())
    };
    let answered = measure(&["--auth-key-file", &ours]);
    assert_eq!(answered.code, 0, "{answered:?}");
    let document: Value = serde_json::from_str(&answered.stdout).unwrap();
    let figures = result(&document);
    assert_eq!((&figures["received"], &figures["lost_up"]), (&30.into(), &0.into()), "{figures}");
    assert_eq!(measure(&["--auth-key-file", &other]).code, 3);
    // Other sessions have no key, and are measured as before.
    assert_eq!(measure(&[]).code, 0);
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = measure(&["--auth-key-file", &ours]);
    assert!(exposed.code != 0 && exposed.stderr.contains("everyone may read"), "{exposed:?}");
    let refused = Daemon::serving(directory.path()).env("WEBSRVD_REFLECTOR_KEYS", &ours).fail();
    assert!(refused.1.contains("reflector_keys") && refused.1.contains("everyone"), "{refused:?}");
}

#[test]
fn what_the_relay_costs_is_told_against_the_way_past_it() {
    let system = System::start();
    let (relay, echo) = (system.proxyd.address("udp"), system.websrvd.address("echo"));
    let [relay, echo] = [relay, echo].map(|address| address.to_string());
    let arguments =
        ["qos", "udp", &relay, "--compare-direct", &echo, "--count", "50", "--rate", "200"];
    let document = system.netctl.json(&arguments);
    let rows = document["results"].as_array().unwrap();
    let targets: Vec<&str> = rows.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, [&relay, &echo]);
    assert!(rows.iter().all(|row| row["received"] == 50), "{document}");
    let cost = rows[0]["relay_cost"].as_array().unwrap();
    let p50 = cost.iter().find(|cost| cost["measure"] == "p50").unwrap();
    let [low, difference, high] = ["low", "difference", "high"].map(|name| number(p50, name));
    assert!(low <= difference && difference <= high, "{p50}");
    assert!(rows[1]["relay_cost"].is_null());
}

#[test]
fn samples_that_were_kept_are_graded_again_as_they_were() {
    let system = System::start();
    let relay = system.proxyd.address("udp").to_string();
    let run = ["qos", "udp", &relay, "--count", "20", "--voip", "g729", "--raw", "kept.json"];
    let grades = ["--profile", "L-A,J-B,T-A", "--bandwidth", "1M", "--language", "id"];
    let first = system.netctl.json(&[&run[..], &grades].concat());
    let again = system.netctl.json(&["qos", "report", "kept.json"]);
    assert_eq!(result(&first), result(&again));
    let table = system.netctl.run(&["-o", "table", "qos", "report", "kept.json"]).stdout;
    assert!(table.contains("Sangat Bagus") && table.contains("G.729A"), "{table}");
    let other = system.netctl.json(&[
        "qos",
        "report",
        "kept.json",
        "--profile",
        "T-P",
        "--bandwidth",
        "10k",
    ]);
    assert_ne!(result(&first)["tiphon_index"], result(&other)["tiphon_index"]);
}
