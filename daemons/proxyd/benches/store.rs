//! What the store costs and saves, as tables: `cargo bench -p proxyd --bench store [TABLE]...`
//!
//! - `memory`: bytes of memory of an object beyond its own.
//! - `ratio`: hits beside those of LRU, on three shapes of traces.
//! - `purge`: how long hits take while 100,000 of 1,000,000 entries are purged.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails loudly")]

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    hint::black_box,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use proxyd::bench::Bench;

fn main() {
    if let Ok(content_bytes) = env::var(CONTENT_BYTES) {
        return measure_memory(content_bytes.parse().unwrap());
    }
    let wanted: Vec<String> = env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for (name, table) in
        [("memory", memory as fn()), ("ratio", ratio as fn()), ("purge", purge as fn())]
    {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            table();
        }
    }
}

/// Resident memory of this process, bytes.
fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn memory() {
    println!("memory of an object, bytes ({OBJECTS} objects)");
    println!("{:>9} {:>9} {:>9} {:>9} {:>9}", "content", "own", "taken", "beyond", "counted");
    for content_bytes in ["64", "1024", "4096"] {
        // Each in a process of its own: what one lets go, the next would take again.
        let mut measure = Command::new(env::current_exe().unwrap());
        assert!(measure.env(CONTENT_BYTES, content_bytes).status().unwrap().success());
    }
}

/// Names the content of the objects that a child of [`memory`] measures.
const CONTENT_BYTES: &str = "SELAT_BENCH_CONTENT_BYTES";

/// Objects whose memory is measured.
const OBJECTS: u64 = 200_000;

fn measure_memory(content_bytes: usize) {
    let bench = Bench::new(16 << 30, content_bytes);
    let before = resident_bytes();
    (0..OBJECTS).for_each(|number| assert!(bench.store(number, "") && bench.sent(number, "")));
    let taken = (resident_bytes() - before) / OBJECTS;
    let own = bench.own_bytes(OBJECTS, "") as u64;
    let (beyond, counted) = (taken.saturating_sub(own), bench.memory_bytes() / OBJECTS);
    println!("{content_bytes:>9} {own:>9} {taken:>9} {beyond:>9} {counted:>9}");
}

/// A small generator (SplitMix64), so that every run sees the same requests.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Requests whose popularity falls with the rank to the power of 0.9.
fn zipf(objects: usize, requests: usize) -> Vec<u64> {
    let mut sum = 0.0;
    let share = |rank: usize| {
        sum += (rank as f64).powf(-0.9);
        sum
    };
    let shares: Vec<f64> = (1..=objects).map(share).collect();
    let mut random = Random(42);
    let mut draw = || {
        let drawn = random.unit() * sum;
        shares.partition_point(|share| *share < drawn) as u64
    };
    (0..requests).map(|_| draw()).collect()
}

/// Zipf, but every other five requests are for something that nobody asks for again.
fn scan(objects: usize, requests: usize) -> Vec<u64> {
    let popular = zipf(objects, requests);
    let each = popular.into_iter().enumerate();
    each.map(|(at, number)| if at % 10 < 5 { number } else { (1 << 32) + at as u64 }).collect()
}

/// Round and round through more than fits.
fn circle(objects: usize, requests: usize) -> Vec<u64> {
    (0..requests as u64).map(|at| at % objects as u64).collect()
}

fn ratio() {
    const OBJECTS: usize = 100_000;
    const REQUESTS: usize = 1_000_000;
    println!("\nhit ratio, {OBJECTS} objects, {REQUESTS} requests");
    println!("{:<14} {:>8} {:>9} {:>9}", "trace", "capacity", "LRU", "proxyd");
    for (name, trace) in [
        ("zipf 0.9", zipf(OBJECTS, REQUESTS)),
        ("zipf and scan", scan(OBJECTS, REQUESTS)),
        ("loop", circle(OBJECTS / 5, REQUESTS)),
    ] {
        for capacity in [OBJECTS / 100, OBJECTS / 10] {
            let (lru, own) = (lru(&trace, capacity), own(&trace, capacity));
            println!("{name:<14} {capacity:>8} {:>8.1}% {:>8.1}%", lru * 100.0, own * 100.0);
        }
    }
}

/// Share of hits of the least recently used order.
fn lru(trace: &[u64], capacity: usize) -> f64 {
    let (mut used_at, mut order) = (HashMap::new(), BTreeMap::new());
    let mut hits = 0;
    for (now, number) in trace.iter().enumerate() {
        if let Some(before) = used_at.insert(*number, now) {
            order.remove(&before);
            hits += 1;
        } else if order.len() == capacity {
            let (_, evicted) = order.pop_first().unwrap();
            used_at.remove(&evicted);
        }
        order.insert(now, *number);
    }
    f64::from(hits) / trace.len() as f64
}

/// Share of hits of the store, with as many bytes as that many objects take.
fn own(trace: &[u64], capacity: usize) -> f64 {
    let one = Bench::new(1 << 30, 4096);
    one.store(10_000, "");
    let bench = Bench::new(one.memory_bytes() * capacity as u64, 4096);
    let mut hits = 0;
    for number in trace {
        if bench.hit(*number, "") {
            hits += 1;
        } else {
            bench.store(*number, "");
        }
    }
    f64::from(hits) / trace.len() as f64
}

fn purge() {
    const ENTRIES: u64 = 1_000_000;
    const TAGS: u64 = 10;
    println!("\nhits while 100,000 of 1,000,000 entries are purged");
    println!("{:<22} {:>9} {:>9} {:>9} {:>9}", "", "hits", "p50 ns", "p99 ns", "p99.9 ns");
    let bench = Bench::new(64 << 30, 16);
    (0..ENTRIES).for_each(|number| {
        assert!(bench.store(number, &format!("tag-{}", number % TAGS)));
    });
    assert_eq!(bench.entries(), ENTRIES);
    let pause = || thread::sleep(Duration::from_millis(1));
    let idle = || thread::sleep(Duration::from_secs(2));
    report("nothing else", hits_during(&bench, idle));
    report(
        "purge by tag",
        hits_during(&bench, || {
            assert_eq!(bench.purge_tag("tag-1", pause), 100_000);
        }),
    );
    report("nothing else", hits_during(&bench, idle));
    report(
        "purge by prefix",
        hits_during(&bench, || {
            assert_eq!(bench.purge_prefix("tag-2", pause), 100_000);
        }),
    );
}

/// Times of hits, in nanoseconds, while `work` goes on on another thread.
fn hits_during(bench: &Bench, work: impl FnOnce()) -> Vec<u64> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let hits = scope.spawn(|| {
            let (mut random, mut times) = (Random(7), Vec::with_capacity(1 << 24));
            while !is_over.load(Relaxed) {
                let number = random.next() % 1_000_000;
                let tag = format!("tag-{}", 3 + number % 7);
                let number = number - number % 10 + 3 + number % 7;
                let began = Instant::now();
                black_box(bench.hit(number, &tag));
                times.push(began.elapsed().as_nanos() as u64);
            }
            times
        });
        work();
        is_over.store(true, Relaxed);
        hits.join().unwrap()
    })
}

fn report(name: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let quantile = |share: f64| times[(times.len() as f64 * share) as usize];
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(quantile);
    println!("{name:<22} {:>9} {p50:>9} {p99:>9} {p999:>9}", times.len());
}
