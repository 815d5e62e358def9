//! `netctl fetch`: a page as a browser gets it, with the time of each phase and what the cache did.
//!
//! 1. Look up, connect, ask: `exchange` notes when each phase ends.
//! 2. `sink` takes the body piece by piece: to the screen, to a file, or nowhere.
//! 3. `report` says what came of it.

mod exchange;
mod report;
mod sink;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use self::exchange::{Fetched, Started};
use self::report::{Repeated, Single, head_page, tail_page};
use self::sink::Sink;
use crate::cli::Global;
use crate::exit::{Exit, Misuse};
use crate::http::{HttpUrl, TrustArgs};
use crate::output::{Format, Output};

const EXAMPLES: &str = "\
Examples:
  netctl fetch http://127.0.0.1:8080/              headers, body, phases
  netctl fetch --repeat 5 http://127.0.0.1:8080/   a line each: MISS, then HIT
  netctl fetch -O logo.png http://127.0.0.1:8080/logo.png
  netctl fetch -O - http://127.0.0.1:8080/a.json | jq .
  netctl fetch -H 'Cache-Control: no-cache' --no-body http://127.0.0.1:8080/

Phases: dns (looking up the host), connect (TCP, and TLS for https), request (until its last \
    byte left), first byte (waiting for the response), body (from its first byte to its last). \
    HTTP/1.1, a new connection for each request. A body is shown up to 64 KiB, and only if it is \
    text; -O keeps all of any.";

/// How long each step of a request may take, where nothing else is asked.
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(30);

/// Fetch a page as a browser does: phases, status, headers, cache verdict, body
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to fetch: http:// or https://HOST[:PORT]/PATH
    url: HttpUrl,
    /// Write the body to this file; - writes it to standard output and the rest beside it
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ask for the headers only (HEAD)
    #[arg(short = 'I', long)]
    head: bool,
    /// Send this header field too; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Do not show the body
    #[arg(long)]
    no_body: bool,
    /// End with 1 where the status is 400 or more
    #[arg(short, long)]
    fail: bool,
    /// Fetch it this many times, one after the other, and show a line for each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[arg(conflicts_with = "file")]
    repeat: Option<u32>,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    fn method(&self) -> Method {
        if self.head { Method::HEAD } else { Method::GET }
    }

    fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        let agent = concat!("netctl/", env!("CARGO_PKG_VERSION"));
        map.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
        map.insert(http::header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in &self.headers {
            // A second one of ours would replace what was asked for twice.
            if [http::header::USER_AGENT, http::header::ACCEPT].contains(name) {
                map.insert(name, value.clone());
            } else {
                map.append(name, value.clone());
            }
        }
        map
    }

    fn is_to_stdout(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let limit = global.timeout.unwrap_or(STEP_LIMIT);
    if args.is_to_stdout() && output.format != Format::Table {
        return Err(Misuse("the body (-O -) and the report (-o) cannot share the output").into());
    }
    let status = match args.repeat {
        Some(times) => repeat(args, times, limit, output).await?,
        None => single(args, limit, output).await?,
    };
    if args.fail && (status.is_client_error() || status.is_server_error()) {
        bail!("the server answered {status}");
    }
    Ok(Exit::Success)
}

async fn single(
    args: &Args,
    limit: Duration,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<http::StatusCode> {
    let started = begin(args, limit).await?;
    if output.format != Format::Table {
        let mut sink = Sink::aside(args.file.as_deref())?;
        let fetched = started.finish(&mut sink, output.console).await?;
        let status = fetched.status;
        output.show(&Single(fetched))?;
        return Ok(status);
    }
    let is_shown = !(args.no_body || args.head);
    let mut sink = match &args.file {
        Some(_) if args.is_to_stdout() => Sink::stdout(),
        Some(file) => Sink::file(file)?,
        None if is_shown => Sink::screen(),
        None => Sink::nowhere(),
    };
    let beside = args.is_to_stdout();
    write(output, beside, head_page(&started, output.console.look))?;
    let fetched = started.finish(&mut sink, output.console).await?;
    write(output, beside, tail_page(&fetched, &sink, output.console.look))?;
    Ok(fetched.status)
}

/// Beside the output where the body has the output for itself.
fn write(output: &mut Output<'_, '_>, beside: bool, text: String) -> anyhow::Result<()> {
    if beside {
        output.console.note(text.trim_end());
        return Ok(());
    }
    output.console.print(&text)
}

async fn begin(args: &Args, limit: Duration) -> anyhow::Result<Started> {
    let (method, headers, trust) = (args.method(), args.header_map(), args.trust.trust());
    Started::open(&args.url, &method, &headers, &trust, limit).await
}

async fn repeat(
    args: &Args,
    times: u32,
    limit: Duration,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<http::StatusCode> {
    let mut repeated = Repeated(Vec::new());
    let mut result = Ok(http::StatusCode::OK);
    for _ in 0..times {
        match once(args, limit, output).await {
            Ok(fetched) => {
                result = Ok(fetched.status);
                repeated.0.push(fetched);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    if !repeated.0.is_empty() {
        output.show(&repeated)?;
    }
    result
}

async fn once(
    args: &Args,
    limit: Duration,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Fetched> {
    let started = begin(args, limit).await?;
    started.finish(&mut Sink::nowhere(), output.console).await
}

/// A header field of the command line.
pub(crate) fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    const EXAMPLE: &str = "write it as 'Name: value'";
    let (name, value) = text.split_once(':').ok_or(EXAMPLE)?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} names no field; {EXAMPLE}"))?;
    let value = HeaderValue::from_str(value.trim());
    Ok((name, value.map_err(|_| "the value has characters that no field can have".to_owned())?))
}
