//! A run of requests: from what was asked to a measurement, shown while it goes on.

use anyhow::Context;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use selat_qos::load::{self, LoadSpec, Mode};
use selat_qos::report::Measurement;
use selat_qos::session::Cancel;
use tokio::task;

use super::live::{Show, Subject, Watch};
use crate::console::Console;

/// Makes the run that `spec` asks for, on a thread of its own.
pub(super) async fn measure(
    spec: LoadSpec,
    show: Show,
    cancel: &Cancel,
    console: &Console<'_>,
) -> anyhow::Result<Measurement> {
    spec.check()?;
    let subject = Subject {
        title: format!("HTTP from {}", spec.url),
        nouns: ("request", "requests"),
        crowd: match spec.mode {
            Mode::RateEach(_) => ("client", "clients"),
            _ => ("connection", "connections"),
        },
        lasts: spec.lasts(),
    };
    let watch = Watch::begin(show, subject, console.look)?;
    let blocking = task::spawn_blocking({
        let (spec, progress, cancel) = (spec.clone(), watch.progress(), cancel.clone());
        move || load::run(&spec, &progress, &cancel)
    });
    let run = watch.until(blocking, cancel).await?;
    let run = run.context("the measurement broke off")??;
    Ok(Measurement::http(&spec, run))
}

/// The header fields of every request: who asks, and `given`, which replaces that.
pub(super) fn headers(given: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let agent = HeaderValue::from_static(concat!("netctl/", env!("CARGO_PKG_VERSION")));
    let own = [(USER_AGENT, agent), (ACCEPT, HeaderValue::from_static("*/*"))];
    let mut headers: HeaderMap =
        own.into_iter().filter(|(name, _)| !given.iter().any(|(it, _)| it == name)).collect();
    for (name, value) in given {
        headers.append(name, value.clone());
    }
    headers
}
