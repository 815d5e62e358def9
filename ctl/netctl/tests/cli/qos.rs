//! Quality of service: figures, thresholds, files, targets that do not answer.

use std::fs;

use netctl::Exit;
use serde_json::{Value, json};

use crate::origin::{Echo, gone_after_a_look, nobody, web};
use crate::ran::{Ran, assert_has, netctl};

const FAST: [&str; 4] = ["--count", "20", "--rate", "1000"];

/// Text without its line breaks.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn udp(echo: &Echo, more: &[&str]) -> Ran {
    let target = echo.address.to_string();
    netctl(&[&["-o", "table", "qos", "udp", &target, "--timeout", "1s"], &FAST[..], more].concat())
}

#[test]
fn a_good_path_is_shown_with_every_measure_and_a_sentence() {
    let text = udp(&Echo::start(0), &[]).text();
    assert_has(&text, &["20 probes", "loss", "latency", "jitter", "throughput", "p95", "bit/s"]);
    assert_has(&text, &["voice call", "MOS", "TIPHON", "all 20 were answered"]);
    assert_has(&text, &["ms, loss 0; too few packets"]);
}

#[test]
fn losses_are_counted_and_a_threshold_that_is_missed_ends_with_4() {
    let ran = udp(&Echo::start(5), &["--max-loss", "10"]);
    assert_eq!(ran.exit, Exit::Missed);
    assert_has(&ran.out, &["20.0 %", "4 of 20 lost"]);
    assert_has(&ran.notes, &["loss is 20.000 %, above the threshold of 10 %"]);
    assert_eq!(udp(&Echo::start(5), &["--max-loss", "20%"]).exit, Exit::Success);
}

#[test]
fn every_threshold_that_is_missed_is_named() {
    let ran = udp(&Echo::start(5), &["--max-loss", "10", "--max-latency", "1us"]);
    assert_eq!(ran.exit, Exit::Missed);
    assert_has(&ran.notes, &["loss is 20.000 %, above", "; latency is", "threshold of 0.001 ms"]);
}

#[test]
fn results_for_programs_are_one_document_with_a_schema() {
    let echo = Echo::start(0);
    let target = echo.address.to_string();
    let arguments = [&["-o", "json", "qos", "udp", &target][..], &FAST].concat();
    let document = netctl(&arguments).json();
    assert_eq!(document["schema"], json!(1));
    let row = &document["results"][0];
    assert_eq!(
        (&row["client"], &row["sent"], &row["lost"]),
        (&json!("all"), &json!(20), &json!(0))
    );
    for (name, word) in
        [("ended", "complete"), ("pace", "eco"), ("stamps", "kernel"), ("answers", "echo")]
    {
        assert_eq!(row[name], json!(word), "{name} of {row}");
    }
}

#[test]
fn files_get_the_rows_and_the_page_that_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let (csv, html, prom) = (path("qos_result.csv"), path("qos.html"), path("qos.prom"));
    for _ in 0..2 {
        let files = ["--csv", &csv, "--report", &html, "--prometheus", &prom];
        let ran = udp(&Echo::start(0), &files);
        assert_has(&ran.notes, &["appended 1 row to", "wrote the report to"]);
    }
    let rows = fs::read_to_string(csv).unwrap();
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert!(rows.starts_with("started_at,test,target,client,"), "{rows}");
    let page = fs::read_to_string(&html).unwrap();
    assert_has(&page, &["<html", "</html>", "measured by", "netctl -o table qos udp 127.0.0.1:"]);
    assert_has(&fs::read_to_string(prom).unwrap(), &["selat_qos_sent{test=\"udp\",target="]);
}

#[test]
fn a_file_that_holds_something_else_is_refused_before_anything_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("other.csv");
    fs::write(&file, "when,what\n").unwrap();
    let ran = udp(&Echo::start(0), &["--csv", file.to_str().unwrap()]);
    assert_has(&ran.complaint(Exit::Failed), &["other.csv", "another header"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "when,what\n");
}

#[test]
fn files_are_made_only_with_a_result_and_refused_before_anything_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let options = ["--csv", "--report", "--raw", "--prometheus"];
    let url = format!("http://{}/.well-known/nq", web(&[]));
    let nobody = nobody();
    let page = format!("http://{nobody}/");
    let nobody = nobody.to_string();
    for option in options {
        let file = path(&format!("{option}.prom"));
        for (run, exit) in [
            (["qos", "tcp", &url], Exit::Failed),
            (["qos", "responsiveness", &url], Exit::Failed),
            (["qos", "http", &page], Exit::Unreachable),
            (["qos", "udp", &nobody], Exit::Unreachable),
        ] {
            netctl(&[&run[..], &[option, &file]].concat()).complaint(exit);
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was left");
    fs::write(path("file"), "").unwrap();
    let target = directory.path().to_str().unwrap();
    for (place, reason) in [
        (path("none/file"), "No such file or directory"),
        (path("file/file"), "Not a directory"),
        (target.to_owned(), "is a directory"),
    ] {
        for option in options {
            // Nobody listens: who measures first says so.
            let complaint =
                netctl(&["qos", "udp", &nobody, option, &place]).complaint(Exit::Failed);
            assert_has(&complaint, &["cannot write to", target, reason]);
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something was made");
}

#[test]
fn a_port_where_nobody_listens_and_a_host_that_is_silent_end_with_3() {
    let closed =
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let complaint = netctl(&["qos", "udp", &closed]).complaint(Exit::Unreachable);
    assert_has(&complaint, &["nobody listens on UDP", &closed, "netctl status proxyd"]);
    let ran = udp(&Echo::start(1), &[]);
    assert_eq!(ran.exit, Exit::Unreachable);
    assert_has(&ran.out, &["100.0 %"]);
    assert_has(&ran.notes, &["nothing came back from"]);
}

#[test]
fn a_host_without_an_address_ends_with_3() {
    let complaint = netctl(&["qos", "udp", "nosuch.invalid:9000"]).complaint(Exit::Unreachable);
    assert_has(&complaint, &["cannot find the address of nosuch.invalid:9000"]);
}

#[test]
fn many_clients_have_a_row_each_over_udp_and_over_http() {
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Status: p; hit\r\n\r\nhello";
    let echo = Echo::start(0);
    let (udp, http) = (echo.address.to_string(), format!("http://{}/", web(&[("/", page)])));
    let arguments = ["qos", "clients", "4", "--udp", &udp, "--http", &http, "--count", "5"];
    let arguments = [&arguments[..], &["--rate", "200"]].concat();
    let document = netctl(&[&["-o", "json"], &arguments[..]].concat()).json();
    let results = document["results"].as_array().unwrap();
    for test in ["udp", "http"] {
        let rows: Vec<&Value> = results.iter().filter(|row| row["test"] == test).collect();
        let clients: Vec<_> = rows.iter().map(|row| row["client"].as_str().unwrap()).collect();
        assert_eq!(clients, ["1", "2", "3", "4", "all"], "{test}");
        assert_eq!((&rows[4]["sent"], &rows[4]["lost"]), (&json!(20), &json!(0)), "{test}");
    }
    let text = netctl(&arguments).text();
    assert_has(&text, &["CLIENT", "20 probes by 4 clients", "20 requests by 4 clients"]);
    assert_has(&text, &["answers from the cache: 20 of 20"]);
}

#[test]
fn a_server_that_closes_after_each_answer_loses_nothing() {
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let http = format!("http://{}/", web(&[("/", page)]));
    let run =
        ["-o", "json", "qos", "clients", "2", "--http", &http, "--count", "5", "--rate", "200"];
    let document = netctl(&run).json();
    assert_eq!(document["results"][2]["received"], json!(10), "{document}");
}

#[test]
fn requests_that_fail_are_lost_and_counted_by_reason() {
    let http = format!("http://{}/missing", web(&[]));
    let ran = netctl(&["qos", "clients", "2", "--http", &http, "--count", "3", "--rate", "200"]);
    assert_eq!(ran.exit, Exit::Failed);
    assert_has(&ran.notes, &["no request to", "status 404 × 6"]);
    let gone = format!("http://{}/", nobody());
    let ran = netctl(&["qos", "clients", "2", "--http", &gone]);
    assert_has(&ran.complaint(Exit::Unreachable), &["cannot connect to"]);
}

#[test]
fn what_clients_measured_over_udp_is_kept_where_http_fails() {
    let (udp, nobody) = (Echo::start(0), format!("http://{}/", nobody()));
    let run = ["qos", "clients", "2", "--count", "5", "--rate", "200"];
    let options = ["--udp", &udp.address.to_string(), "--http", &nobody];
    // Asked before anything is measured.
    let complaint = netctl(&[&run[..], &options].concat()).complaint(Exit::Unreachable);
    assert_has(&complaint, &["cannot connect to"]);

    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("qos_result.csv");
    let (web, udp) = gone_after_a_look();
    let (web, udp) = (format!("http://{web}/"), udp.to_string());
    let options = ["--udp", &udp, "--http", &web, "--csv", csv.to_str().unwrap()];
    let ran = netctl(&[&["-o", "table"], &run[..], &options].concat());
    assert_eq!(ran.exit, Exit::Unreachable, "{ran:?}");
    assert_has(&ran.out, &["10 probes by 2 clients"]);
    assert_has(&ran.notes, &["appended 3 rows to", "cannot connect to"]);
    assert_eq!(fs::read_to_string(csv).unwrap().lines().count(), 4);
}

#[test]
fn a_call_is_imitated_and_scored_with_its_codec() {
    let text = udp_of(&["--voip", "g729", "--count", "5", "--pattern", "burst"]).text();
    assert_has(&text, &["5 probes", "G.729A", "220 B of payload"]);
    let ran = udp_of(&["--voip", "opus", "--size", "100"]);
    assert_has(&ran.complaint(Exit::Usage), &["--voip <CODEC>", "--size <BYTES>"]);
}

/// A run against an echo that answers everything.
fn udp_of(arguments: &[&str]) -> Ran {
    let echo = Echo::start(0);
    let target = echo.address.to_string();
    netctl(&[&["-o", "table", "qos", "udp", &target][..], arguments].concat())
}

#[test]
fn random_times_are_drawn_again_with_the_same_seed() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("qos.html");
    let report = page.to_str().unwrap();
    let arguments = ["--count", "20", "--rate", "1000", "--pattern", "poisson", "--seed", "7"];
    let ran = udp_of(&[&arguments[..], &["--report", report]].concat());
    assert_has(&ran.text(), &["all 20 were answered"]);
    let page = fs::read_to_string(page).unwrap();
    assert_has(&page, &["Poisson, one every 1ms on average", "kernel, as it took"]);
}

#[test]
fn clients_may_begin_one_after_the_other_and_are_compared() {
    let echo = Echo::start(0);
    let target = echo.address.to_string();
    let run = ["qos", "clients", "4", "--udp", &target, "--count", "2", "--rate", "100"];
    let ran = netctl(&[&run[..], &["--ramp-up", "200ms", "-o", "json"]].concat());
    let document = ran.json();
    let total = &document["results"][4];
    assert!(total["duration_s"].as_f64().unwrap() >= 0.15, "{document}");
    let fairness = total["fairness"].as_f64().unwrap();
    assert!((0.25..=1.0).contains(&fairness), "{fairness}");
    assert_eq!(document["results"][0]["fairness"], Value::Null);
    assert_has(&netctl(&run).text(), &["fairness (Jain, of throughput)"]);
}

#[test]
fn samples_that_were_kept_are_shown_again() {
    let directory = tempfile::tempdir().unwrap();
    let raw = directory.path().join("raw.json");
    let raw = raw.to_str().unwrap();
    let measured = udp(&Echo::start(5), &["--raw", raw]);
    assert_has(&measured.notes, &["kept every sample in"]);
    let again = netctl(&["-o", "table", "qos", "report", raw]);
    assert_eq!(again.out, measured.out);
    assert_eq!(netctl(&["qos", "report", raw, "--max-loss", "10"]).exit, Exit::Missed);
    fs::write(raw, "{}").unwrap();
    let complaint = netctl(&["qos", "report", raw]).complaint(Exit::Failed);
    assert_has(&complaint, &["holds no samples that `--raw` wrote"]);
}

#[test]
fn two_runs_are_compared_and_a_change_past_the_threshold_ends_with_4() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let (good, bad) = (path("good.json"), path("bad.json"));
    udp(&Echo::start(0), &["--raw", &good]);
    udp(&Echo::start(2), &["--raw", &bad]);
    let compare = |more: &[&str]| netctl(&[&["-o", "table", "qos", "compare"], more].concat());
    let text = compare(&[&good, &bad]).text();
    assert_has(&text, &["UDP to", "+50.000 %", "worse", "p99", "jitter"]);
    assert!(text.contains("Worse by more than noise: loss") || text.contains("loss got worse"));
    assert_has(&compare(&[&good, &good]).text(), &["Nothing changed by more than noise."]);
    let ran = compare(&[&good, &bad, "--threshold", "p99=1h,loss=10%"]);
    assert_eq!(ran.exit, Exit::Missed);
    assert_has(&ran.notes, &["loss changed by +50.000 %, more than the threshold of +10 %"]);
    assert_eq!(compare(&[&good, &bad, "--threshold", "loss=60%"]).exit, Exit::Success);
    assert_eq!(compare(&[&bad, &good, "--threshold", "loss=0%"]).exit, Exit::Success);
    let document = netctl(&["-o", "json", "qos", "compare", &good, &bad]).json();
    let loss = &document["changes"][0];
    assert_eq!((&loss["measure"], &loss["change"]), (&json!("loss"), &json!(50.0)));
    assert_eq!(loss["finding"], json!("worse"));
    let csv = netctl(&["-o", "csv", "qos", "compare", &good, &bad]).text();
    assert!(csv.lines().next().unwrap().ends_with(",low,high,finding"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with(",worse"), "{csv}");
    let complaint = compare(&[&good, &bad, "--threshold", "p42=1ms"]).complaint(Exit::Usage);
    assert_has(&complaint, &["is none of loss, errors, mean, p50, p95, p99, jitter, rate"]);
}

#[test]
fn requests_are_compared_by_errors_and_rate_and_a_threshold_needs_a_figure() {
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let server = web(&[("/", page)]);
    let measure = |name, at: &str, [count, rate]: [&str; 2]| {
        let (url, raw) = (format!("http://{server}{at}"), path(name));
        netctl(&["qos", "http", &url, "-n", count, "--rate", rate, "--raw", &raw]);
        raw
    };
    let (fast, slow) = (measure("fast", "/", ["300", "3000"]), measure("slow", "/", ["40", "20"]));
    let failing = measure("failing", "/missing", ["60", "400"]);
    let compare = |after: &str, threshold: &str| {
        let runs = ["-o", "table", "qos", "compare", &fast, after];
        netctl(&[&runs[..], &["--threshold", threshold]].concat())
    };
    let unchanged = compare(&fast, "errors=0%,p99=20ms,rate=5%,mean=0%");
    assert_has(&unchanged.text(), &["errors", "rate", "Nothing changed by more than noise."]);
    let slower = compare(&slow, "rate=50%");
    assert_eq!(slower.exit, Exit::Missed);
    assert_has(&slower.notes, &["rate changed by -", "/s, more than the threshold of -50 %"]);
    assert_eq!(compare(&slow, "rate=99.9%").exit, Exit::Success);
    assert_eq!(compare(&slow, "rate=5000").exit, Exit::Success);
    let failed = compare(&failing, "errors=5%");
    assert_eq!(failed.exit, Exit::Missed);
    assert_has(&failed.notes, &["errors changed by +100.000 %, more than the threshold of +5 %"]);
    let both = compare(&failing, "errors=5%,p99=20ms");
    assert_has(&both.notes, &["errors changed by", "; p99 changed by not measured any more"]);
    let silent = compare(&failing, "p99=20ms");
    assert_has(&silent.notes, &["p99 changed by not measured any more"]);
    for threshold in ["loss=1%", "throughput=10M", "rpm=100"] {
        let complaint = compare(&slow, threshold).complaint(Exit::Usage);
        let measure = threshold.split('=').next().unwrap();
        assert_has(&complaint, &[&format!("no run here has a figure for {measure}")]);
        assert_has(&complaint, &["errors, mean, p50, p95, p99, jitter, rate"]);
    }
}

#[test]
fn this_machine_is_measured_alone_or_beside_another_run() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("state/floor.json").to_str().unwrap().to_owned();
    let text =
        netctl(&["-o", "table", "qos", "calibrate", "--pace", "precise", "--floor", &kept]).text();
    assert_has(&text, &["UDP to this machine itself", "200 probes", "one way", "there, p50"]);
    assert_has(
        &text,
        &["lateness", "when the next was due", "The floor of this machine: round trip"],
    );
    for graded in ["TIPHON", "MOS", "video calls", "Y.1541"] {
        assert!(!text.contains(graded), "{text}");
    }
    let text = flowing(&udp(&Echo::start(0), &["--calibrate"]).text());
    assert_has(&text, &["20 probes", "floor of this machine: round trip p50", "sent late by p50"]);
}

#[test]
fn a_floor_that_was_kept_is_told_beside_runs_that_are_made_alike() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("state/floor.json").to_str().unwrap().to_owned();
    let run = |options: &[&str]| {
        let text = udp(&Echo::start(0), &[&["--floor", &kept][..], options].concat()).text();
        // Longer than a line, and broken as paragraphs are.
        let mut told = text.lines().filter(|line| line.contains("floor of this machine"));
        assert!(told.all(|line| line.chars().count() <= 100), "{text}");
        flowing(&text)
    };
    assert!(!run(&[]).contains("floor of this machine"));
    let calibrate = || netctl(&["qos", "calibrate", "--pace", "precise", "--floor", &kept]).notes;
    // Of a machine that is busy meanwhile none is kept, which is not asked here.
    let is_kept = |notes: &String| !notes.contains("did not keep the floor");
    let notes = std::iter::repeat_with(calibrate).find(is_kept).unwrap();
    assert_has(&notes, &["kept the floor in", &kept]);
    let told = ["floor of this machine: round trip p50", "(measured less than a minute ago)"];
    assert_has(&run(&["--pace", "precise"]), &told);
    assert!(!run(&[]).contains("floor of this machine"), "made at another pace");
    let document = fs::read_to_string(&kept).unwrap();
    let measured_at = document.split("measured_at\":\"").nth(1).unwrap().split('"').next().unwrap();
    for (old, told) in [("2001-01-01T00:00:00Z", false), (measured_at, true), ("yesterday", false)]
    {
        fs::write(&kept, document.replace(measured_at, old)).unwrap();
        assert_eq!(run(&["--pace", "precise"]).contains("floor of this machine"), told, "{old}");
    }
}

#[test]
fn a_flood_is_sent_at_once() {
    let text = udp_of(&["--pace", "flood", "--count", "100", "--size", "64"]).text();
    assert_has(&text, &["100 probes", "All 100 were answered"]);
    for contradiction in [["--rate", "5"], ["--voip", "g711"], ["--pattern", "poisson"]] {
        let options = [&["--pace", "flood"], &contradiction[..]].concat();
        let complaint = udp_of(&options).complaint(Exit::Usage);
        assert_has(&complaint, &["--pace flood waits for nothing", contradiction[0]]);
    }
}

#[test]
fn a_sweep_raises_the_rate_until_the_path_gives_way() {
    let echo = Echo::start(0);
    let sweep = |echo: &Echo, more: &[&str]| {
        let target = echo.address.to_string();
        let duration = ["--duration", "100ms", "--timeout", "200ms"];
        netctl(&[&["-o", "json", "qos", "sweep", &target][..], &duration, more].concat())
    };
    let document = sweep(&echo, &["--from", "50", "--to", "200", "--steps", "3"]).json();
    let steps = document["steps"].as_array().unwrap();
    let sent: Vec<_> = steps.iter().map(|step| step["sent"].as_u64()).collect();
    assert_eq!(sent, [Some(5), Some(10), Some(20)], "{document}");
    assert!(steps.iter().all(|step| step["lost"] == 0), "{document}");
    assert_eq!((&steps[0]["pace"], &steps[0]["answers"]), (&json!("eco"), &json!("echo")));
    // Where a busy machine makes a knee, it is one of the first two.
    assert_eq!((&document["ended"], &steps[2]["is_knee"]), (&json!("complete"), &json!(false)));
    let complaint = sweep(&echo, &["--from", "9", "--to", "8"]).complaint(Exit::Usage);
    assert_has(&complaint, &["rates from 9 to 8 a second: they must rise"]);
    let silent = sweep(&Echo::start(1), &["--from", "50", "--to", "60", "--steps", "2"]);
    assert_has(&silent.complaint(Exit::Unreachable), &["nothing came back from"]);
}

#[test]
fn a_sweep_of_a_path_that_always_loses_does_not_say_that_all_was_carried() {
    let echo = Echo::start(10);
    let target = echo.address.to_string();
    let run = ["-o", "table", "qos", "sweep", &target, "--duration", "100ms", "--timeout", "200ms"];
    let rates = ["--from", "500", "--to", "2000", "--steps", "3"];
    let text = netctl(&[&run[..], &rates].concat()).text();
    assert_has(&text, &["At the lowest rate, 500 probes a second, 10.0 % were lost already"]);
    assert!(!text.contains("All of it was carried"), "{text}");
}
