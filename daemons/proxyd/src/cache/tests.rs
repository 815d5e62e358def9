//! The store as purges, evictions and updates see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use selat_core::{
    cache::{
        freshness::Times,
        key::CacheKey,
        options::PolicyOptions,
        reason::StoreRefusal,
        storage::{Exchange, Storability, storable},
    },
    http::{
        message::{RequestHead, ResponseHead},
        target::Target,
    },
};
use selat_runtime::counters::Counter;

use super::{
    content::Content,
    index::Cursor,
    object::{Object, Uses},
    selection::Selection,
    store::{PurgeMode, Purged, Store},
    tags::Tags,
};
use crate::counters::{Ledger, ThreadCounters};

const NAMESPACE: &str = "default";

fn store(memory_bytes: u64, object_bytes: u64) -> Store {
    Store::new(memory_bytes, object_bytes, Arc::new(Ledger::new(1)))
}

/// What was counted of the one route that there is.
fn counted(store: &Store, pick: fn(&ThreadCounters) -> &Counter) -> u64 {
    store.ledger().of(NAMESPACE).sum(|thread| pick(thread).value())
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

fn key(path: &str) -> CacheKey {
    CacheKey::from(format!("{NAMESPACE} http://host{path}").as_str())
}

fn object(request: &HeaderMap, response: &[(&'static str, &str)]) -> Arc<Object> {
    let mut headers = fields(&[&[("cache-control", "max-age=60")], response].concat());
    let uri = Uri::from_static("http://host/");
    let now = SystemTime::now();
    let exchange = Exchange {
        request: RequestHead { method: &Method::GET, headers: request },
        target: Target::of(&uri, request, false).unwrap(),
        response: ResponseHead { status: StatusCode::OK, headers: &headers },
        times: Times { request: now, response: now },
    };
    let Storability::Store(meta) = storable(&exchange, &PolicyOptions::default()) else {
        panic!("it can be stored");
    };
    let tags = Tags::take(&mut headers).unwrap_or_default();
    let content = Content::new(vec![Bytes::from_static(b"content")]);
    Arc::new(Object::new(*meta, headers, content, "".into(), tags, Uses::default()))
}

fn put(store: &Store, key: &CacheKey, tags: &str) {
    let request = HeaderMap::new();
    let object = object(&request, &[("surrogate-key", tags)]);
    store.put(key, store.ticket(key), &request, object, 8).unwrap();
}

fn purge(store: &Store, selection: &Selection, mode: PurgeMode) -> Purged {
    let (mut purged, mut cursor) = (Purged::default(), Cursor::default());
    if mode != PurgeMode::Count {
        store.end_epoch(selection);
    }
    while let Some(keys) = store.next_keys(selection, &mut cursor) {
        purged = keys.iter().fold(purged, |sum, key| sum + store.purge(key, selection, mode));
    }
    purged
}

#[test]
fn a_purge_takes_exactly_what_it_selects_out_of_20_000_entries() {
    let store = store(1 << 30, 1 << 20);
    for number in 0..20_000 {
        let tags = format!("all group-{} parity-{}", number / 2000, number % 2);
        put(&store, &key(&format!("/{}/{number}", number % 20)), &tags);
    }
    let purge = |selection: &Selection, mode| purge(&store, selection, mode).variants;
    let pattern = |pattern| Selection::pattern(pattern, true).unwrap();
    for (selection, count) in [
        (Selection::tag("group-3"), 2000),
        (Selection::prefix("http://host/7/"), 900),
        (pattern(r"http://host/\d/.*5"), 900),
        (Selection::tag("parity-0"), 9000),
        (Selection::tag("parity"), 0),
        (Selection::resource(&key("/1/1")), 1),
    ] {
        assert_eq!(purge(&selection, PurgeMode::Count), count, "{selection}");
        assert_eq!(purge(&selection, PurgeMode::Remove), count, "{selection}");
        assert_eq!(purge(&selection, PurgeMode::Remove), 0, "{selection}");
    }
    let left = 20_000 - 2000 - 900 - 900 - 9000 - 1;
    assert_eq!((store.variants(), counted(&store, |it| &it.purges)), (left, 20_000 - left));
    assert_eq!(purge(&Selection::all(), PurgeMode::Remove), left);
    assert_eq!((store.variants(), store.memory_bytes(), store.indexed()), (0, 0, (0, 0)));
}

#[test]
fn the_bytes_of_a_purge_are_those_that_become_free() {
    let store = store(1 << 30, 1 << 20);
    (0..100).for_each(|number| put(&store, &key(&format!("/{number}")), "all"));
    let before = store.memory_bytes();
    let selection = Selection::prefix("http://host/1");
    let counted = purge(&store, &selection, PurgeMode::Count);
    assert_eq!(store.memory_bytes(), before);
    assert_eq!(purge(&store, &selection, PurgeMode::Remove), counted);
    assert_eq!(store.memory_bytes(), before - counted.bytes);
}

#[test]
fn a_soft_purge_leaves_everything_in_place_but_stale() {
    let store = store(1 << 30, 1 << 20);
    put(&store, &key("/a"), "one");
    put(&store, &key("/b"), "other");
    let purged = purge(&store, &Selection::tag("one"), PurgeMode::MarkStale);
    assert_eq!(
        (purged.variants, counted(&store, |it| &it.soft_purges), counted(&store, |it| &it.purges)),
        (1, 1, 0)
    );
    let is_fresh = |path| {
        let resource = store.peek(key(path).as_str()).unwrap();
        resource.variants()[0].meta.is_fresh(SystemTime::now())
    };
    assert!(!is_fresh("/a") && is_fresh("/b"));
    assert_eq!(purge(&store, &Selection::tag("one"), PurgeMode::Remove).variants, 1);
}

#[test]
fn only_the_variants_with_the_tag_are_purged() {
    let store = store(1 << 30, 1 << 20);
    let key = key("/");
    for language in ["id", "en"] {
        let request = fields(&[("accept-language", language)]);
        let response = [("vary", "accept-language"), ("cache-tag", language)];
        store.put(&key, store.ticket(&key), &request, object(&request, &response), 8).unwrap();
    }
    assert_eq!(purge(&store, &Selection::tag("id"), PurgeMode::Remove).variants, 1);
    let left = store.peek(key.as_str()).unwrap();
    assert!(left.variants().len() == 1 && left.variants()[0].tags.contains("en"));
}

#[test]
fn what_was_on_its_way_is_stored_unless_it_was_purged() {
    let store = store(1 << 30, 1 << 20);
    let request = HeaderMap::new();
    let late = |path: &str, tag, selection: &Selection| {
        let key = key(path);
        let ticket = store.ticket(&key);
        purge(&store, selection, PurgeMode::MarkStale);
        store.put(&key, ticket, &request, object(&request, &[("xkey", tag)]), 8).is_ok()
    };
    assert!(!late("/a", "one", &Selection::tag("one")));
    assert!(late("/a", "one", &Selection::tag("other")));
    assert!(!late("/a", "", &Selection::prefix("http://host/a")));
    assert!(late("/b", "", &Selection::prefix("http://host/a")));
    assert!(!late("/b", "", &Selection::pattern("http://.*", true).unwrap()));
    assert!(!late("/b", "", &Selection::all()));
}

#[test]
fn an_update_brings_nothing_back() {
    let store = store(1 << 30, 1 << 20);
    let (key, request) = (key("/"), HeaderMap::new());
    put(&store, &key, "");
    let before = Arc::clone(&store.peek(key.as_str()).unwrap().variants()[0]);
    purge(&store, &Selection::resource(&key), PurgeMode::Remove);
    // The ticket is had after the purge, as by a request that looked before it and then was slow.
    let confirmed = object(&request, &[]);
    assert!(!store.update(&key, store.ticket(&key), &before, &confirmed));
    assert_eq!(store.variants(), 0);
}

#[test]
fn beyond_the_cap_the_variant_that_was_of_use_longest_ago_goes() {
    let store = store(1 << 30, 1 << 20);
    let (key, hour) = (key("/"), Duration::from_secs(3600));
    let variant = |number: u32| {
        let request = fields(&[("accept-language", &number.to_string())]);
        let object = object(&request, &[("vary", "accept-language")]);
        object.uses.count(SystemTime::now() + hour * (10 - number));
        store.put(&key, store.ticket(&key), &request, object, 4).unwrap();
    };
    (0..8).for_each(variant);
    let kept = store.peek(key.as_str()).unwrap();
    let is_kept = |number: u32| {
        let request = fields(&[("accept-language", &number.to_string())]);
        kept.variants().iter().any(|object| object.meta.vary().matches(&request))
    };
    let kept: Vec<u32> = (0..8).filter(|number| is_kept(*number)).collect();
    assert_eq!(kept, [0, 1, 2, 7]);
}

#[test]
fn the_index_forgets_what_is_evicted() {
    let store = store(1 << 20, 1 << 10);
    (0..20_000).for_each(|number| put(&store, &key(&format!("/{number}")), &format!("t{number}")));
    assert!(counted(&store, |it| &it.evictions) > 10_000);
    let left = usize::try_from(store.variants()).unwrap();
    assert_eq!(store.indexed(), (left, left));
    store.set_capacity(1);
    assert_eq!((store.variants(), store.indexed()), (0, (0, 0)));
}

#[test]
fn the_index_is_true_after_threads_that_store_purge_and_evict_at_once() {
    let store = store(1 << 20, 1 << 10);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..3_u32 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                for round in 0..4000_u32 {
                    let number = (round * 7 + thread) % 1500;
                    let (key, request) = (key(&format!("/{number}")), HeaderMap::new());
                    let tags = format!("t{} t{}", number % 11, round % 5);
                    let object = object(&request, &[("surrogate-key", &tags)]);
                    store.put(&key, store.ticket(&key), &request, object, 2).ok();
                }
                stop.store(true, Relaxed);
            });
        }
        while !stop.load(Relaxed) {
            purge(&store, &Selection::tag("t3"), PurgeMode::Remove);
            purge(&store, &Selection::prefix("http://host/1"), PurgeMode::MarkStale);
        }
    });
    assert_eq!(store.indexed().0, usize::try_from(store.variants()).unwrap());
    let stored = store.variants();
    assert_eq!(purge(&store, &Selection::all(), PurgeMode::Remove).variants, stored);
    assert_eq!((store.variants(), store.memory_bytes(), store.indexed()), (0, 0, (0, 0)));
}

#[test]
fn what_is_too_large_for_the_cache_is_refused() {
    let store = store(1 << 20, 1 << 20);
    let (key, request) = (key("/"), HeaderMap::new());
    let mut large = Arc::into_inner(object(&request, &[])).unwrap();
    large.content = Content::new(vec![Bytes::from(vec![0; 2 << 20])]);
    let stored = store.put(&key, store.ticket(&key), &request, Arc::new(large), 8);
    assert_eq!(stored, Err(StoreRefusal::TooLarge));
    assert_eq!((store.variants(), store.peek(key.as_str()).is_none()), (0, true));
}
