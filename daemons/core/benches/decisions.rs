//! What the decisions of the cache cost: forming a key, deciding about a request, judging a response.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark fails loudly")]

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use selat_core::{
    cache::{
        freshness::Times,
        key::CacheKey,
        options::PolicyOptions,
        policy::lookup,
        storage::{Exchange, Storability, storable},
        stored::{StoredMeta, prepare},
    },
    http::{
        message::{RequestHead, ResponseHead},
        target::Target,
    },
};

/// The fields that a browser sends.
fn request() -> HeaderMap {
    let fields = [
        (header::HOST, "www.example.com"),
        (
            header::USER_AGENT,
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (header::ACCEPT_LANGUAGE, "id,en-US;q=0.7,en;q=0.3"),
        (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
        (header::CONNECTION, "keep-alive"),
    ];
    fields.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

/// The fields that a site sends, with a `Vary`.
fn response() -> HeaderMap {
    let fields = [
        (header::DATE, "Thu, 01 Jan 2026 00:00:00 GMT"),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=60"),
        (header::ETAG, "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        (header::LAST_MODIFIED, "Wed, 31 Dec 2025 12:00:00 GMT"),
        (header::VARY, "accept-encoding"),
    ];
    fields.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

/// One request and its response, some seconds after the epoch of the story.
struct Story {
    uri: Uri,
    request: HeaderMap,
    response: HeaderMap,
    now: SystemTime,
    options: PolicyOptions,
}

impl Story {
    fn new() -> Self {
        Self {
            uri: Uri::from_static("/articles/2026/a-strait?page=2"),
            request: request(),
            response: response(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
            options: PolicyOptions::default(),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::of(&self.uri, &self.request, false).expect("a target")
    }

    fn asked(&self) -> RequestHead<'_> {
        RequestHead { method: &Method::GET, headers: &self.request }
    }

    fn judged(&self) -> Storability {
        let exchange = Exchange {
            request: self.asked(),
            target: self.target(),
            response: ResponseHead { status: StatusCode::OK, headers: &self.response },
            times: Times { request: self.now, response: self.now },
        };
        storable(&exchange, &self.options)
    }

    fn stored(&self) -> StoredMeta {
        match self.judged() {
            Storability::Store(meta) => *meta,
            Storability::Pass(refusal) => panic!("not stored: {refusal}"),
        }
    }
}

fn key(criterion: &mut Criterion) {
    let story = Story::new();
    let mut text = String::new();
    criterion.bench_function("key of a request, written over the last", |bencher| {
        bencher.iter(|| CacheKey::write(&mut text, "default", black_box(&story.target())));
    });
}

fn policy(criterion: &mut Criterion) {
    let story = Story::new();
    let meta = story.stored();
    let later = story.now + Duration::from_secs(60);
    let decide = |stored: &[StoredMeta], now| lookup(story.asked(), stored, now, &story.options);
    let one = [meta.clone()];
    assert!(decide(&one, later).is_hit());
    criterion.bench_function("decision on a hit", |bencher| {
        bencher.iter(|| decide(black_box(&one), later));
    });
    let many = vec![meta; 8];
    criterion.bench_function("decision on a hit among eight variants", |bencher| {
        bencher.iter(|| decide(black_box(&many), later));
    });
    criterion.bench_function("decision on a miss", |bencher| {
        bencher.iter(|| decide(black_box(&[]), later));
    });
}

fn storing(criterion: &mut Criterion) {
    let story = Story::new();
    criterion.bench_function("judgement of a response", |bencher| {
        bencher.iter(|| black_box(&story).judged());
    });
    criterion.bench_function("fields made fit to be stored", |bencher| {
        bencher.iter_batched(
            || story.response.clone(),
            |mut headers| {
                prepare(&mut headers, story.now, &story.options);
                headers
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, key, policy, storing);
criterion_main!(benches);
