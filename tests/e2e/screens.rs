//! Live screens on a real terminal: what a person sees, presses and is left with.

use std::time::Duration;

use rustix::process::Signal;
use selat_tests::{Daemon, Gate, Link, Netctl, Origin, Pattern, Reply, System, Terminal};
use serde_json::Value;

/// A test through a link that loses every tenth, slow enough to be looked at.
fn live(system: &System, arguments: &[&str], size: (u16, u16)) -> Terminal {
    let up = Pattern { drop_every: 10, ..Pattern::default() };
    let link = Link::start(system.proxyd.address("udp"), up, Pattern::default());
    let target = link.address().to_string();
    let all = [&["qos", "udp", &target, "--live", "--rate", "100"], arguments].concat();
    system.netctl.on_terminal(&all, size)
}

/// A test that is ended before its first answer fails, as one that nobody answered.
fn wait_for_an_answer(terminal: &Terminal) {
    terminal.wait_until(|text| text.contains(" answered,") && !text.contains(" 0 answered,"));
}

#[test]
fn a_live_test_ends_on_its_own_and_leaves_the_results() {
    let system = System::start();
    let mut terminal = live(&system, &["--count", "100"], (100, 30));
    terminal.wait_for(&["round trip, ms", "loss", "jitter", "answers", "late", "q ends"]);
    assert!(terminal.is_coloured());
    assert!(terminal.wait().success());
    let left = terminal.wait_for(&["MEASURE", "throughput", "10 of 100 went unanswered"]);
    assert!(!left.contains("round trip, ms") && terminal.is_given_back(), "{left}");
}

#[test]
fn whoever_closes_the_window_ends_what_was_on_it() {
    let system = System::start();
    let terminal = live(&system, &["--count", "100000"], (100, 30));
    wait_for_an_answer(&terminal);
    let _ = terminal.close();
    let terminal = system.netctl.on_terminal(&["top"], (100, 30));
    terminal.wait_for(&["requests"]);
    let _ = terminal.close();
}

#[test]
fn q_ends_a_live_test_early_with_the_results_of_what_was_measured() {
    let system = System::start();
    let mut terminal = live(&system, &["--count", "100000"], (100, 30));
    terminal.wait_for(&["round trip, ms", "16:3"]);
    wait_for_an_answer(&terminal);
    terminal.press("q");
    assert!(terminal.wait().success());
    let left = terminal.wait_for(&["MEASURE", "ended: cancelled"]);
    assert!(terminal.is_given_back(), "{left}");
}

#[test]
fn a_picture_can_be_frozen_explained_and_made_small() {
    let system = System::start();
    let mut terminal = live(&system, &["--count", "100000"], (100, 30));
    terminal.press("p");
    let sent =
        |contents: &str| contents.lines().find(|line| line.contains(" sent,")).map(str::to_owned);
    let frozen = terminal.wait_for(&["frozen: p goes on", " sent,"]);
    terminal.press("?");
    let explained = terminal.wait_for(&["how to read it", "this machine missed its own schedule"]);
    assert_eq!(sent(&explained), sent(&frozen));
    terminal.press("?p");
    terminal.wait_until(|contents| !contents.contains("frozen") && sent(contents) != sent(&frozen));
    terminal.resize(36, 5);
    // Words only, for want of room.
    terminal.wait_until(|contents| {
        ["UDP to", "sent", " p50 "].iter().all(|word| contents.contains(word))
            && !contents.contains('╭')
    });
    terminal.resize(5, 2);
    terminal.resize(100, 30);
    terminal.wait_for(&["round trip, ms", "q ends"]);
    wait_for_an_answer(&terminal);
    // Ctrl-C, which is a key like any other now.
    terminal.press("\u{3}");
    assert!(terminal.wait().success());
    assert!(terminal.is_given_back());
}

#[test]
fn a_live_test_that_is_told_to_terminate_gives_the_terminal_back() {
    let system = System::start();
    let mut terminal = live(&system, &["--count", "100000"], (80, 24));
    wait_for_an_answer(&terminal);
    terminal.signal(Signal::TERM);
    assert!(terminal.wait().success());
    terminal.wait_for(&["ended: cancelled"]);
    assert!(terminal.is_given_back());
}

#[test]
fn a_line_tells_how_far_a_test_is_that_ends_after_a_time() {
    let system = System::start();
    let url = format!("http://{}/", system.proxyd.address("http"));
    let mut terminal = system.netctl.on_terminal(&["qos", "http", &url, "-z", "30m"], (120, 30));
    // The bar has something before it and something after. Without an answer there would be no results.
    terminal.wait_until(|text| {
        [" sent, ", " answered, ", "░", "m to go"].iter().all(|part| text.contains(part))
            && !text.contains(" 0 answered")
    });
    wait_for_an_answer(&terminal);
    terminal.signal(Signal::INT);
    assert!(terminal.wait().success());
    terminal.wait_for(&["ended: cancelled"]);
}

#[test]
fn a_line_stays_one_line_on_a_narrow_terminal_and_says_how_to_end_at_once() {
    let system = System::start();
    let delay = Pattern { delay: Duration::from_millis(300), ..Pattern::default() };
    let link = Link::start(system.proxyd.address("udp"), delay, delay);
    let target = link.address().to_string();
    let run = ["qos", "udp", &target, "--count", "100000", "--rate", "100"];
    let mut terminal = system.netctl.on_terminal(&run, (80, 24));
    let shown = terminal.wait_until(|text| text.contains(" answered, nothing lost"));
    let line = shown.lines().find(|line| line.contains(" answered, ")).unwrap();
    assert!(line.contains(" sent, ") && line.contains("to go"), "{shown}");
    wait_for_an_answer(&terminal);
    terminal.signal(Signal::INT);
    terminal.wait_for(&["waits for the last replies; Ctrl-C again ends at once"]);
    terminal.signal(Signal::INT);
    assert!(terminal.wait().success());
    let left = terminal.wait_for(&["throughput", "were not waited for", "ended: cancelled"]);
    assert!(!left.contains("to go"), "{left}");
}

#[test]
fn many_clients_are_shown_one_by_one() {
    let system = System::start();
    let udp = system.proxyd.address("udp").to_string();
    let arguments = ["qos", "clients", "40", "--udp", &udp, "--count", "10000", "--live"];
    let mut terminal = system.netctl.on_terminal(&arguments, (100, 40));
    terminal.wait_for(&["clients", "40, the worst first", "answered", "mean", "jitter"]);
    wait_for_an_answer(&terminal);
    terminal.press("q");
    assert!(terminal.wait().success());
    assert!(terminal.is_given_back());
}

#[test]
fn the_menu_is_walked_with_a_cursor_and_shows_the_command_that_it_runs() {
    let mut terminal = Netctl::new().on_terminal(&["menu"], (100, 40));
    terminal.wait_for(&["What next?", "6  The floor", "q  Quit"]);
    // Type to find it, as the cursor would.
    terminal.press("floor\r");
    let text = ["$ netctl qos calibrate", "UDP to this machine itself", "MEASURE", "What next?"];
    terminal.wait_until(|contents| {
        text.iter().all(|text| contents.contains(text)) && contents.contains("> 1  Set the proxy")
    });
    terminal.press("\u{1b}");
    assert!(terminal.wait().success());
    assert!(terminal.is_given_back());
}

#[test]
fn without_a_terminal_a_live_screen_is_refused_before_anything_is_measured() {
    let run = Netctl::new().run(&["qos", "udp", "--live"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("--live draws on a terminal"), "{run:?}");
}

#[test]
fn both_daemons_are_shown_live_with_what_happens_to_them() {
    let system = System::start();
    let mut terminal = system.netctl.on_terminal(&["top"], (100, 30));
    terminal.wait_for(&["proxyd", "websrvd", "q ends"]);
    terminal.signal(Signal::TERM);
    assert!(terminal.wait().success() && terminal.is_given_back());
    let mut terminal = system.netctl.on_terminal(&["top", "--interval", "100ms"], (100, 30));
    terminal.wait_for(&["proxyd  serving", "websrvd serving", "requests", "hits", "UDP sessions"]);
    let url = format!("http://{}/", system.proxyd.address("http"));
    let _ = system.netctl.text(&["fetch", &url]);
    terminal.wait_for(&["cache 1 variant"]);
    let _ = system.netctl.text(&["cache", "purge", &url]);
    terminal.wait_for(&["cache 0 variants", "purged", &url]);
    terminal.press("q");
    assert!(terminal.wait().success());
    assert!(terminal.is_given_back());
}

#[test]
fn warming_shows_how_far_it_is_and_what_failed_and_then_the_sum() {
    let (gate, origin) = (Gate::new(), Origin::start());
    for path in ["/a", "/b"] {
        origin.on(path, Reply::fresh(path));
    }
    origin.on("/slow", Reply::fresh("slow").hold(&gate));
    let proxyd = Daemon::caching(origin.address()).start();
    let urls = ["/a", "/absent", "/b", "/slow"].map(|path| proxyd.url(path));
    let arguments: Vec<&str> =
        ["cache", "warm"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    let mut terminal = Netctl::new().proxyd(&proxyd).on_terminal(&arguments, (100, 20));
    let shown = terminal.wait_for(&["█", " 3 of 4, 1 failed", "/s", "to go"]);
    assert!(!shown.contains("asked for"), "{shown}");
    gate.open();
    assert_eq!(terminal.wait().code(), Some(1));
    let left = terminal.wait_for(&["asked for", "4 URLs", "404"]);
    assert!(!left.contains("to go") && terminal.is_given_back(), "{left}");
    let fact = |name: &str| left.lines().find(|line| line.starts_with(name)).map(str::trim_end);
    let facts = [fact("stored").unwrap(), fact("failed").unwrap()];
    assert!(facts[0].ends_with(" 3") && facts[1].ends_with(" 1"), "{left}");

    let without = Netctl::new().proxyd(&proxyd).run(&arguments);
    assert!(without.stdout.contains("already stored"), "{without:?}");
    for drawn in ["to go", "\u{1b}", "\r"] {
        assert!(!without.stderr.contains(drawn), "{without:?}");
    }
}

#[test]
fn without_a_terminal_top_writes_a_line_for_each_look() {
    let system = System::start();
    let lines = |format| {
        let arguments = ["-o", format, "top", "--count", "3", "--interval", "100ms"];
        let text = system.netctl.text(&arguments);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let table = lines("table");
    assert!(table.len() == 4 && table[0].contains("PROXYD: REQ/S"), "{table:?}");
    let csv = lines("csv");
    assert!(csv.len() == 4 && csv[0].starts_with("time,proxyd_state,"), "{csv:?}");
    let looks = lines("json");
    let looks: Vec<Value> = looks.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!((looks.len(), &looks[0]["proxyd"]["requests_per_s"]), (3, &Value::Null));
    assert_eq!(looks[2]["proxyd"]["requests_per_s"], 0.0);
    assert_eq!(looks[2]["websrvd"]["state"], "serving");
}

#[test]
fn top_shows_one_daemon_without_the_other_and_gives_up_where_there_is_none() {
    let system = System::start();
    let one = Netctl::new().proxyd(&system.proxyd).json(&["top", "--count", "1"]);
    assert_eq!(
        (&one["proxyd"]["state"], &one["websrvd"]["state"]),
        (&"serving".into(), &"unreachable".into())
    );
    let none = Netctl::new().run(&["top", "--count", "1"]);
    assert_eq!(none.code, 3, "{none:?}");
}
