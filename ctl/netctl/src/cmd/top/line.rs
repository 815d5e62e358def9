//! One look at both daemons as a line, for logs and programs.

use selat_proto::v1::GetStatusResponse;
use serde_json::{Value, json};

use super::pace::Pace;
use super::reading::Reading;
use crate::output::{Page, Records, Report, unit};

/// Lines between two headers.
const HEADER_EVERY: u64 = 20;
const HEADER: &str = "  PROXYD: REQ/S     HITS    CONN     MEMORY  DGRAM/S  SESSIONS    \
    WEBSRVD: REQ/S    CONN      BODY/S  DGRAM/S";

/// The columns of CSV: those of JSON, the daemon in front.
const COLUMNS: [&str; 19] = [
    "time",
    "proxyd_state",
    "proxyd_requests_per_s",
    "proxyd_hit_ratio",
    "proxyd_misses_per_s",
    "proxyd_passes_per_s",
    "proxyd_cache_bytes_per_s",
    "proxyd_origin_bytes_per_s",
    "proxyd_connections_active",
    "proxyd_memory_bytes",
    "proxyd_datagrams_per_s",
    "proxyd_sessions",
    "proxyd_dropped_per_s",
    "websrvd_state",
    "websrvd_requests_per_s",
    "websrvd_connections_active",
    "websrvd_body_bytes_per_s",
    "websrvd_answered_per_s",
    "websrvd_dropped_per_s",
];

/// A look at both, the `number`th from 0.
pub(super) struct Moment<'a> {
    pub(super) reading: &'a Reading,
    pub(super) pace: Pace,
    pub(super) number: u64,
}

impl Report for Moment<'_> {
    fn page(&self, page: &mut Page) {
        if self.number.is_multiple_of(HEADER_EVERY) {
            page.line(HEADER);
        }
        page.line(self.proxyd_cells() + &self.websrvd_cells());
    }

    fn json(&self) -> anyhow::Result<Value> {
        let time = jiff::Timestamp::now().round(jiff::Unit::Millisecond)?;
        Ok(json!({ "time": time, "proxyd": self.proxyd(), "websrvd": self.websrvd() }))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let document = self.json()?;
        let mut flat = serde_json::Map::new();
        flat.insert("time".to_owned(), document["time"].clone());
        for daemon in ["proxyd", "websrvd"] {
            let fields = document[daemon].as_object().into_iter().flatten();
            flat.extend(fields.map(|(name, value)| (format!("{daemon}_{name}"), value.clone())));
        }
        let mut records = Records::new(COLUMNS);
        records.push_object(&Value::Object(flat));
        Ok(records)
    }
}

impl Moment<'_> {
    fn proxyd(&self) -> Value {
        let it = match &self.reading.proxyd {
            Ok(it) => it,
            Err(error) => return json!({ "state": "unreachable", "error": error }),
        };
        let pace = self.pace.proxyd;
        json!({
            "state": state(&it.status),
            "requests_per_s": pace.map(|it| it.requests),
            "hit_ratio": pace.and_then(|it| it.hit_ratio),
            "misses_per_s": pace.map(|it| it.misses),
            "passes_per_s": pace.map(|it| it.passes),
            "cache_bytes_per_s": pace.map(|it| it.cache_bytes),
            "origin_bytes_per_s": pace.map(|it| it.origin_bytes),
            "connections_active": it.status.connections_active,
            "memory_bytes": it.cache.memory_bytes,
            "datagrams_per_s": pace.map(|it| it.datagrams),
            "sessions": it.sessions(),
            "dropped_per_s": pace.map(|it| it.dropped),
        })
    }

    fn websrvd(&self) -> Value {
        let it = match &self.reading.websrvd {
            Ok(it) => it,
            Err(error) => return json!({ "state": "unreachable", "error": error }),
        };
        let pace = self.pace.websrvd;
        json!({
            "state": state(&it.status),
            "requests_per_s": pace.map(|it| it.requests),
            "connections_active": it.status.connections_active,
            "body_bytes_per_s": pace.map(|it| it.body_bytes),
            "answered_per_s": pace.map(|it| it.answered),
            "dropped_per_s": pace.map(|it| it.dropped),
        })
    }

    fn proxyd_cells(&self) -> String {
        let Ok(it) = &self.reading.proxyd else {
            return format!("{:>61}", "proxyd cannot be reached");
        };
        let pace = self.pace.proxyd;
        let ratio = pace.and_then(|it| it.hit_ratio);
        format!(
            "{:>15} {:>8} {:>7} {:>10} {:>8} {:>9}",
            per_s(pace.map(|it| it.requests)),
            ratio.map_or(unit::NONE.to_owned(), |ratio| unit::percent(ratio * 100.0)),
            unit::count(it.status.connections_active),
            unit::bytes(it.cache.memory_bytes),
            per_s(pace.map(|it| it.datagrams)),
            unit::count(it.sessions()),
        )
    }

    fn websrvd_cells(&self) -> String {
        let Ok(it) = &self.reading.websrvd else {
            return format!("{:>47}", "websrvd cannot be reached");
        };
        let pace = self.pace.websrvd;
        let bytes = pace.map_or(unit::NONE.to_owned(), |it| unit::bytes(it.body_bytes as u64));
        format!(
            "{:>19} {:>7} {bytes:>11} {:>8}",
            per_s(pace.map(|it| it.requests)),
            unit::count(it.status.connections_active),
            per_s(pace.map(|it| it.answered)),
        )
    }
}

/// The state by its name in the API, without its prefix: `serving`.
fn state(status: &GetStatusResponse) -> String {
    status.state().as_str_name().trim_start_matches("DAEMON_STATE_").to_lowercase()
}

fn per_s(rate: Option<f64>) -> String {
    rate.map_or(unit::NONE.to_owned(), |rate| format!("{rate:.0}"))
}
