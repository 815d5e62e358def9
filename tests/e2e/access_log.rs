//! The access log in a file of its own: formats, rotation, disks that take nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use selat_tests::{Client, Daemon, Netctl, Origin, Reply};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// A site with one page, and a place for a log.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir(site.0.path().join("www")).unwrap();
        fs::write(site.0.path().join("www/index.html"), "hello").unwrap();
        site
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("access.log")
    }

    fn config(&self, log: &Path, more: &str) -> String {
        let addresses = "http = [\"127.0.0.1:0\"]\necho = [\"127.0.0.1:0\"]";
        format!(
            "root = {:?}\naccess_log = {log:?}\n{addresses}\n{more}\n",
            self.0.path().join("www")
        )
    }

    fn start(&self, more: &str) -> Daemon {
        Daemon::websrvd().config(&self.config(&self.log(), more)).start()
    }
}

/// Waits until a file has so many lines.
fn lines(file: &Path, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count || Instant::now() > end {
            assert_eq!(lines.len(), count, "{text}");
            return lines;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn get(daemon: &Daemon, path: &str) {
    let answered = Client::connect(daemon.address("http")).get(path).unwrap();
    assert!(answered.status() < 500);
}

#[test]
fn each_request_is_a_line_in_the_combined_format() {
    let site = Site::new();
    let websrvd = site.start("");
    get(&websrvd, "/");
    get(&websrvd, "/missing?a=b");
    let lines = lines(&site.log(), 2);
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{lines:?}");
    assert!(lines[0].contains("] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" - 0."), "{lines:?}");
    assert!(lines[0].ends_with(" -"), "no routes: {lines:?}");
    assert!(lines[1].contains("\"GET /missing?a=b HTTP/1.1\" 404 "), "{lines:?}");
    assert!(!websrvd.process().stderr().contains("/missing"), "not in the other log, too");
    let status = Netctl::new().websrvd(&websrvd).json(&["status", "websrvd"]);
    assert_eq!(status["websrvd"]["access_lines"], 2);
    assert_eq!(status["websrvd"]["access_lines_dropped"], 0);
}

#[test]
fn proxyd_says_what_the_cache_did() {
    let site = Site::new();
    let origin = Origin::with("/", Reply::fresh("hello"));
    let proxyd = Daemon::caching(origin.address())
        .config(&format!("udp = []\naccess_log = {:?}\naccess_log_format = \"json\"\n", site.log()))
        .start();
    get(&proxyd, "/");
    get(&proxyd, "/");
    let lines = lines(&site.log(), 2);
    let entries: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&entries[0]["cache"], &entries[1]["cache"]), (&"miss".into(), &"hit".into()));
    assert_eq!((&entries[1]["status"], &entries[1]["target"]), (&200.into(), &"/".into()));
    assert_eq!(entries[1]["host"], proxyd.address("http").to_string());
}

#[test]
fn proxyd_names_the_route_of_each_request() {
    let site = Site::new();
    let origin = Origin::with("/", Reply::fresh("hello"));
    origin.on("/img/a", Reply::fresh("picture"));
    let proxyd = Daemon::caching(origin.address())
        .config(&format!(
            "udp = []\naccess_log = {:?}\n[route.images]\npath = \"/img\"\n",
            site.log()
        ))
        .start();
    for path in ["/", "/img/a", "/img/a"] {
        get(&proxyd, path);
    }
    let mut client = Client::connect(proxyd.address("http"));
    assert_eq!(client.request("OPTIONS", "*", &[]).unwrap().status(), 204);
    let lines = lines(&site.log(), 4);
    let ends = [" default", " images", " images", " -"];
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{end}: {lines:?}");
    }
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_and_made_anew() {
    let site = Site::new();
    let websrvd = site.start("");
    get(&websrvd, "/?before");
    lines(&site.log(), 1);
    let rotated = site.0.path().join("access.log.1");
    fs::rename(site.log(), &rotated).unwrap();
    get(&websrvd, "/?after");
    assert!(lines(&site.log(), 1)[0].contains("/?after"));
    assert_eq!(lines(&rotated, 1).len(), 1);
}

#[test]
fn a_reload_changes_where_lines_go() {
    let site = Site::new();
    let websrvd = site.start("");
    let netctl = Netctl::new().websrvd(&websrvd);
    get(&websrvd, "/?one");
    let other = site.0.path().join("other.log");
    websrvd.rewrite_config(&site.config(&other, ""));
    let _ = netctl.text(&["reload", "websrvd"]);
    get(&websrvd, "/?two");
    assert!(lines(&other, 1)[0].contains("/?two"));
    assert!(lines(&site.log(), 1)[0].contains("/?one"));

    websrvd.rewrite_config(&site.config(Path::new("/nonexistent/access.log"), ""));
    let refused = netctl.run(&["reload", "websrvd"]);
    assert!(refused.code != 0 && refused.stderr.contains("/nonexistent/access.log"), "{refused:?}");
    get(&websrvd, "/?three");
    assert_eq!(lines(&other, 2).len(), 2, "the one before goes on");
}

#[test]
fn a_disk_that_takes_nothing_stops_no_request_and_is_told_of() {
    let site = Site::new();
    let full = site.config(Path::new("/dev/full"), "");
    let websrvd = Daemon::websrvd().config(&full).start();
    for _ in 0..3 {
        get(&websrvd, "/");
    }
    let _ = websrvd.process().wait_for_log("cannot write the access log");
    let netctl = Netctl::new().websrvd(&websrvd);
    let dropped = || netctl.json(&["status", "websrvd"])["websrvd"]["access_lines_dropped"].clone();
    let end = Instant::now() + PATIENCE;
    while dropped() != 3 {
        assert!(Instant::now() < end, "{}", dropped());
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_refused_at_once() {
    let site = Site::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, site.log(), rustix::fs::Mode::RWXU).unwrap();
    let (status, log) = Daemon::websrvd().config(&site.config(&site.log(), "")).fail();
    assert!(!status.success() && log.contains("cannot open the access log"), "{log}");
}

#[test]
fn what_was_answered_last_is_written_before_the_daemon_ends() {
    let site = Site::new();
    let mut websrvd = site.start("");
    get(&websrvd, "/");
    websrvd.terminate();
    assert!(websrvd.exit_status().success());
    assert_eq!(lines(&site.log(), 1).len(), 1);
}
