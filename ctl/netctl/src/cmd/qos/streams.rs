//! A run of streams: from what was asked to a measurement, shown while it goes on.

use std::time::Duration;

use anyhow::Context;
use selat_qos::bulk::{self, BulkSpec};
use selat_qos::report::{Measurement, Test};
use selat_qos::session::Cancel;
use tokio::task;

use super::live::{Show, Subject, Watch};
use super::secure::Reach;
use crate::console::Console;
use crate::duration;
use crate::http::HttpUrl;

/// What websrvd offers behind proxyd, where nothing else is asked.
const BASE: &str = "http://127.0.0.1:8080/.well-known/nq";
/// How long a probe may take, where nothing else is asked.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// What a test of streams runs against, and how.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Path {
    /// The path that websrvd measures below, straight or through a proxy
    #[arg(value_name = "URL", default_value = BASE)]
    pub(super) url: HttpUrl,
    /// How long the idle path is probed before
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = idle_time)]
    pub(super) idle: Duration,
    #[command(flatten)]
    pub(super) show: Show,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// A run, and what it is called.
pub(super) struct Run {
    pub(super) test: Test,
    pub(super) spec: BulkSpec,
}

/// Makes the run, on a thread of its own.
pub(super) async fn measure(
    run: Run,
    show: Show,
    cancel: &Cancel,
    console: &Console<'_>,
) -> anyhow::Result<Measurement> {
    let Run { test, spec } = run;
    spec.check()?;
    let subject = Subject {
        title: format!("{} {}", test.heading(), spec.base),
        nouns: ("probe", "probes"),
        crowd: ("client", "clients"),
        lasts: spec.idle + spec.duration,
    };
    let watch = Watch::begin(show, subject, console.look)?;
    let blocking = task::spawn_blocking({
        let (spec, progress, cancel) = (spec.clone(), watch.progress(), cancel.clone());
        move || bulk::run(&spec, &progress, &cancel)
    });
    let run = watch.until(blocking, cancel).await?;
    let run = run.context("the measurement broke off")??;
    Ok(Measurement::tcp(test, &spec, run))
}

/// A time that may be none.
pub(super) fn idle_time(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0s") { Ok(Duration::ZERO) } else { duration::parse(text) }
}
