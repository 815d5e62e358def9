//! Purging by URL, prefix, tag or pattern; flushing.

use std::time::Duration;

use clap::ArgGroup;
use selat_proto::socket::Daemon;
use selat_proto::v1::{FlushRequest, PurgeRequest, purge_request::Selection};

use super::absolute;
use super::entries::PREFIX_HINT;
use super::removal::{Removal, Verb};
use crate::cli::Global;
use crate::exit::Exit;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl cache purge http://127.0.0.1:8080/news.html      every variant of it
  netctl cache purge --prefix http://127.0.0.1:8080/img/
  netctl cache purge --tag article-42 --soft              what its origin tagged so
  netctl cache purge --regex 'http://[^/]+/.*\\.png' --dry-run
  netctl cache purge --route images                       all of a route
  netctl cache purge --route images --tag logo            what is tagged so, of a route

Prefixes and patterns are compared with URLs as `netctl cache ls` shows them; a pattern has to match
all of one. Tags are those of the origin's Surrogate-Key, Cache-Tag or xkey. Every request after the
answer sees it done, also where something was just being fetched.";

/// How long a purge of very much may take, where nothing else is asked.
const PURGE_LIMIT: Duration = Duration::from_secs(120);

/// What to purge, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group = selected())]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// The pattern may match any part of a URL, not only all of it
    #[arg(long, conflicts_with_all = ["url", "prefix", "tag"])]
    unanchored: bool,
    /// Only of the route of this name; all of it where nothing else is selected
    #[arg(long, value_name = "NAME", value_parser = given)]
    route: Option<String>,
    /// Mark stale instead of removing: the origin is asked before it is next served, and it may
    /// still be served where the origin fails
    #[arg(long)]
    soft: bool,
    /// Only say how much it would be
    #[arg(long)]
    dry_run: bool,
}

/// A purge of nothing in particular is a flush.
fn selected() -> ArgGroup {
    let args = ["url", "prefix", "tag", "regex", "route"];
    ArgGroup::new("selected").args(args).multiple(true).required(true)
}

/// What to purge.
#[derive(Debug, clap::Args)]
#[group(id = "what", multiple = false)]
struct What {
    /// Every variant of this URL, as a client asks for it: http://HOST[:PORT]/PATH
    #[arg(value_parser = absolute)]
    url: Option<String>,
    /// All URLs that start so: http://HOST and more
    #[arg(long, value_name = "P", value_parser = given)]
    prefix: Option<String>,
    /// All that its origin gave this tag
    #[arg(long, value_name = "T", value_parser = given)]
    tag: Option<String>,
    /// All URLs that this regular expression matches as a whole
    #[arg(long, value_name = "R", value_parser = given)]
    regex: Option<String>,
}

impl What {
    /// With how it is told afterwards.
    fn selection(&self) -> Option<(Selection, String)> {
        let Self { url, prefix, tag, regex } = self;
        let url = url.as_ref().map(|url| (Selection::Url(url.clone()), url.clone()));
        let prefix = || {
            let prefix = prefix.as_ref()?;
            Some((Selection::Prefix(prefix.clone()), format!("URLs that start with {prefix}")))
        };
        let tag = || {
            let tag = tag.as_ref()?;
            Some((Selection::Tag(tag.clone()), format!("what is tagged {tag}")))
        };
        let regex = || {
            let regex = regex.as_ref()?;
            Some((Selection::Regex(regex.clone()), format!("URLs that match {regex}")))
        };
        url.or_else(prefix).or_else(tag).or_else(regex)
    }

    /// What to look at where nothing was found.
    fn hint(&self, unanchored: bool) -> Option<&'static str> {
        let Self { url, prefix, regex, .. } = self;
        let has_star = |text: &Option<String>| text.as_ref().is_some_and(|it| it.contains('*'));
        match (prefix, regex) {
            _ if has_star(url) => Some("* is no wildcard in a URL: use --prefix or --regex"),
            _ if has_star(prefix) => {
                Some("* is no wildcard in a prefix: it ends where the rest begins")
            }
            (Some(_), _) => Some(PREFIX_HINT),
            (_, Some(_)) if unanchored => {
                Some("patterns are compared with URLs as `netctl cache ls` shows them")
            }
            (_, Some(_)) => {
                Some("the pattern has to match the whole URL; --unanchored lets it match a part")
            }
            _ => None,
        }
    }
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let (selection, of) = args.what.selection().unzip();
    let Args { unanchored, soft, dry_run, .. } = *args;
    let control = global.connect_for(Daemon::Proxyd, PURGE_LIMIT).await?;
    let route = args.route.clone().unwrap_or_default();
    let request = PurgeRequest { selection, unanchored, soft, dry_run, route };
    let purged = control.answer(control.cache().purge(request)).await?;
    let verb = match (soft, dry_run) {
        (false, false) => Verb::Removed,
        (true, false) => Verb::MarkedStale,
        (false, true) => Verb::WouldRemove,
        (true, true) => Verb::WouldMarkStale,
    };
    let of = of.map_or(String::new(), |of| format!(" of {of}"));
    let of = args.route.as_ref().map_or(of.clone(), |route| format!("{of} of route {route}"));
    let (count, bytes) = (purged.purged_count, purged.purged_bytes);
    let hint = args.what.hint(unanchored);
    output.show(&Removal { message: purged, verb, count, bytes, of, hint })?;
    Ok(Exit::Success)
}

pub(super) async fn flush(global: &Global, output: &mut Output<'_, '_>) -> anyhow::Result<Exit> {
    let control = global.connect_for(Daemon::Proxyd, PURGE_LIMIT).await?;
    let flushed = control.answer(control.cache().flush(FlushRequest {})).await?;
    let (count, bytes) = (flushed.purged_count, flushed.purged_bytes);
    let (verb, of, hint) = (Verb::Removed, String::new(), None);
    output.show(&Removal { message: flushed, verb, count, bytes, of, hint })?;
    Ok(Exit::Success)
}

fn given(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty; netctl cache flush removes everything".to_owned());
    }
    Ok(text.to_owned())
}
