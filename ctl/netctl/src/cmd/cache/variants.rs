//! What is stored for one URL: each variant with its selecting fields, freshness and headers.

use std::time::Duration;

use selat_proto::json::to_json;
use selat_proto::v1::{Field, ShowEntryResponse, Variant};
use serde_json::Value;

use crate::output::{Cell, Grid, Page, Records, Report, Tone, unit};

pub(super) struct Variants(pub(super) ShowEntryResponse);

impl Report for Variants {
    fn page(&self, page: &mut Page) {
        let count = self.0.variants.len();
        page.line(format!(
            "{}  ({}, route {})",
            self.0.url,
            unit::plural(count as u64, "variant", "variants"),
            self.0.route
        ));
        for (number, variant) in (1..).zip(&self.0.variants) {
            page.gap();
            page.grid(&facts(&format!("variant {number}"), variant));
            page.gap();
            page.grid(&headers(&variant.headers));
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(to_json(&self.0)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(&self.0.variants)
    }
}

/// How long it stays fresh, or since when it is not.
pub(super) fn freshness(ttl: Option<&prost_types::Duration>) -> Cell {
    match unit::signed(ttl) {
        Some(unit::Signed::Ahead(Duration::ZERO)) => Cell::toned("stale", Tone::Warning),
        Some(unit::Signed::Ahead(ttl)) => {
            Cell::toned(format!("fresh for {}", unit::span(ttl)), Tone::Good)
        }
        Some(unit::Signed::Past(since)) => {
            Cell::toned(format!("stale for {}", unit::span(since)), Tone::Warning)
        }
        None => unit::NONE.into(),
    }
}

/// What is known of a variant, under a title.
pub(super) fn facts(title: &str, variant: &Variant) -> Grid {
    let mut facts = Grid::facts();
    facts.row([Cell::toned(title, Tone::Strong), format!("status {}", variant.status).into()]);
    facts.fact("for requests", selecting(variant));
    if !variant.key_parts.is_empty() {
        facts.fact("key parts", variant.key_parts.join(", "));
    }
    facts.fact("freshness", freshness(variant.ttl.as_ref()));
    facts.fact(
        "age",
        format!(
            "{} of a lifetime of {} ({})",
            unit::message_span(variant.age.as_ref()),
            unit::message_span(variant.freshness_lifetime.as_ref()),
            variant.lifetime_source
        ),
    );
    facts.fact("received", unit::time(variant.response_time.as_ref()));
    facts.fact("from", &variant.origin);
    facts.fact(
        "size",
        format!(
            "{} of body, {} in all",
            unit::bytes(variant.body_bytes),
            unit::bytes(variant.memory_bytes)
        ),
    );
    facts.fact("hits", hits(variant));
    if !variant.tags.is_empty() {
        facts.fact("tags", variant.tags.join(", "));
    }
    facts
}

/// Which requests select it: one without a field is another than one whose field is empty.
fn selecting(variant: &Variant) -> String {
    let absent = &variant.selecting_absent;
    let present = variant.selecting.iter().filter(|field| !absent.contains(&field.name));
    let present = present.map(|field| match field.value.as_str() {
        "" => format!("{} (empty)", field.name),
        value => format!("{}: {value}", field.name),
    });
    let present = present.collect::<Vec<_>>().join(", ");
    match (present.as_str(), absent.join(", ").as_str()) {
        ("", "") => "of any kind".to_owned(),
        ("", absent) => format!("without {absent}"),
        (present, "") => format!("with {present}"),
        (present, absent) => format!("with {present}, without {absent}"),
    }
}

fn hits(variant: &Variant) -> String {
    match variant.last_hit_time.as_ref() {
        Some(last) => format!("{}, the last {}", unit::count(variant.hits), unit::time(Some(last))),
        None => unit::count(variant.hits),
    }
}

fn headers(headers: &[Field]) -> Grid {
    let mut facts = Grid::facts();
    headers.iter().for_each(|field| facts.fact(&field.name, &field.value));
    facts
}
