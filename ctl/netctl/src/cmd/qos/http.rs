//! `netctl qos http`: requests at a rate or as fast as answers come, and what a cache saves.

use std::fs;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use clap::value_parser;
use http::{HeaderName, HeaderValue, Method};
use selat_qos::grade::emodel::Codec;
use selat_qos::load::{Aim, LoadSpec, Mode};
use selat_qos::session::Cancel;

use super::live::Show;
use super::pattern::Spread;
use super::report::Ending;
use super::requests::{headers, measure};
use super::secure::Reach;
use crate::cli::Global;
use crate::cmd::fetch::{STEP_LIMIT, field};
use crate::duration;
use crate::exit::{Exit, Misuse};
use crate::http::HttpUrl;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  netctl qos http http://127.0.0.1:8080/                     10 connections
  netctl qos http http://127.0.0.1:8080/ --rate 500 -z 30s   open loop
  netctl qos http http://127.0.0.1:8080/ -c 100 -z 30s       closed loop
  netctl qos http http://127.0.0.1:8080/ --compare-cache     hits and misses
  netctl qos http https://example.net/ --http2 --streams 10 -n 1000
  netctl qos http http://127.0.0.1:8080/up -m POST -d @body -H 'X-Test: yes'

With --rate, requests are due at fixed times, whether the server keeps up or not, and latency \
    counts from when each was due: a stall shows in every request that it holds up. Without, the \
    next request follows the answer to the one before it, and a stall shows once. The response time \
    counts from when a request was due, the service time from when a connection took it up.

--compare-cache asks in turns for the URL, which a cache has by then, and for the URL with a \
    query that nobody used before. It tells hits from misses by Cache-Status (RFC 9211), and gives \
    the difference of the medians with its 95 % interval (bootstrap) and the p-value of the \
    Mann-Whitney U test. Whatever it asked for may stay in the cache until it is stale.

--timeout is for a whole request, connecting included (30s). A status of 400 or more counts as \
    lost. Ctrl-C ends the test early and shows what was measured. Ends with 1 where no request \
    succeeded, 3 where nobody listens.";

/// Requests, where neither a number nor a time is given.
const COUNT: u32 = 200;

/// Measure what clients of a web server or proxy get
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to ask for: http:// or https://HOST[:PORT]/PATH
    url: HttpUrl,
    /// Requests to send [default, unless --duration is given: 200]
    #[arg(short = 'n', long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Begin no request after this time
    #[arg(short = 'z', long, value_name = "TIME", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// Requests a second over all connections, due whether the server keeps up or not
    #[arg(short = 'q', long, value_name = "PER_S")]
    rate: Option<f64>,
    #[command(flatten)]
    spread: Spread,
    /// Connections at once
    #[arg(short = 'c', long, value_name = "N", default_value = "10")]
    connections: NonZeroU32,
    /// Requests at once on each connection, with --http2
    #[arg(long, value_name = "N", default_value = "1", requires = "http2")]
    streams: NonZeroU32,
    /// Open a new connection for each request
    #[arg(long)]
    no_keepalive: bool,
    /// Ask in turns for what a cache has and what it cannot have
    #[arg(long, conflicts_with_all = ["method", "data"])]
    compare_cache: bool,
    /// Method of the requests [default: GET, or POST with --data]
    #[arg(short, long, value_name = "METHOD")]
    method: Option<Method>,
    /// Send this header field too; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send this content, or that of a file: @FILE
    #[arg(short, long, value_name = "CONTENT")]
    data: Option<String>,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    ending: Ending,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    args.ending.files.check()?;
    let show = args.show.check(output.console)?;
    let limit = global.timeout.unwrap_or(STEP_LIMIT);
    let spec = LoadSpec {
        url: args.url.clone(),
        dialer: args.reach.dialer(&args.url, limit).await?,
        method: args.method(),
        headers: headers(&args.headers),
        content: args.content()?,
        aim: args.aim(),
        mode: args.mode()?,
        until: args.duration,
        connections: args.connections,
        streams: args.streams,
        keep_alive: !args.no_keepalive,
        timeout: limit,
    };
    let measurement = measure(spec, show, &Cancel::default(), output.console).await?;
    args.ending.conclude(vec![measurement], Codec::default(), output)
}

impl Args {
    fn method(&self) -> Method {
        let usual = if self.data.is_some() { Method::POST } else { Method::GET };
        self.method.clone().unwrap_or(usual)
    }

    fn content(&self) -> anyhow::Result<Bytes> {
        Ok(match self.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
            None => Bytes::new(),
            Some((_, Some(file))) => {
                fs::read(file).with_context(|| format!("cannot read the content {file}"))?.into()
            }
            Some((text, None)) => text.to_owned().into(),
        })
    }

    fn aim(&self) -> Aim {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let salt = since_epoch.as_nanos() as u64;
        if self.compare_cache { Aim::WarmAndCold { salt } } else { Aim::Same }
    }

    /// When requests are due: a count, a time, or whichever ends first.
    fn mode(&self) -> anyhow::Result<Mode> {
        let count = match (self.count, self.duration) {
            (None, None) => Some(COUNT),
            (count, _) => count,
        };
        let Some(rate) = self.rate else {
            if self.spread.is_burst() {
                let count = count.unwrap_or(COUNT);
                return Ok(Mode::Rate(self.spread.schedule(count, None, 0.0)?));
            }
            if self.spread.is_given() {
                return Err(
                    Misuse("--pattern says when requests are due, which takes --rate").into()
                );
            }
            return Ok(Mode::Closed { count });
        };
        // `as` saturates, and the schedule refuses more than it can keep.
        let in_time = self.duration.map(|time| (rate * time.as_secs_f64()).ceil().max(1.0) as u32);
        let count = count.unwrap_or(u32::MAX).min(in_time.unwrap_or(u32::MAX));
        Ok(Mode::Rate(self.spread.schedule(count, Some(rate), rate)?))
    }
}
