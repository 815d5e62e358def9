//! `netctl cache`: seeing into proxyd's cache, and steering it.

mod entries;
mod removal;
mod stats;
mod variants;

use clap::{Subcommand, ValueEnum};
use http::Uri;
use selat_proto::socket::Daemon;
use selat_proto::v1::{
    CacheServiceGetStatsRequest, EntrySort, FlushRequest, ListEntriesRequest, PurgeRequest,
    ShowEntryRequest, purge_request,
};

use crate::cli::Global;
use crate::client::Control;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl cache stats
  netctl cache ls --sort hits --limit 10
  netctl cache show http://127.0.0.1:8080/
  netctl cache purge http://127.0.0.1:8080/news.html
  netctl cache flush";

const STATS_EXAMPLES: &str = "\
Examples:
  netctl cache stats
  netctl -o json cache stats | jq .hit_ratio";

const LS_EXAMPLES: &str = "\
Examples:
  netctl cache ls
  netctl cache ls --prefix http://127.0.0.1:8080/img/ --sort size
  netctl -o csv cache ls --limit 1000000 > entries.csv";

const SHOW_EXAMPLES: &str = "\
Examples:
  netctl cache show http://127.0.0.1:8080/
  netctl -o json cache show http://127.0.0.1:8080/ | jq '.variants[].headers'";

const PURGE_EXAMPLES: &str = "\
Examples:
  netctl cache purge http://127.0.0.1:8080/news.html

Every request after the answer sees it gone, also where it was just being fetched.";

const FLUSH_EXAMPLES: &str = "\
Examples:
  netctl cache flush
  netctl -o json cache flush | jq .purged_count";

/// See into proxyd's cache, and steer it
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Show what the cache did so far, and how full it is
    #[command(after_help = STATS_EXAMPLES)]
    Stats,
    /// List what is stored
    #[command(after_help = LS_EXAMPLES)]
    Ls(Listing),
    /// Show the stored variants of a URL, how fresh they are and where they came from
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// As a client asks for it: http://HOST[:PORT]/PATH
        #[arg(value_parser = absolute)]
        url: String,
    },
    /// Remove what is stored for a URL, every variant of it
    #[command(after_help = PURGE_EXAMPLES)]
    Purge {
        /// As a client asks for it: http://HOST[:PORT]/PATH
        #[arg(value_parser = absolute)]
        url: String,
    },
    /// Remove everything
    #[command(after_help = FLUSH_EXAMPLES)]
    Flush,
}

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Listing {
    /// Only URLs that start so
    #[arg(long, value_name = "P", default_value = "")]
    prefix: String,
    /// Order: by URL, most hits, largest, or stored longest ago first
    #[arg(long, default_value = "url")]
    sort: Sort,
    /// At most this many
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Url,
    Hits,
    Size,
    Age,
}

impl From<Sort> for EntrySort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Url => Self::Unspecified,
            Sort::Hits => Self::Hits,
            Sort::Size => Self::Size,
            Sort::Age => Self::Age,
        }
    }
}

pub(crate) async fn run(
    command: &Command,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    match command {
        Command::Stats => stats(&control, output).await?,
        Command::Ls(listing) => list(&control, listing, output).await?,
        Command::Show { url } => show(&control, url, output).await?,
        Command::Purge { url } => purge(&control, url, output).await?,
        Command::Flush => flush(&control, output).await?,
    }
    Ok(Exit::Success)
}

async fn stats(control: &Control, output: &mut Output<'_, '_>) -> anyhow::Result<()> {
    let request = CacheServiceGetStatsRequest {};
    let stats = control.answer(control.cache().get_stats(request)).await?;
    output.show(&stats::Stats(stats))
}

async fn list(
    control: &Control,
    listing: &Listing,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<()> {
    let request = ListEntriesRequest {
        prefix: listing.prefix.clone(),
        sort: EntrySort::from(listing.sort).into(),
        limit: listing.limit,
        tag: String::new(),
    };
    let entries = control.collect(control.cache().list_entries(request)).await?;
    output.show(&entries::Entries { entries, limit: listing.limit })
}

async fn show(control: &Control, url: &str, output: &mut Output<'_, '_>) -> anyhow::Result<()> {
    let request = ShowEntryRequest { url: url.to_owned() };
    let entry = control.answer(control.cache().show_entry(request)).await?;
    output.show(&variants::Variants(entry))
}

async fn purge(control: &Control, url: &str, output: &mut Output<'_, '_>) -> anyhow::Result<()> {
    let selection = Some(purge_request::Selection::Url(url.to_owned()));
    let request = PurgeRequest { selection, ..PurgeRequest::default() };
    let purged = control.answer(control.cache().purge(request)).await?;
    let of = format!(" of {url}");
    let (count, bytes) = (purged.purged_count, purged.purged_bytes);
    output.show(&removal::Removal { message: purged, count, bytes, of })
}

async fn flush(control: &Control, output: &mut Output<'_, '_>) -> anyhow::Result<()> {
    let flushed = control.answer(control.cache().flush(FlushRequest {})).await?;
    let (count, bytes) = (flushed.purged_count, flushed.purged_bytes);
    output.show(&removal::Removal { message: flushed, count, bytes, of: String::new() })
}

/// A URL that names its host, as the key of a cache does; the daemon reads it in full.
fn absolute(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "write it as a client asks for it, such as http://127.0.0.1:8080/";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {EXAMPLE}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        (Some("http" | "https"), _) => Err(format!("it names no host; {EXAMPLE}")),
        _ => Err(format!("it must start with http:// or https://; {EXAMPLE}")),
    }
}
