//! What came of a fetch: verdict, phases, headers.

use std::time::Duration;

use http::Version;
use selat_qos::analysis::ms;
use serde_json::{Value, json};

use super::exchange::{Fetched, Phases, Started};
use super::sink::Sink;
use crate::console::Look;
use crate::http::{Said, Verdict};
use crate::output::{Cell, Column, Grid, Page, Records, Report, Tone, unit};

/// Columns of the longest bar of the waterfall.
const BAR_WIDTH: f64 = 30.0;

const NANOS_PER_MS: f64 = 1e6;

/// One fetch, for programs.
pub(super) struct Single(pub(super) Fetched);

/// Several fetches of one URL.
pub(super) struct Repeated(pub(super) Vec<Fetched>);

/// What is known before the body comes.
pub(super) fn head_page(started: &Started, look: Look) -> String {
    let response = &started.responded.response;
    let mut page = Page::new(look);
    page.line(format!("{} {}  ({})", started.method, started.url, started.peer));
    page.line(format!("{:?} {}", response.version(), response.status()));
    page.gap();
    let mut fields = Grid::facts();
    for (name, value) in response.headers() {
        fields.fact(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    page.grid(&fields);
    page.gap();
    page.into_text()
}

/// What is known after it.
pub(super) fn tail_page(fetched: &Fetched, sink: &Sink, look: Look) -> String {
    let mut page = Page::new(look);
    if sink.is_screen() {
        page.line("");
    }
    let mut facts = Grid::facts();
    facts.fact("cache", verdict(&fetched.said));
    if let Some(age) = fetched.said.age_s {
        facts.fact("age", unit::span(Duration::from_secs(age)));
    }
    facts.fact("body", sink.summary(fetched.body_bytes));
    page.grid(&facts);
    page.gap();
    page.grid(&waterfall(&fetched.phases));
    page.into_text()
}

impl Report for Single {
    /// Shown in two parts, around the body.
    fn page(&self, page: &mut Page) {
        page.grid(&waterfall(&self.0.phases));
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(result(&self.0))
    }

    fn records(&self) -> anyhow::Result<Records> {
        Ok(rows(std::slice::from_ref(&self.0)))
    }
}

impl Report for Repeated {
    fn page(&self, page: &mut Page) {
        let mut grid = Grid::new(&[
            Column::Right("#"),
            Column::Right("STATUS"),
            Column::Left("CACHE"),
            Column::Right("AGE"),
            Column::Right("DNS"),
            Column::Right("CONNECT"),
            Column::Right("REQUEST"),
            Column::Right("FIRST BYTE"),
            Column::Right("BODY"),
            Column::Right("TOTAL"),
            Column::Right("SIZE"),
        ])
        .spare(&["REQUEST", "DNS", "BODY", "AGE", "CONNECT"]);
        for (number, fetched) in (1_u32..).zip(&self.0) {
            grid.row(line(number, fetched));
        }
        page.grid(&grid);
        page.gap();
        page.line(self.summary());
    }

    fn json(&self) -> anyhow::Result<Value> {
        let entries: Vec<Value> = self.0.iter().map(result).collect();
        Ok(json!({ "entries": entries }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        Ok(rows(&self.0))
    }
}

impl Repeated {
    fn summary(&self) -> String {
        let from_cache = self.0.iter().filter(|fetched| fetched.said.verdict.is_from_cache());
        let fastest = self.0.iter().map(|fetched| fetched.phases.total).min().unwrap_or_default();
        format!(
            "{} of {} from the cache; the fastest took {}",
            from_cache.count(),
            unit::plural(self.0.len() as u64, "response", "responses"),
            unit::ms(fastest)
        )
    }
}

fn line(number: u32, fetched: &Fetched) -> [Cell; 11] {
    let phases = &fetched.phases;
    let age = fetched.said.age_s.map(|age| unit::span(Duration::from_secs(age)));
    [
        number.into(),
        fetched.status.as_u16().into(),
        Cell::toned(fetched.said.verdict.as_str(), tone(fetched.said.verdict)),
        age.unwrap_or(unit::NONE.to_owned()).into(),
        phases.dns.map_or(unit::NONE.to_owned(), unit::ms).into(),
        unit::ms(phases.connect).into(),
        unit::ms(phases.request).into(),
        unit::ms(phases.first_byte).into(),
        unit::ms(phases.body).into(),
        Cell::toned(unit::ms(phases.total), Tone::Strong),
        unit::bytes(fetched.body_bytes).into(),
    ]
}

/// The word, and what it means.
fn verdict(said: &Said) -> Cell {
    let cache = said.cache.as_deref().unwrap_or("the cache");
    let forward = said.forward.as_deref().unwrap_or("no reason given");
    let meaning = match said.verdict {
        Verdict::Hit => format!("{cache} answered from what it had stored"),
        Verdict::Stale => format!("{cache} answered from what it had stored, though it is stale"),
        Verdict::Revalidated => format!("{cache} asked the origin, and what it had is still good"),
        Verdict::Collapsed => format!("{cache} was fetching it already, for another client"),
        Verdict::Miss => format!("{cache} had to ask the origin ({forward})"),
        Verdict::Pass => format!("{cache} passed it on, this is not for a cache ({forward})"),
        Verdict::Own => format!("{cache} answered by itself"),
        Verdict::None => "no cache says anything (there is no Cache-Status field)".to_owned(),
    };
    let detail = said.detail.as_deref().map_or(String::new(), |detail| format!(": {detail}"));
    let is_new = said.stored && said.verdict != Verdict::Revalidated;
    let stored = if is_new { ", and keeps the response" } else { "" };
    let ttl = match said.ttl_s {
        Some(ttl @ 0..) => {
            format!(", fresh for {}", unit::span(Duration::from_secs(ttl.unsigned_abs())))
        }
        Some(ttl) => format!(", stale for {}", unit::span(Duration::from_secs(ttl.unsigned_abs()))),
        None => String::new(),
    };
    let text = format!("{}  {meaning}{detail}{stored}{ttl}", said.verdict.as_str());
    Cell::toned(text, tone(said.verdict))
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Hit | Verdict::Revalidated | Verdict::Collapsed => Tone::Good,
        Verdict::Stale | Verdict::Miss => Tone::Warning,
        Verdict::Pass | Verdict::Own | Verdict::None => Tone::Plain,
    }
}

/// Each phase as a bar that starts where the one before it ended.
fn waterfall(phases: &Phases) -> Grid {
    let mut grid = Grid::new(&[Column::Left("PHASE"), Column::Right("TIME"), Column::Left("")]);
    let mut start = Duration::ZERO;
    for (name, duration) in [
        ("dns", phases.dns),
        ("connect", Some(phases.connect)),
        ("request", Some(phases.request)),
        ("first byte", Some(phases.first_byte)),
        ("body", Some(phases.body)),
    ] {
        let time = duration.map_or(unit::NONE.to_owned(), unit::ms);
        let duration = duration.unwrap_or_default();
        let bar = Cell::toned(bar(start, duration, phases.total), Tone::Faint);
        grid.row([name.into(), time.into(), bar]);
        start += duration;
    }
    grid.row([
        Cell::toned("total", Tone::Strong),
        Cell::toned(unit::ms(phases.total), Tone::Strong),
        "".into(),
    ]);
    grid
}

fn bar(start: Duration, duration: Duration, total: Duration) -> String {
    if duration.is_zero() || total.is_zero() {
        return String::new();
    }
    let columns = |time: Duration| (time.as_secs_f64() / total.as_secs_f64() * BAR_WIDTH).round();
    let (from, to) = (columns(start) as usize, columns(start + duration) as usize);
    // Cells lose the spaces in front; dots do not.
    format!("{}{}", "·".repeat(from), "█".repeat((to - from).max(1)))
}

fn result(fetched: &Fetched) -> Value {
    let Phases { dns, connect, request, first_byte, body, total } = fetched.phases;
    let said = &fetched.said;
    let headers = fetched.headers.iter().map(|(name, value)| {
        json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) })
    });
    json!({
        "url": fetched.url.to_string(),
        "method": fetched.method.as_str(),
        "peer": fetched.peer.to_string(),
        "http_version": version(fetched.version),
        "status": fetched.status.as_u16(),
        "cache": said.verdict.as_str(),
        "cache_name": said.cache,
        "cache_forward": said.forward,
        "cache_ttl_s": said.ttl_s,
        "cache_stored": said.stored,
        "cache_detail": said.detail,
        "age_s": said.age_s,
        "dns_ms": dns.map(rounded_ms),
        "connect_ms": rounded_ms(connect),
        "request_ms": rounded_ms(request),
        "first_byte_ms": rounded_ms(first_byte),
        "body_ms": rounded_ms(body),
        "total_ms": rounded_ms(total),
        "body_bytes": fetched.body_bytes,
        "headers": headers.collect::<Vec<_>>(),
    })
}

/// Whole nanoseconds, without the noise of a division.
fn rounded_ms(duration: Duration) -> f64 {
    (ms(duration) * NANOS_PER_MS).round() / NANOS_PER_MS
}

fn rows(fetches: &[Fetched]) -> Records {
    let results: Vec<Value> = fetches.iter().map(result).collect();
    let columns = results.first().and_then(Value::as_object);
    let columns = columns.map(|object| object.keys().cloned().collect::<Vec<_>>());
    let mut records = Records::new(columns.unwrap_or_default());
    results.iter().for_each(|result| records.push_object(result));
    records
}

fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "1.0" } else { "1.1" }
}
