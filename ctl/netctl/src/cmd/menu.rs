//! `netctl menu`: the four choices of the original project and the tests that came since, each shown
//! as the command that it is.
//!
//! On a terminal the questions have a cursor. Otherwise each answer is a line of the input, an
//! empty line or none takes the proposal, and the end of the input ends the menu.

mod ask;

use std::path::PathBuf;

use clap::Parser;

use self::ask::{Left, Question, ask, choose};
use crate::cli::Cli;
use crate::console::Console;
use crate::exit::Exit;
use crate::words::line;

const EXAMPLES: &str = "\
Examples:
  netctl menu
  printf '2\\n/\\n3\\n\\nq\\n' | netctl menu     a page, a UDP test, the end

Questions: 1 asks for host, HTTP port and UDP port; 2 for a path; 3 for the number of probes; 4 \
    for the number of clients; 5 for the lowest and the highest rate; 6 asks nothing; 7 asks for a \
    file that --raw wrote; 8 for two of them; 9 for the number of requests and their rate; 10 for \
    throughput or responsiveness, and for how long. An empty answer takes what is proposed, q leaves the question.";
/// What websrvd measures below, where its configuration is as the examples have it.
const MEASURED_PATH: &str = "/.well-known/nq";

/// Choose from a menu: proxy address, HTTP request, QoS tests, results that were kept
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Append the results of QoS tests to this file
    #[arg(long, value_name = "FILE", default_value = "qos_result.csv")]
    csv: PathBuf,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Proxy,
    Fetch,
    Udp,
    Clients,
    Sweep,
    Calibrate,
    Report,
    Compare,
    Http,
    Tcp,
    Quit,
}

impl Choice {
    const ALL: [Self; 11] = [
        Self::Proxy,
        Self::Fetch,
        Self::Udp,
        Self::Clients,
        Self::Sweep,
        Self::Calibrate,
        Self::Report,
        Self::Compare,
        Self::Http,
        Self::Tcp,
        Self::Quit,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Proxy => "1  Set the proxy's address",
            Self::Fetch => "2  HTTP request, with what the cache did",
            Self::Udp => "3  UDP QoS test",
            Self::Clients => "4  Many clients at once",
            Self::Sweep => "5  How much the UDP path carries",
            Self::Calibrate => "6  The floor under this machine's measurements",
            Self::Report => "7  Show a kept run again",
            Self::Compare => "8  Compare two kept runs",
            Self::Http => "9  Requests at a steady rate, hits against misses",
            Self::Tcp => "10 What TCP carries, or how responsive the path stays",
            Self::Quit => "q  Quit",
        }
    }

    fn of_answer(answer: &str) -> Option<Self> {
        Some(match answer {
            "1" => Self::Proxy,
            "2" => Self::Fetch,
            "3" => Self::Udp,
            "4" => Self::Clients,
            "5" => Self::Sweep,
            "6" => Self::Calibrate,
            "7" => Self::Report,
            "8" => Self::Compare,
            "9" => Self::Http,
            "10" => Self::Tcp,
            "0" | "q" | "quit" | "exit" => Self::Quit,
            _ => return None,
        })
    }
}

/// Where the proxy is.
#[derive(Clone, Debug)]
struct Proxy {
    host: String,
    http_port: u16,
    udp_port: u16,
}

impl Default for Proxy {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), http_port: 8080, udp_port: 9090 }
    }
}

pub(crate) async fn run(args: &Args, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let mut proxy = Proxy::default();
    loop {
        let (host, http, udp) = (&proxy.host, proxy.http_port, proxy.udp_port);
        console.print(&format!("\nThe proxy is {host}, HTTP on {http}, UDP on {udp}.\n"))?;
        let choice = choose(console)?;
        if choice == Choice::Quit {
            return Ok(Exit::Success);
        }
        match command(choice, &mut proxy, args, console) {
            Ok(Some(command)) => perform(&command, console).await?,
            Ok(None) => {}
            Err(error) if error.is::<Left>() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Asks what `choice` needs to know; what is to be done then, if anything.
fn command(
    choice: Choice,
    proxy: &mut Proxy,
    args: &Args,
    console: &mut Console<'_>,
) -> anyhow::Result<Option<Vec<String>>> {
    Ok(Some(match choice {
        Choice::Quit => return Ok(None),
        Choice::Proxy => {
            *proxy = set_proxy(proxy, console)?;
            return Ok(None);
        }
        Choice::Fetch => fetch(proxy, console)?,
        Choice::Udp => udp_test(proxy, args, console)?,
        Choice::Clients => clients(proxy, args, console)?,
        Choice::Http => requests(proxy, args, console)?,
        Choice::Tcp => streams(proxy, args, console)?,
        Choice::Sweep => sweep(proxy, console)?,
        Choice::Calibrate => words(&["qos", "calibrate"]),
        Choice::Report => words(&["qos", "report", &ask_file("Run", "monday.json", console)?]),
        Choice::Compare => {
            let before = ask_file("Before", "before.json", console)?;
            let after = ask_file("After", "after.json", console)?;
            words(&["qos", "compare", &before, &after])
        }
    }))
}

/// Shows a command line and does what it says; what goes wrong does not end the menu.
async fn perform(command: &[String], console: &mut Console<'_>) -> anyhow::Result<()> {
    let line = line(command);
    console.print(&format!("\n$ {line}\n\n"))?;
    let menu = std::mem::replace(&mut console.command_line, line);
    match Cli::try_parse_from(command) {
        Ok(cli) => {
            if let Err(error) = Box::pin(super::dispatch(cli, console)).await {
                console.complain(&error);
            }
        }
        Err(refused) => console.note(refused.to_string().trim_end()),
    }
    console.command_line = menu;
    Ok(())
}

fn set_proxy(proxy: &Proxy, console: &mut Console<'_>) -> anyhow::Result<Proxy> {
    let host = ask(&Question { text: "Host", proposal: &proxy.host }, console)?;
    let http_port = ask_number("HTTP port", proxy.http_port, console)?;
    let udp_port = ask_number("UDP port", proxy.udp_port, console)?;
    Ok(Proxy { host, http_port, udp_port })
}

fn fetch(proxy: &Proxy, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let path = ask(&Question { text: "Path", proposal: "/" }, console)?;
    let path = path.trim_start_matches('/');
    let url = format!("http://{}/{path}", proxy.authority(proxy.http_port));
    Ok(words(&["fetch", &url]))
}

fn udp_test(proxy: &Proxy, args: &Args, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let count = ask_number("Probes", 100_u32, console)?.to_string();
    let (target, csv) = (proxy.authority(proxy.udp_port), args.csv.to_string_lossy());
    Ok(words(&["qos", "udp", &target, "--count", &count, "--csv", &csv]))
}

fn clients(proxy: &Proxy, args: &Args, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let clients = ask_number("Clients", 5_u32, console)?.to_string();
    let udp = proxy.authority(proxy.udp_port);
    let url = format!("http://{}/", proxy.authority(proxy.http_port));
    let csv = args.csv.to_string_lossy();
    Ok(words(&["qos", "clients", &clients, "--udp", &udp, "--http", &url, "--csv", &csv]))
}

fn requests(proxy: &Proxy, args: &Args, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let count = ask_number("Requests", 200_u32, console)?.to_string();
    let rate = ask_number("Requests a second", 50_u32, console)?.to_string();
    let url = format!("http://{}/", proxy.authority(proxy.http_port));
    let csv = args.csv.to_string_lossy();
    let run = ["qos", "http", &url, "--count", &count, "--rate", &rate, "--compare-cache"];
    Ok(words(&[&run[..], &["--csv", &csv]].concat()))
}

fn streams(proxy: &Proxy, args: &Args, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let measure = ask_one_of("Measure", ["throughput", "responsiveness"], console)?;
    let test = if measure == "throughput" { "tcp" } else { "responsiveness" };
    let duration = format!("{}s", ask_number("Seconds, each way", 10_u32, console)?);
    let url = format!("http://{}{MEASURED_PATH}", proxy.authority(proxy.http_port));
    let csv = args.csv.to_string_lossy();
    Ok(words(&["qos", test, &url, "--duration", &duration, "--csv", &csv]))
}

fn sweep(proxy: &Proxy, console: &mut Console<'_>) -> anyhow::Result<Vec<String>> {
    let target = proxy.authority(proxy.udp_port);
    let from = ask_number("From, probes a second", 100_u32, console)?.to_string();
    let to = ask_number("To, probes a second", 10_000_u32, console)?.to_string();
    Ok(words(&["qos", "sweep", &target, "--from", &from, "--to", &to]))
}

/// Asks for a file of samples.
fn ask_file(text: &str, proposal: &str, console: &mut Console<'_>) -> anyhow::Result<String> {
    ask(&Question { text: &format!("{text} (that --raw wrote)"), proposal }, console)
}

impl Proxy {
    fn authority(&self, port: u16) -> String {
        let is_bare_v6 = self.host.contains(':') && !self.host.starts_with('[');
        if is_bare_v6 { format!("[{}]:{port}", self.host) } else { format!("{}:{port}", self.host) }
    }
}

/// Asks until the answer is a number of the right size, or the input ends.
fn ask_number<N>(text: &str, proposal: N, console: &mut Console<'_>) -> anyhow::Result<N>
where
    N: std::str::FromStr + ToString,
{
    let proposed = proposal.to_string();
    loop {
        let answer = ask(&Question { text, proposal: &proposed }, console)?;
        match answer.parse() {
            Ok(number) => return Ok(number),
            Err(_) => {
                console.note(&format!("{answer:?} does not fit: a number such as {proposed}"))
            }
        }
    }
}

/// Asks until the answer is one of `known`, of which the first is proposed, or the input ends.
fn ask_one_of(
    text: &str,
    known: [&'static str; 2],
    console: &mut Console<'_>,
) -> anyhow::Result<&'static str> {
    let [proposal, other] = known;
    let text = format!("{text}, {proposal} or {other}");
    loop {
        let answer = ask(&Question { text: &text, proposal }, console)?;
        match known.into_iter().find(|word| word.eq_ignore_ascii_case(&answer)) {
            Some(word) => return Ok(word),
            None => console.note(&format!("{answer:?} does not fit: {proposal} or {other}")),
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    ["netctl"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}
