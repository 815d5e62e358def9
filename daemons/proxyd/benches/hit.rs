//! What the store takes for one request: finding and deciding about what is stored, and storing it.
#![allow(missing_docs, reason = "criterion's macros make functions without any")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails loudly")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use proxyd::bench::Bench;

/// Responses stored before.
const ENTRIES: u64 = 100_000;

/// Memory for more than are ever stored.
const MEMORY_BYTES: u64 = 16 << 30;

fn filled() -> Bench {
    let bench = Bench::new(MEMORY_BYTES, 1024);
    (0..ENTRIES).for_each(|number| assert!(bench.store(number, "tag")));
    bench
}

fn requests(criterion: &mut Criterion) {
    let bench = filled();
    let mut number = 0;
    let mut next = move || {
        number = (number + 7_919) % ENTRIES;
        number
    };
    criterion.bench_function("lookup", |bencher| {
        bencher.iter_batched(&mut next, |number| bench.found(number, "tag"), BatchSize::SmallInput);
    });
    criterion.bench_function("lookup and policy", |bencher| {
        bencher.iter_batched(&mut next, |number| bench.hit(number, "tag"), BatchSize::SmallInput);
    });
    criterion.bench_function("replace", |bencher| {
        bencher.iter_batched(&mut next, |number| bench.store(number, "tag"), BatchSize::SmallInput);
    });
}

fn evictions(criterion: &mut Criterion) {
    let bench = Bench::new(64 << 20, 1024);
    let mut number = 0;
    criterion.bench_function("insert and evict", |bencher| {
        bencher.iter(|| {
            number += 1;
            black_box(bench.store(number, "tag"))
        });
    });
}

criterion_group!(benches, requests, evictions);
criterion_main!(benches);
