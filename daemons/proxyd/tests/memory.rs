//! What stored responses take of memory, as the kernel counts it for this process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::fs;

use proxyd::bench::Bench;

/// Objects that are measured: enough for the rest of the process not to matter.
const OBJECTS: u64 = 50_000;

/// Bytes of memory that an object may take beyond its own.
const BEYOND_BYTES_MAX: u64 = 400;

/// Resident memory of this process, bytes.
fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn an_object_takes_little_memory_beyond_its_own_bytes_and_no_more_than_is_counted() {
    // Kept to the end: what one lets go, the next would take again.
    let mut benches = Vec::new();
    for content_bytes in [64, 1024] {
        let bench = Bench::new(16 << 30, content_bytes);
        let before = resident_bytes();
        (0..OBJECTS).for_each(|number| assert!(bench.store(number, "") && bench.sent(number, "")));
        let taken = (resident_bytes() - before) / OBJECTS;
        let own = bench.own_bytes(OBJECTS, "") as u64;
        assert!(taken <= own + BEYOND_BYTES_MAX, "{taken} bytes for {own}");
        // What is counted may be a little less than is taken, lest the limit mean nothing.
        let counted = bench.memory_bytes() / OBJECTS;
        assert!(counted + counted / 20 >= taken, "{counted} counted, {taken} taken");
        benches.push(bench);
    }
}
