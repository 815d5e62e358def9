//! `netctl cache`: seeing into proxyd's cache, and steering it.

mod entries;
mod explain;
mod purge;
mod removal;
mod stats;
mod variants;
mod warm;
mod watch;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use http::Uri;
use selat_proto::socket::Daemon;
use selat_proto::v1::{
    CacheServiceGetStatsRequest, EntrySort, ListEntriesRequest, ShowEntryRequest,
};

use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Format, Output};

/// Most entries of a listing, as the daemon has it.
const LIMIT_MAX: u32 = 1_000_000;

const EXAMPLES: &str = "\
Examples:
  netctl cache stats
  netctl cache ls --sort hits --limit 10
  netctl cache show http://127.0.0.1:8080/
  netctl cache explain http://127.0.0.1:8080/
  netctl cache purge --tag article-42
  netctl cache warm --from urls.txt
  netctl cache flush";

const STATS_EXAMPLES: &str = "\
Examples:
  netctl cache stats
  netctl cache stats --watch          a line each second
  netctl cache stats --route images   of one route alone
  netctl -o csv cache stats --watch 10s > stats.csv
  netctl -o json cache stats | jq .hit_ratio";

const LS_EXAMPLES: &str = "\
Examples:
  netctl cache ls
  netctl cache ls --prefix http://127.0.0.1:8080/img/ --sort size
  netctl cache ls --route images --sort hits
  netctl -o csv cache ls --limit 1000000 > entries.csv";

const SHOW_EXAMPLES: &str = "\
Examples:
  netctl cache show http://127.0.0.1:8080/
  netctl -o json cache show http://127.0.0.1:8080/ | jq '.variants[].headers'";

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
    Stats(Watching),
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
    /// Say what the cache would do with a request, and why
    Explain(explain::Args),
    /// Remove what is stored for a URL, a prefix, a tag, a pattern or a route, or mark it stale
    Purge(purge::Args),
    /// Fetch URLs through proxyd, so that they are stored before clients ask
    Warm(warm::Args),
    /// Remove everything
    #[command(after_help = FLUSH_EXAMPLES)]
    Flush,
}

/// Of what, and whether to go on showing.
#[derive(Debug, clap::Args)]
pub(crate) struct Watching {
    /// Only of the route of this name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    route: String,
    /// Show what was done in each interval, until Ctrl-C
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s")]
    #[arg(value_parser = duration::parse)]
    watch: Option<Duration>,
    /// End after this many lines
    #[arg(short = 'n', long, value_name = "N", requires = "watch")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Listing {
    /// Only URLs that start so: http://HOST and more
    #[arg(long, value_name = "P", default_value = "")]
    prefix: String,
    /// Only what its origin gave this tag
    #[arg(long, value_name = "T", default_value = "")]
    tag: String,
    /// Only what the route of this name stores
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    route: String,
    /// Order: by URL, most hits, largest, or stored longest ago first
    #[arg(long, default_value = "url")]
    sort: Sort,
    /// At most this many
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(LIMIT_MAX)))]
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
    match command {
        Command::Stats(watching) => stats(watching, global, output).await,
        Command::Ls(listing) => list(listing, global, output).await,
        Command::Show { url } => show(url, global, output).await,
        Command::Explain(args) => explain::run(args, global, output).await,
        Command::Purge(args) => purge::run(args, global, output).await,
        Command::Warm(args) => warm::run(args, global, output).await,
        Command::Flush => purge::flush(global, output).await,
    }
}

async fn stats(
    watching: &Watching,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    if let Some(pause) = watching.watch {
        watch::watch(&control, pause, watching, output).await?;
    } else {
        let request = CacheServiceGetStatsRequest { route: watching.route.clone() };
        let stats = control.answer(control.cache().get_stats(request)).await?;
        output.show(&stats::Stats(stats))?;
    }
    Ok(Exit::Success)
}

async fn list(
    listing: &Listing,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    let request = ListEntriesRequest {
        prefix: listing.prefix.clone(),
        sort: EntrySort::from(listing.sort).into(),
        // One more tells whether there are more.
        limit: listing.limit.saturating_add(1),
        tag: listing.tag.clone(),
        route: listing.route.clone(),
    };
    let mut entries = control.collect(control.cache().list_entries(request)).await?;
    // Of the largest limit it lists no more.
    let most = u64::from(listing.limit.min(LIMIT_MAX - 1));
    let is_truncated = entries.len() as u64 > most;
    entries.truncate(usize::try_from(listing.limit).unwrap_or(usize::MAX));
    let has_prefix = !listing.prefix.is_empty();
    output.show(&entries::Entries { entries, is_truncated, has_prefix })?;
    if is_truncated && output.format != Format::Table {
        output
            .console
            .note(&format!("netctl: only the first {} are listed: raise --limit", listing.limit));
    }
    Ok(Exit::Success)
}

async fn show(url: &str, global: &Global, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    let request = ShowEntryRequest { url: url.to_owned() };
    let entry = control.answer(control.cache().show_entry(request)).await?;
    output.show(&variants::Variants(entry))?;
    Ok(Exit::Success)
}

/// A URL that names its host, as the key of a cache does; the daemon reads it in full.
fn absolute(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "write it as a client asks for it, such as http://127.0.0.1:8080/";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {EXAMPLE}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        (Some("http"), _) => Err(format!("it names no host; {EXAMPLE}")),
        (Some("https"), _) => Err("proxyd serves http: write http://…".to_owned()),
        _ => Err(format!("it must start with http://; {EXAMPLE}")),
    }
}
