//! The tour: each step says what it shows, runs netctl for everyone to see, and then checks what came
//! of it: by the daemons' own counters, and in the file of results.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::netctl::Netctl;
use crate::results;
use crate::say;
use crate::system::System;

/// Where results are appended, in the current directory.
pub(crate) const CSV: &str = "qos_result.csv";
/// Page of the UDP test.
pub(crate) const UDP_REPORT: &str = "qos_report.html";
/// Page of the test with many clients.
pub(crate) const CLIENTS_REPORT: &str = "qos_clients.html";
/// Clients at once.
const CLIENTS: u32 = 8;

/// A step: its title, and what it does.
type Step = (&'static str, fn(&Tour<'_>) -> anyhow::Result<()>);

const STEPS: [Step; 8] = [
    ("Both daemons are up", daemons_are_up),
    ("The first request for a page goes to the origin: a MISS", first_request_misses),
    ("The second is answered from memory: a HIT", second_request_hits),
    ("What the cache did so far", cache_tells_what_it_did),
    ("Quality of service over UDP, through the relay", relay_is_measured),
    ("Many clients at once, over UDP and over HTTP", many_clients_are_measured),
    ("Each of them had a session of its own in the relay", each_client_has_a_session),
    ("What is purged is gone for the next request", purged_page_is_fetched_anew),
];

/// Takes the tour until its end, the first step that goes wrong, or Ctrl-C.
///
/// # Errors
/// Which step went wrong, and how.
pub(crate) fn run(system: &System, interrupted: &CancellationToken) -> anyhow::Result<()> {
    let tour = Tour { netctl: Netctl::of(system), url: system.url()?, relay: system.relay()? };
    for (number, (title, step)) in (1..).zip(STEPS) {
        ensure!(!interrupted.is_cancelled(), "interrupted before step {number} of the tour");
        say::heading(number, STEPS.len(), title)?;
        step(&tour).with_context(|| format!("step {number} of the tour went wrong"))?;
    }
    Ok(())
}

struct Tour<'s> {
    netctl: Netctl,
    url: String,
    relay: &'s str,
}

/// What the cache has counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    hits: u64,
    misses: u64,
    purges: u64,
    entries: u64,
}

fn daemons_are_up(tour: &Tour<'_>) -> anyhow::Result<()> {
    tour.netctl.show(&["status"])?;
    let status = tour.netctl.ask(&["status"])?;
    for daemon in ["websrvd", "proxyd"] {
        let state = &status[daemon]["state"];
        ensure!(state == "DAEMON_STATE_SERVING", "{daemon} is in state {state}");
    }
    Ok(())
}

fn first_request_misses(tour: &Tour<'_>) -> anyhow::Result<()> {
    let before = tour.counted()?;
    tour.netctl.show(&["fetch", "--fail", "--no-body", &tour.url])?;
    let after = tour.counted()?;
    let (hits, misses) = (after.hits - before.hits, after.misses - before.misses);
    ensure!((hits, misses) == (0, 1), "expected a miss: the cache counted {before:?}, {after:?}");
    ensure!(after.entries > 0, "expected that the page is stored: {after:?}");
    say::checked("the cache counted one miss more, and keeps the page")
}

fn second_request_hits(tour: &Tour<'_>) -> anyhow::Result<()> {
    let before = tour.counted()?;
    tour.netctl.show(&["fetch", "--fail", "--no-body", &tour.url])?;
    let after = tour.counted()?;
    let (hits, misses) = (after.hits - before.hits, after.misses - before.misses);
    ensure!((hits, misses) == (1, 0), "expected a hit: the cache counted {before:?}, {after:?}");
    say::checked("the cache counted one hit more, and asked nobody")
}

fn cache_tells_what_it_did(tour: &Tour<'_>) -> anyhow::Result<()> {
    tour.netctl.show(&["cache", "stats"])
}

fn relay_is_measured(tour: &Tour<'_>) -> anyhow::Result<()> {
    let before = results::count(Path::new(CSV));
    let files = ["--csv", CSV, "--report", UDP_REPORT];
    tour.netctl.show(&[&["qos", "udp", tour.relay, "--max-loss", "1"], &files[..]].concat())?;
    results::check(&results::after(before, Path::new(CSV))?, "udp", 1)?;
    is_page(UDP_REPORT)?;
    say::checked(&format!("the results are in {CSV}, and with charts in {UDP_REPORT}"))
}

fn many_clients_are_measured(tour: &Tour<'_>) -> anyhow::Result<()> {
    let before = results::count(Path::new(CSV));
    let clients = CLIENTS.to_string();
    let test = ["qos", "clients", &clients, "--udp", tour.relay, "--http", &tour.url];
    let files = ["--max-loss", "1", "--csv", CSV, "--report", CLIENTS_REPORT];
    tour.netctl.show(&[&test[..], &files].concat())?;
    let rows = results::after(before, Path::new(CSV))?;
    results::check(&rows, "udp", CLIENTS)?;
    results::check(&rows, "http", CLIENTS)?;
    is_page(CLIENTS_REPORT)?;
    say::checked(&format!("a row for each client is in {CSV}, charts are in {CLIENTS_REPORT}"))
}

fn each_client_has_a_session(tour: &Tour<'_>) -> anyhow::Result<()> {
    tour.netctl.show(&["sessions", "udp"])?;
    let sessions = tour.netctl.ask(&["sessions", "udp"])?;
    let count = sessions["entries"].as_array().map_or(0, Vec::len);
    // One of the test before is there, too, unless it was idle for long by now.
    let expected = CLIENTS as usize;
    ensure!(count >= expected, "{count} sessions, {expected} were expected");
    say::checked(&format!("{count} sessions are open; each ends when it is idle"))
}

fn purged_page_is_fetched_anew(tour: &Tour<'_>) -> anyhow::Result<()> {
    let before = tour.counted()?;
    tour.netctl.show(&["cache", "purge", &tour.url])?;
    say::line("")?;
    tour.netctl.show(&["fetch", "--fail", "--repeat", "3", &tour.url])?;
    let after = tour.counted()?;
    ensure!(after.purges == before.purges + 1, "expected one more purge: {before:?}, {after:?}");
    let (hits, misses) = (after.hits - before.hits, after.misses - before.misses);
    ensure!((hits, misses) == (2, 1), "expected a miss and two hits: {before:?}, {after:?}");
    say::checked("the cache counted one purge, one miss and two hits more")
}

impl Tour<'_> {
    fn counted(&self) -> anyhow::Result<Counted> {
        let stats = self.netctl.ask(&["cache", "stats"])?;
        Ok(Counted {
            hits: count(&stats, "hits")?,
            misses: count(&stats, "misses")?,
            purges: count(&stats, "purges")?,
            entries: count(&stats, "entries")?,
        })
    }
}

fn count(stats: &Value, name: &str) -> anyhow::Result<u64> {
    stats[name].as_u64().with_context(|| format!("the cache's statistics have no {name}"))
}

fn is_page(file: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    ensure!(text.contains("</html>"), "{file} is no whole page");
    Ok(())
}
