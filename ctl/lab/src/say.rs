//! What the lab itself says. Everything else on the screen is netctl's.

use std::env;
use std::io::{self, IsTerminal, Write};

use selat_proto::socket::Daemon;

use crate::system::System;
use crate::tour::{CLIENTS_REPORT, CSV, UDP_REPORT};

/// A line.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// Where a step of the tour begins.
pub(crate) fn heading(number: usize, of: usize, text: &str) -> anyhow::Result<()> {
    let heading = format!("{number}/{of}  {text}");
    let rule = "─".repeat(heading.chars().count());
    line(&format!("\n{}\n{}", styled(&heading, "1"), styled(&rule, "2")))
}

/// The command line that is run next.
pub(crate) fn command(arguments: &[&str]) -> anyhow::Result<()> {
    line(&styled(&format!("$ netctl {}\n", arguments.join(" ")), "36"))
}

/// What was looked at behind the scenes, and found good.
pub(crate) fn checked(text: &str) -> anyhow::Result<()> {
    line(&format!("\n{} {text}", styled("✓", "32")))
}

/// What went wrong, and what to do where a port is taken. Best effort: there is nowhere to complain to.
pub(crate) fn problem(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let _ = writeln!(io::stderr(), "lab: {text}");
    if text.contains("another program holds that address") {
        let _ = writeln!(io::stderr(), "  try: cargo lab --free-ports");
    }
}

/// Where the results of the tour are.
pub(crate) fn results() -> anyhow::Result<()> {
    let directory = env::current_dir()?;
    let file = |name: &str| directory.join(name).display().to_string();
    title("What the tour left")?;
    line(&format!("  results     {}", file(CSV)))?;
    line(&format!("  reports     {}", file(UDP_REPORT)))?;
    line(&format!("              {}", file(CLIENTS_REPORT)))
}

/// Where everything is while both daemons are up, and what to try with it.
pub(crate) fn what_next(system: &System) -> anyhow::Result<()> {
    let (url, relay) = (system.url()?, system.relay()?);
    title("What is up")?;
    line(&format!("  site        {url}  through the cache"))?;
    line(&format!("              {}  from websrvd itself", system.origin_url()?))?;
    line(&format!("  files       {}", system.root().display()))?;
    line(&format!("  UDP         {relay} relayed to the echo on {}", system.echo()?))?;
    title("What to try next, in another terminal")?;
    line("  cargo build --package netctl && alias netctl=$PWD/target/debug/netctl")?;
    for (variable, daemon) in
        [("NETCTL_WEBSRVD", Daemon::Websrvd), ("NETCTL_PROXYD", Daemon::Proxyd)]
    {
        line(&format!("  export {variable}={}", system.socket(daemon).display()))?;
    }
    for (command, what) in [
        ("cache ls".to_owned(), "what is stored, and how fresh it is"),
        (format!("cache purge {url}"), "the next request sees it gone"),
        (format!("fetch --repeat 5 {url}"), "a MISS again, then HITs"),
        (format!("qos udp {relay} --rate 500 --count 2000"), "more probes, more certainty"),
        ("events proxyd".to_owned(), "what happens, as it happens"),
        ("menu".to_owned(), "the menu of the original project"),
    ] {
        line(&format!("  netctl {command:<48} {what}"))?;
    }
    Ok(())
}

fn title(text: &str) -> anyhow::Result<()> {
    line(&format!("\n{}\n", styled(text, "1")))
}

/// Text in a style (ECMA-48 §8.3.117), where it goes to a terminal that wants it (no-color.org).
fn styled(text: &str, style: &str) -> String {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !io::stdout().is_terminal() {
        return text.to_owned();
    }
    format!("\x1b[{style}m{text}\x1b[0m")
}
