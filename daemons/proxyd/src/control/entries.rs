//! What is stored, as the control socket lists and shows it.

use std::{
    cmp::Reverse,
    future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{Stream, StreamExt, stream};
use selat_core::cache::{fields::Fields, key::CacheKey, stored::StoredMeta};
use selat_proto::v1::{EntrySort, Field, ListEntriesRequest, ListEntriesResponse, Variant};
use tokio::task;
use tonic::Status;

use crate::{
    cache::{
        index::Cursor, object::Object, resource::Resource, selection::Selection, store::Store,
    },
    proxy::Proxy,
};

/// Entries of a listing where the caller sets no limit.
const LIST_DEFAULT: usize = 1000;

/// Variants of one URL after which no further keys of it are looked at.
const VARIANTS_MAX: usize = 1000;

/// Most entries of a listing.
const LIST_MAX: usize = 1_000_000;

/// The stored resources that `asked` wants, in its order, each as it is when its turn comes. One
/// that is gone by then is left out.
pub(super) async fn list(
    proxy: Arc<Proxy>,
    asked: &ListEntriesRequest,
) -> impl Stream<Item = Result<ListEntriesResponse, Status>> + Send + use<> {
    let now = SystemTime::now();
    let limit = match asked.limit {
        0 => LIST_DEFAULT,
        limit => usize::try_from(limit).unwrap_or(LIST_MAX).min(LIST_MAX),
    };
    let mut keys = find(&proxy, asked, now).await;
    keys.sort_unstable();
    keys.truncate(limit);
    stream::iter(keys).filter_map(move |(_, key)| {
        let stored = proxy.store.peek(key.as_str());
        future::ready(stored.and_then(|resource| entry(&key, &resource, now)).map(Ok))
    })
}

/// Keys with what they are sorted by first. Looks at a step's worth at a time, so that the thread can do
/// other things too.
async fn find(
    proxy: &Proxy,
    asked: &ListEntriesRequest,
    now: SystemTime,
) -> Vec<(Reverse<u64>, CacheKey)> {
    let store = &proxy.store;
    let selection = match (asked.tag.as_str(), asked.prefix.as_str()) {
        ("", "") => Selection::all(),
        ("", prefix) => Selection::prefix(prefix),
        (tag, _) => Selection::tag(tag),
    };
    let selection = match asked.route.as_str() {
        "" => selection,
        route => selection.within(route),
    };
    let (mut keys, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(step) = store.next_keys(&selection, &mut cursor) {
        let wanted = step.into_iter().filter(|key| key.uri().starts_with(&asked.prefix));
        keys.extend(wanted.filter_map(|key| Some((rank(store, asked.sort(), &key, now)?, key))));
        task::yield_now().await;
    }
    keys
}

/// What `key` is sorted by before its text: most first.
fn rank(store: &Store, sort: EntrySort, key: &CacheKey, now: SystemTime) -> Option<Reverse<u64>> {
    if sort == EntrySort::Unspecified {
        return Some(Reverse(0));
    }
    let resource = store.peek(key.as_str())?;
    Some(Reverse(match sort {
        EntrySort::Unspecified => 0,
        EntrySort::Hits => hits(&resource),
        EntrySort::Size => resource.memory_bytes(key),
        EntrySort::Age => {
            let age = resource.variants().first()?.meta.age(now).as_nanos();
            u64::try_from(age).unwrap_or(u64::MAX)
        }
    }))
}

fn hits(resource: &Resource) -> u64 {
    resource.variants().iter().map(|variant| variant.uses.total()).sum()
}

fn entry(key: &CacheKey, resource: &Resource, now: SystemTime) -> Option<ListEntriesResponse> {
    let newest = resource.variants().first()?;
    Some(ListEntriesResponse {
        url: key.uri().to_owned(),
        variants: u32::try_from(resource.variants().len()).unwrap_or(u32::MAX),
        memory_bytes: resource.memory_bytes(key),
        hits: hits(resource),
        status: newest.meta.status().as_u16().into(),
        age: span(newest.meta.age(now)),
        ttl: Some(ttl(&newest.meta, now)),
        route: key.namespace().to_owned(),
        key_parts: key_parts(key),
    })
}

/// What is in a key beside route and URL.
pub(super) fn key_parts(key: &CacheKey) -> Vec<String> {
    key.parts().map(ToOwned::to_owned).collect()
}

/// What is stored for one URL, under any of its keys.
pub(super) fn variants(store: &Store, base: &CacheKey, now: SystemTime) -> Vec<Variant> {
    let (selection, mut cursor) = (Selection::resource(base), Cursor::default());
    let mut variants = Vec::new();
    while let Some(keys) = store.next_keys(&selection, &mut cursor)
        && variants.len() < VARIANTS_MAX
    {
        for key in keys {
            let Some(stored) = store.peek(key.as_str()) else { continue };
            let each = 0..stored.variants().len();
            variants.extend(each.filter_map(|which| variant(&key, &stored, which, now)));
        }
    }
    variants
}

/// One of the responses stored under a key, by its position.
pub(super) fn variant(
    key: &CacheKey,
    resource: &Resource,
    which: usize,
    now: SystemTime,
) -> Option<Variant> {
    let object = resource.variants().get(which)?;
    let Object { meta, content, origin, tags, uses } = &**object;
    let absent = meta.vary().fields().filter(|(_, value)| value.is_none());
    let selecting_absent = absent.map(|(name, _)| name.to_string()).collect();
    let selecting = meta.vary().fields().map(|(name, value)| Field {
        name: name.to_string(),
        value: String::from_utf8_lossy(value.unwrap_or_default()).into_owned(),
    });
    Some(Variant {
        selecting: selecting.collect(),
        selecting_absent,
        status: meta.status().as_u16().into(),
        headers: fields(meta.fields()),
        body_bytes: content.length(),
        memory_bytes: memory_bytes(key, resource, which),
        response_time: Some(meta.received().into()),
        age: span(meta.age(now)),
        freshness_lifetime: span(meta.lifetime().duration),
        ttl: Some(ttl(meta, now)),
        hits: uses.total(),
        last_hit_time: uses.last().map(Into::into),
        origin: origin.to_string(),
        tags: tags.iter().map(ToString::to_string).collect(),
        lifetime_source: meta.lifetime().source.as_str().to_owned(),
        key_parts: key_parts(key),
    })
}

/// Bytes of one of the responses stored under a key. The first bears what keeping the key costs: all of them make
/// up what is counted of the resource.
fn memory_bytes(key: &CacheKey, resource: &Resource, which: usize) -> u64 {
    let own = |object: &Arc<Object>| object.memory_bytes();
    match resource.variants() {
        [_, others @ ..] if which == 0 => {
            resource.memory_bytes(key) - others.iter().map(own).sum::<u64>()
        }
        variants => variants.get(which).map_or(0, own),
    }
}

fn fields(stored: &Fields) -> Vec<Field> {
    let shown = stored.iter().map(|(name, value)| Field {
        name: name.to_owned(),
        value: String::from_utf8_lossy(value).into_owned(),
    });
    shown.collect()
}

pub(super) fn span(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn ttl(meta: &StoredMeta, now: SystemTime) -> prost_types::Duration {
    let seconds = meta.ttl_seconds(now);
    // What a soft purge marked is stale whatever its age.
    let seconds = if meta.is_fresh(now) { seconds } else { seconds.min(0) };
    prost_types::Duration { seconds, nanos: 0 }
}
