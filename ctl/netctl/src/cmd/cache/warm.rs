//! `cache warm`: fetches URLs through proxyd, so that what clients will ask for is stored before.
//!
//! 1. [`urls`] reads what is to be fetched.
//! 2. proxyd says where it listens for HTTP.
//! 3. [`fetching`] asks there for each URL by its own host name, a few at a time.

mod fetching;
mod urls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use selat_proto::socket::Daemon;
use selat_proto::v1::GetStatusRequest;
use serde_json::{Value, json};

use self::fetching::{Outcome, Source, Warmed};
use crate::cli::Global;
use crate::cmd::fetch::{self, STEP_LIMIT};
use crate::exit::Exit;
use crate::output::{Cell, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl cache warm http://127.0.0.1:8080/ http://127.0.0.1:8080/news.html
  netctl cache warm --from urls.txt --concurrency 16
  sitemap-urls | netctl cache warm --from -
  netctl cache warm -H 'Accept-Encoding: gzip' http://www.example.net/

Each URL is asked of proxyd's HTTP listener by its own host name, whatever address that name has.
In a file, empty lines and lines that begin with # are left out; a line that begins with / is a
path at the listener. Ends with 1 where any URL failed or was answered with a status of 400 or more.";

/// URLs fetched at once, where nothing else is asked: few enough for any origin.
const CONCURRENCY: u16 = 4;

/// URLs that are named with what became of them.
const NAMED_MAX: usize = 10;

/// What to fetch.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// As clients ask for them: http://HOST[:PORT]/PATH
    #[arg(required_unless_present = "from", value_name = "URL")]
    urls: Vec<String>,
    /// Read them from this file too, a line each; - reads standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Fetch this many at once
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Send this header field too, for the variant that it selects; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = fetch::field)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    let status = control.answer(control.daemon().get_status(GetStatusRequest {})).await?;
    let http = status.listeners.iter().find(|listener| listener.role == "http");
    let address = http.context("proxyd has no HTTP listener")?.address.parse();
    let address = urls::reachable(address.context("proxyd listens at no address")?);
    let urls = urls::read(&args.urls, args.from.as_deref(), address, output.console)?;
    let mut headers = HeaderMap::new();
    let agent = concat!("netctl/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    headers.extend(args.headers.iter().cloned());
    let began_at = Instant::now();
    let source = Source { address, headers, limit: global.timeout.unwrap_or(STEP_LIMIT) };
    let warmed = fetching::fetch_all(&urls, args.concurrency.into(), &source, output.console).await;
    let summary = Summary { warmed, took: began_at.elapsed() };
    output.show(&summary)?;
    let is_well = summary.count(|outcome| matches!(outcome, Outcome::Failed(_))) == 0;
    Ok(if is_well { Exit::Success } else { Exit::Failed })
}

struct Summary {
    warmed: Vec<Warmed>,
    took: Duration,
}

impl Summary {
    fn count(&self, is_wanted: impl Fn(&Outcome) -> bool) -> u64 {
        self.warmed.iter().filter(|warmed| is_wanted(&warmed.outcome)).count() as u64
    }

    fn stored(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::Stored))
    }

    fn present(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::Present))
    }

    fn not_stored(&self) -> u64 {
        self.count(|outcome| matches!(outcome, Outcome::NotStored(_)))
    }

    fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.warmed.iter().filter_map(|warmed| match &warmed.outcome {
            Outcome::Failed(why) => Some((warmed.url.as_str(), why.as_str())),
            _ => None,
        })
    }

    /// A line for each that is not stored: those that failed first.
    fn amiss(&self) -> impl Iterator<Item = String> {
        let failed = self.failures().map(|(url, why)| format!("{url}: {why}"));
        let not_stored = self.warmed.iter().filter_map(|warmed| match &warmed.outcome {
            Outcome::NotStored(why) if why.is_empty() => {
                Some(format!("{}: not stored", warmed.url))
            }
            Outcome::NotStored(why) => Some(format!("{}: not stored, {why}", warmed.url)),
            _ => None,
        });
        failed.chain(not_stored)
    }

    fn body_bytes(&self) -> u64 {
        self.warmed.iter().map(|warmed| warmed.body_bytes).sum()
    }
}

impl Report for Summary {
    fn page(&self, page: &mut Page) {
        let mut facts = Grid::facts();
        let urls = unit::plural(self.warmed.len() as u64, "URL", "URLs");
        let size = unit::bytes(self.body_bytes());
        facts.fact("asked for", format!("{urls}, {size} in {}", unit::span(self.took)));
        facts.fact("stored", Cell::toned(unit::count(self.stored()), Tone::Good));
        facts.fact("already stored", unit::count(self.present()));
        facts.fact("not stored", unit::count(self.not_stored()));
        let failed = self.failures().count() as u64;
        let tone = if failed == 0 { Tone::Plain } else { Tone::Bad };
        facts.fact("failed", Cell::toned(unit::count(failed), tone));
        page.grid(&facts);
        self.amiss().take(NAMED_MAX).for_each(|line| page.line(line));
        let more = self.amiss().skip(NAMED_MAX).count() as u64;
        if more > 0 {
            page.line(format!("… and {} more", unit::count(more)));
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        let failures = self.failures().map(|(url, why)| json!({ "url": url, "error": why }));
        Ok(json!({
            "urls": self.warmed.len(),
            "stored": self.stored(),
            "already_stored": self.present(),
            "not_stored": self.not_stored(),
            "failed": self.failures().count(),
            "body_bytes": self.body_bytes(),
            "duration_s": self.took.as_secs_f64(),
            "failures": failures.collect::<Vec<_>>(),
        }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let mut records = Records::new(["url", "outcome", "detail", "body_bytes"]);
        for Warmed { url, outcome, body_bytes } in &self.warmed {
            let (outcome, detail) = match outcome {
                Outcome::Stored => ("stored", ""),
                Outcome::Present => ("already_stored", ""),
                Outcome::NotStored(why) => ("not_stored", why.as_str()),
                Outcome::Failed(why) => ("failed", why.as_str()),
            };
            records.push_object(&json!({
                "url": url, "outcome": outcome, "detail": detail, "body_bytes": body_bytes,
            }));
        }
        Ok(records)
    }
}
