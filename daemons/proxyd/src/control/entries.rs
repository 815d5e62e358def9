//! What is stored, as the control socket lists and shows it.

use std::{
    cmp::Reverse,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use selat_core::cache::{key::CacheKey, stored::StoredMeta};
use selat_proto::v1::{EntrySort, Field, ListEntriesRequest, ListEntriesResponse, Variant};

use crate::{
    cache::{object::Object, store::Resource},
    proxy::Proxy,
};

/// Entries of a listing where the caller sets no limit.
const LIST_DEFAULT: usize = 1000;

/// Most entries of a listing.
const LIST_MAX: usize = 1_000_000;

/// The stored resources that `asked` wants, in its order.
pub(super) fn list(
    proxy: &Proxy,
    asked: &ListEntriesRequest,
    now: SystemTime,
) -> Vec<ListEntriesResponse> {
    let stored = proxy.store.resources();
    let mut entries: Vec<_> = stored
        .filter(|(key, _)| key.uri().starts_with(&asked.prefix))
        .filter_map(|(key, resource)| entry(&key, &resource, now))
        .collect();
    match asked.sort() {
        EntrySort::Unspecified => entries.sort_unstable_by(|a, b| a.url.cmp(&b.url)),
        EntrySort::Hits => entries.sort_unstable_by_key(|entry| Reverse(entry.hits)),
        EntrySort::Size => entries.sort_unstable_by_key(|entry| Reverse(entry.memory_bytes)),
        EntrySort::Age => entries
            .sort_unstable_by_key(|entry| Reverse(entry.age.map(|age| (age.seconds, age.nanos)))),
    }
    let limit = match asked.limit {
        0 => LIST_DEFAULT,
        limit => usize::try_from(limit).unwrap_or(LIST_MAX).min(LIST_MAX),
    };
    entries.truncate(limit);
    entries
}

fn entry(key: &CacheKey, resource: &Resource, now: SystemTime) -> Option<ListEntriesResponse> {
    let newest = resource.variants.first()?;
    Some(ListEntriesResponse {
        url: key.uri().to_owned(),
        variants: u32::try_from(resource.variants.len()).unwrap_or(u32::MAX),
        memory_bytes: resource.memory_bytes(),
        hits: resource.variants.iter().map(|variant| variant.uses.total()).sum(),
        status: newest.meta.status().as_u16().into(),
        age: span(newest.meta.age(now)),
        ttl: Some(ttl(&newest.meta, now)),
    })
}

/// One stored response.
pub(super) fn variant(object: &Object, now: SystemTime) -> Variant {
    let Object { meta, headers, content, origin, uses } = object;
    let selecting = meta.vary().fields().map(|(name, value)| Field {
        name: name.to_string(),
        value: String::from_utf8_lossy(value.unwrap_or_default()).into_owned(),
    });
    Variant {
        selecting: selecting.collect(),
        status: meta.status().as_u16().into(),
        headers: fields(headers),
        body_bytes: content.length(),
        memory_bytes: object.memory_bytes(),
        response_time: Some(meta.received().into()),
        age: span(meta.age(now)),
        freshness_lifetime: span(meta.lifetime().duration),
        ttl: Some(ttl(meta, now)),
        hits: uses.total(),
        last_hit_time: uses.last().map(Into::into),
        origin: origin.to_string(),
    }
}

fn fields(headers: &HeaderMap) -> Vec<Field> {
    let shown = headers.iter().map(|(name, value)| Field {
        name: name.to_string(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    shown.collect()
}

fn span(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn ttl(meta: &StoredMeta, now: SystemTime) -> prost_types::Duration {
    prost_types::Duration { seconds: meta.ttl_seconds(now), nanos: 0 }
}
