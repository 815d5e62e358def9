//! What the commands show of a daemon's answers: tables with units, JSON and CSV with names.

use netctl::Exit;
use serde_json::json;

use crate::daemon::{Daemon, Mood};
use crate::ran::{Ran, assert_has, netctl};

/// Runs `netctl arguments` with both daemons played by one.
fn with_daemon(arguments: &[&str]) -> Ran {
    let daemon = Daemon::start(Mood::Well);
    let socket = daemon.socket();
    netctl(&[&["--websrvd", &socket, "--proxyd", &format!("unix:{socket}")], arguments].concat())
}

#[test]
fn status_is_for_people_and_for_programs() {
    let text = with_daemon(&["status"]).text();
    let shown = ["degraded", "1.2.3 (pid 4321)", "3 h 5 min", "generation 7", "12,345 accepted"];
    assert_has(&text, &shown);
    assert_has(&text, &["127.0.0.1:9090", "127.0.0.1:9000", "colour: unknown key", "67,890"]);
    let document = with_daemon(&["-o", "json", "status"]).json();
    for daemon in ["websrvd", "proxyd"] {
        assert_eq!(document[daemon]["config_generation"], json!(7));
        assert_eq!(document[daemon]["state"], json!("DAEMON_STATE_DEGRADED"));
        assert_eq!(document[daemon]["listeners"][1]["upstream"], json!("127.0.0.1:9000"));
    }
    let one = with_daemon(&["-o", "json", "status", "proxyd"]).json();
    assert_eq!(one.as_object().unwrap().len(), 1);
}

#[test]
fn a_reload_prints_what_changed_and_a_check_what_would() {
    let text = with_daemon(&["reload"]).text();
    assert_has(&text, &["generation 8 is in force", "http: 127.0.0.1:8081 is new"]);
    let text = with_daemon(&["reload", "proxyd", "--check"]).text();
    assert_has(&text, &["is good and changes nothing"]);
    let document = with_daemon(&["-o", "json", "reload"]).json();
    assert_eq!(document["proxyd"]["changes"], json!(["http: 127.0.0.1:8081 is new"]));
}

#[test]
fn drain_says_what_is_left() {
    let text = with_daemon(&["drain", "proxyd"]).text();
    assert!(text.contains("draining, 3 HTTP connections left"), "{text}");
}

#[test]
fn a_log_level_is_set_for_a_while() {
    let text = with_daemon(&["log-level", "debug", "--for", "5m", "proxyd"]).text();
    assert_has(&text, &["proxyd", "debug for 300s", "for 5 min", "before: info"]);
    let complaint = with_daemon(&["log-level", "deafening", "proxyd"]).complaint(Exit::Failed);
    assert_has(&complaint, &["deafening"]);
}

#[test]
fn cache_statistics_have_units_in_a_table_and_none_in_json() {
    let text = with_daemon(&["cache", "stats"]).text();
    assert_has(&text, &["7,500", "75.0 %", "hit ratio", "absent 2,500", "64.0 MiB of 256 MiB"]);
    let document = with_daemon(&["-o", "json", "cache", "stats"]).json();
    assert_eq!((&document["hits"], &document["stale_hits"]), (&json!(7_500), &json!(0)));
    assert_eq!(document["hit_ratio"], json!(0.75));
    assert_eq!(document["memory_bytes"], json!(64 << 20));
}

#[test]
fn watched_statistics_have_the_time_of_each_line() {
    let watch = ["cache", "stats", "--watch", "1ms", "-n", "2"];
    let rows = with_daemon(&[&["-o", "csv"], &watch[..]].concat()).text();
    let lines: Vec<_> = rows.lines().collect();
    assert_eq!((lines.len(), lines[0].split(',').next()), (3, Some("time")), "{rows}");
    let json = with_daemon(&[&["-o", "json"], &watch[..]].concat()).text();
    let times = json.lines().map(|line| {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        document["time"].as_str().unwrap().to_owned()
    });
    for time in times.chain(lines[1..].iter().map(|line| line[..24].to_owned())) {
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.len() == 24, "{time}");
    }
}

#[test]
fn a_listing_is_an_object_with_entries_whether_there_are_any_or_not() {
    let document = with_daemon(&["-o", "json", "cache", "ls"]).json();
    assert_eq!(document["entries"].as_array().unwrap().len(), 2);
    assert_eq!(document["entries"][0]["ttl"], json!("57s"));
    let none = with_daemon(&["-o", "json", "cache", "ls", "--prefix", "http://nobody/"]).json();
    assert_eq!(none, json!({ "entries": [], "truncated": false }));
    let none = with_daemon(&["-o", "json", "sessions", "tcp"]).json();
    assert_eq!(none, json!({ "entries": [] }));
}

#[test]
fn a_listing_of_several_routes_tells_them_apart() {
    let text = with_daemon(&["cache", "ls", "--tag", "two-routes"]).text();
    assert_has(&text, &["ROUTE", " default ", " images "]);
    let text = with_daemon(&["cache", "ls"]).text();
    assert!(!text.contains("ROUTE"), "{text}");
}

#[test]
fn a_listing_that_is_not_whole_says_so_to_programs_too() {
    for format in ["json", "csv"] {
        let ran = with_daemon(&["-o", format, "cache", "ls", "--limit", "1"]);
        assert_has(&ran.notes, &["only the first 1", "raise --limit"]);
        if format == "json" {
            let document = ran.json();
            assert_eq!(document["truncated"], json!(true));
            assert_eq!(document["entries"].as_array().unwrap().len(), 1);
        }
        let whole = with_daemon(&["-o", format, "cache", "ls", "--limit", "2"]);
        assert_eq!((whole.exit, whole.notes.as_str()), (Exit::Success, ""), "{whole:?}");
    }
}

#[test]
fn a_listing_shows_freshness_and_no_control_characters() {
    let text = with_daemon(&["cache", "ls"]).text();
    assert_has(&text, &["fresh for 57 s", "stale for 3 s", "1.50 KiB", "2 entries in 3.00 KiB"]);
    assert!(!text.contains('\u{1b}'), "{text}");
    let one = with_daemon(&["cache", "ls", "--limit", "1"]).text();
    assert_has(&one, &["1 entry", "raise --limit"]);
}

#[test]
fn csv_has_a_header_also_where_there_are_no_rows() {
    let header = "url,variants,memory_bytes,hits,status,age,ttl,route,key_parts";
    let rows = with_daemon(&["-o", "csv", "cache", "ls"]).text();
    let row = "http://127.0.0.1:8080/fresh,1,1536,1000,200,3s,57s,default,";
    assert_eq!(rows.lines().take(2).collect::<Vec<_>>(), [header, row]);
    let none = with_daemon(&["-o", "csv", "cache", "ls", "--prefix", "x"]).text();
    assert_eq!(none, format!("{header}\n"));
}

#[test]
fn one_url_is_shown_with_what_selects_it() {
    let url = "http://127.0.0.1:8080/";
    let text = with_daemon(&["cache", "show", url]).text();
    assert_has(&text, &["with accept-language: id, dnt (empty), without x-beta"]);
    assert_has(&text, &[url, "fresh for 57 s", "a lifetime of 1 min"]);
    assert_has(&text, &["http://127.0.0.1:8000", "content-type", "1.00 KiB of body"]);
    let complaint =
        with_daemon(&["cache", "show", "http://127.0.0.1:8080/never"]).complaint(Exit::Failed);
    assert_has(&complaint, &["/never"]);
}

#[test]
fn a_purge_and_a_flush_print_the_exact_count() {
    let url = "http://127.0.0.1:8080/a";
    assert_has(&with_daemon(&["cache", "purge", url]).text(), &["removed 2 variants", url]);
    let never = with_daemon(&["cache", "purge", "http://127.0.0.1:8080/never"]).text();
    assert_has(&never, &["nothing was stored of"]);
    assert_has(&with_daemon(&["cache", "flush"]).text(), &["removed 42 variants (64.0 MiB)"]);
    let document = with_daemon(&["-o", "json", "cache", "flush"]).json();
    assert_eq!(document["purged_count"], json!(42));
}

#[test]
fn a_purge_that_finds_nothing_says_what_to_look_at() {
    for (arguments, part) in [
        (&["http://127.0.0.1:8080/never/*"][..], "use --prefix or --regex"),
        (&["--prefix", "http://h/never/*"], "no wildcard in a prefix"),
        (&["--prefix", "http://h/never"], "as `netctl cache ls` shows them"),
        (&["--regex", "/never/.*"], "--unanchored lets it match a part"),
        (&["--regex", "/never/.*", "--unanchored"], "as `netctl cache ls` shows them"),
    ] {
        let text = with_daemon(&[&["cache", "purge"], arguments].concat()).text();
        assert_has(&text, &["nothing was stored of", part]);
        assert_eq!(text.lines().count(), 2, "{text}");
    }
    let found = with_daemon(&["cache", "purge", "--prefix", "http://h/a"]).text();
    assert_eq!(found.lines().count(), 1, "{found}");
    let listed = with_daemon(&["cache", "ls", "--prefix", "http://nobody/"]).text();
    assert_has(&listed, &["Nothing is stored", "as `netctl cache ls` shows them"]);
}

#[test]
fn sessions_show_who_talks_to_whom() {
    let text = with_daemon(&["sessions"]).text();
    assert_has(&text, &["udp", "127.0.0.1:50000", "127.0.0.1:9000", "16.8 KiB", "100/99"]);
    assert_has(&with_daemon(&["sessions", "tcp"]).text(), &["Nobody is relayed"]);
    let document = with_daemon(&["-o", "json", "sessions", "udp"]).json();
    assert_eq!(document["entries"][0]["protocol"], json!("PROTOCOL_UDP"));
}

#[test]
fn events_are_lines_and_say_what_went_unseen() {
    let text = with_daemon(&["events", "proxyd", "-n", "2"]).text();
    assert_has(
        &text,
        &["2023-11-14 22:13:20 UTC", "purged", "(by uid=1000)", "4 events of proxyd"],
    );
    let lines = with_daemon(&["-o", "json", "events", "proxyd", "-n", "2"]).text();
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["daemon"], json!("proxyd"));
    }
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_daemon_that_stops_ends_the_events_with_a_complaint() {
    let ran = with_daemon(&["events", "proxyd"]);
    assert_eq!(ran.exit, Exit::Unreachable);
    assert_has(&ran.notes, &["went away"]);
}

#[test]
fn upgrade_names_both_processes() {
    let text = with_daemon(&["upgrade", "proxyd", "--wait"]).text();
    assert!(text.contains("1.2.2 (pid 4320) → 1.2.3 (pid 4321), with 2 UDP sessions"), "{text}");
}
