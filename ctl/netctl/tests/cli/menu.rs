//! The menu of the original project, from a script.

use netctl::Exit;

use crate::origin::{Echo, web};
use crate::ran::{assert_has, netctl, netctl_with_input};

#[test]
fn every_choice_works_from_lines_and_shows_its_command() {
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Status: p; hit\r\n\r\nhello";
    let (web, echo) = (web(&[("/", page), ("/a", page)]), Echo::start(0));
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("qos_result.csv");
    let csv = csv.to_str().unwrap();
    let (http, udp) = (web.port(), echo.address.port());
    let script = format!("1\n127.0.0.1\n{http}\n{udp}\n2\n/a\n3\n20\n4\n2\nq\n");
    let ran = netctl_with_input(&["menu", "--csv", csv], &script);
    assert_eq!((ran.exit, ran.out.contains("HIT")), (Exit::Success, true), "{ran:?}");
    for command in [
        format!("$ netctl fetch http://127.0.0.1:{http}/a\n"),
        format!("$ netctl qos udp 127.0.0.1:{udp} --count 20 --csv {csv}\n"),
        format!(
            "$ netctl qos clients 2 --udp 127.0.0.1:{udp} --http http://127.0.0.1:{http}/ --csv {csv}\n"
        ),
    ] {
        assert_has(&ran.out, &[&command]);
    }
    assert_has(&ran.out, &["throughput", "jitter", "CLIENT"]);
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 1 + 1 + 3 + 3);
}

#[test]
fn tests_that_came_later_can_be_chosen_too() {
    let echo = Echo::start(0);
    let directory = tempfile::tempdir().unwrap();
    let raw = directory.path().join("it's kept.json");
    let raw = raw.to_str().unwrap();
    let target = echo.address.to_string();
    netctl(&["qos", "udp", &target, "--count", "20", "--rate", "1000", "--raw", raw]).text();
    let udp = echo.address.port();
    let script = format!("1\n\n\n{udp}\n5\n900\n1000\n6\n7\n{raw}\n8\n{raw}\n{raw}\nq\n");
    let ran = netctl_with_input(&["menu"], &script);
    assert_eq!(ran.exit, Exit::Success, "{ran:?}");
    let quoted = raw.replace('\'', r"'\''");
    for command in [
        format!("$ netctl qos sweep 127.0.0.1:{udp} --from 900 --to 1000\n"),
        "$ netctl qos calibrate\n".to_owned(),
        format!("$ netctl qos report '{quoted}'\n"),
        format!("$ netctl qos compare '{quoted}' '{quoted}'\n"),
    ] {
        assert_has(&ran.out, &[&command]);
    }
    assert_has(&ran.out, &["PER SECOND", "UDP to this machine itself", "20 probes", "noise"]);
}

#[test]
fn streams_and_responsiveness_are_one_choice_that_asks_which() {
    let web = web(&[]);
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("qos_result.csv");
    let csv = csv.to_str().unwrap();
    let base = format!("http://{web}/.well-known/nq");
    let script = format!("1\n\n{}\n\n10\n\n3\n10\nboth\nResponsiveness\n\nq\n", web.port());
    let ran = netctl_with_input(&["menu", "--csv", csv], &script);
    assert_eq!(ran.exit, Exit::Success, "{ran:?}");
    for command in [
        format!("$ netctl qos tcp {base} --duration 3s --csv {csv}\n"),
        format!("$ netctl qos responsiveness {base} --duration 10s --csv {csv}\n"),
    ] {
        assert_has(&ran.out, &[&command]);
    }
    assert_has(&ran.notes, &["\"both\" does not fit: throughput or responsiveness"]);
}

#[test]
fn requests_are_appended_too_and_q_leaves_a_question() {
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let web = web(&[("/", page)]);
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("qos_result.csv");
    let csv = csv.to_str().unwrap();
    let script = format!("1\n\n{}\n\n3\nq\n1\nelsewhere\nQ\n9\n10\n500\nq\n", web.port());
    let ran = netctl_with_input(&["menu", "--csv", csv], &script);
    assert_eq!(ran.exit, Exit::Success, "{ran:?}");
    let run = format!(
        "$ netctl qos http http://{web}/ --count 10 --rate 500 --compare-cache --csv {csv}"
    );
    assert_has(&ran.out, &[&run]);
    assert!(!ran.out.contains("qos udp") && !ran.out.contains("elsewhere"), "{ran:?}");
    assert!(std::fs::read_to_string(csv).unwrap().lines().count() > 1);
}

#[test]
fn answers_that_make_no_sense_are_asked_for_again() {
    let ran = netctl_with_input(&["menu"], "dance\n1\n\nport\n8081\n70000\n9091\n0\n");
    assert_eq!(ran.exit, Exit::Success);
    assert_has(&ran.notes, &["\"dance\" is none of 1 to 10 and q"]);
    assert_has(&ran.notes, &["\"port\" does not fit", "\"70000\" does not fit"]);
    assert_has(&ran.out, &["The proxy is 127.0.0.1, HTTP on 8081, UDP on 9091."]);
}

#[test]
fn a_failure_does_not_end_the_menu_but_the_end_of_the_input_does() {
    let port = crate::origin::nobody().port();
    let ran = netctl_with_input(&["menu"], &format!("1\n\n{port}\n\n2\n\n"));
    assert_eq!(ran.exit, Exit::Success);
    assert_has(&ran.notes, &["cannot connect to"]);
    assert_eq!(ran.out.matches("Choice: ").count(), 3, "{ran:?}");
}
