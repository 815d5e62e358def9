//! Fills as their readers and the memory they take see them.

use std::time::SystemTime;

use http::{HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::BodyExt;
use selat_core::{
    cache::{
        freshness::Times,
        options::PolicyOptions,
        storage::{Exchange, Storability, storable},
    },
    http::{
        message::{RequestHead, ResponseHead},
        target::Target,
    },
};

use super::*;
use crate::cache::budget::Budget;

const PIECE_BYTES: u64 = 64 << 10;

const OBJECT_BYTES_MAX: u64 = 8 << 20;

fn meta() -> StoredMeta {
    let (uri, request, now) =
        (Uri::from_static("http://host/"), HeaderMap::new(), SystemTime::now());
    let headers =
        HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
    let exchange = Exchange {
        request: RequestHead { method: &Method::GET, headers: &request },
        target: Target::of(&uri, &request, false).unwrap(),
        response: ResponseHead { status: StatusCode::OK, headers: &headers },
        times: Times { request: now, response: now },
    };
    match storable(&exchange, &PolicyOptions::default()) {
        Storability::Store(meta) => *meta,
        Storability::Pass(refusal) => panic!("{refusal}"),
    }
}

fn filling(length: Option<u64>, budget: &Arc<Budget>) -> Arc<Filling> {
    let memory = Share::of(budget);
    Arc::new(Filling::new(meta(), HeaderMap::new(), "".into(), length, OBJECT_BYTES_MAX, memory))
}

/// Feeds `bytes` zeros.
async fn feed(filling: &Filling, bytes: u64) -> Result<Option<StoreRefusal>, Abandoned> {
    filling.feed(&vec![0; bytes as usize]).await
}

async fn read(reader: &mut Reader) -> usize {
    reader.frame().await.unwrap().unwrap().into_data().unwrap().len()
}

#[tokio::test]
async fn a_fill_ends_when_its_last_reader_leaves_with_much_to_come() {
    let budget = Arc::new(Budget::new(1 << 20));
    for length in [None, Some(4 << 20)] {
        let filling = filling(length, &budget);
        let (one, other) = (filling.reader().unwrap(), filling.reader().unwrap());
        feed(&filling, 1000).await.unwrap();
        drop(one);
        assert_eq!(feed(&filling, UNREAD_BYTES_MAX + 1).await, Ok(None), "there is another");
        drop(other);
        assert_eq!(feed(&filling, UNREAD_BYTES_MAX + 1).await, Err(Abandoned));
        assert!(filling.reader().is_none(), "nobody joins what ends");
    }
}

#[tokio::test]
async fn a_fill_goes_on_without_readers_for_the_little_that_is_left() {
    let budget = Arc::new(Budget::new(1 << 20));
    for length in [None, Some(1000 + UNREAD_BYTES_MAX)] {
        let filling = filling(length, &budget);
        let reader = filling.reader();
        assert_eq!(feed(&filling, 1000).await, Ok(None));
        drop(reader);
        assert_eq!(feed(&filling, UNREAD_BYTES_MAX).await, Ok(None));
        assert!(filling.end(Ok(())).is_some());
    }
}

#[tokio::test]
async fn a_fill_that_nobody_reads_from_the_start_is_wanted_all_the_same() {
    let budget = Arc::new(Budget::new(4 << 20));
    let filling = filling(None, &budget);
    assert_eq!(feed(&filling, 2 << 20).await, Ok(None));
    assert_eq!(filling.end(Ok(())).unwrap().length(), 2 << 20);
}

#[tokio::test]
async fn content_beyond_the_memory_for_fills_passes_through() {
    let budget = Arc::new(Budget::new(1000));
    let (one, other) = (filling(None, &budget), filling(None, &budget));
    let mut reader = one.reader().unwrap();
    assert_eq!(feed(&other, 600).await, Ok(None));
    assert_eq!(feed(&one, 600).await, Ok(Some(StoreRefusal::NoRoom)));
    assert!(one.reader().is_none(), "what has been read is let go");
    assert_eq!(read(&mut reader).await, 600);
    assert!(one.end(Ok(())).is_none());
    assert!(other.end(Ok(())).is_some());
    // What is stored is the store's to count.
    assert_eq!(feed(&filling(None, &budget), 1000).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_cut_off_where_others_wait_for_it() {
    let budget = Arc::new(Budget::new(0));
    let filling = filling(None, &budget);
    let mut stuck = filling.reader().unwrap();
    let mut reader = filling.reader().unwrap();
    let pieces = 8 * WINDOW_BYTES as u64 / PIECE_BYTES;
    let feeding = async {
        for _ in 0..pieces {
            feed(&filling, PIECE_BYTES).await.unwrap();
        }
        filling.end(Ok(()));
    };
    let reading = async {
        let mut bytes = 0;
        while let Some(frame) = reader.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len() as u64;
        }
        bytes
    };
    let started = Instant::now();
    let ((), bytes) = tokio::join!(feeding, reading);
    assert_eq!(bytes, pieces * PIECE_BYTES);
    assert!(started.elapsed() < WAIT_MAX * 2, "{:?}", started.elapsed());
    assert_eq!(stuck.frame().await.unwrap().unwrap_err(), CutOff);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_keeps_up_a_little_is_waited_for() {
    let budget = Arc::new(Budget::new(0));
    let filling = filling(None, &budget);
    let mut slow = filling.reader().unwrap();
    let mut reader = filling.reader().unwrap();
    let pieces = 4 * WINDOW_BYTES as u64 / PIECE_BYTES;
    let window_time = WAIT_MAX * 3 / 4;
    let feeding = async {
        for _ in 0..pieces {
            feed(&filling, PIECE_BYTES).await.unwrap();
        }
        filling.end(Ok(()));
    };
    let slowly = async {
        while let Some(frame) = slow.frame().await {
            let windows = frame.unwrap().into_data().unwrap().len() as f64 / WINDOW_BYTES as f64;
            tokio::time::sleep(window_time.mul_f64(windows)).await;
        }
    };
    let reading = async { while reader.frame().await.transpose().unwrap().is_some() {} };
    tokio::join!(feeding, slowly, reading);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_nobody_waits_for_may_be_as_slow_as_it_likes() {
    let budget = Arc::new(Budget::new(0));
    let filling = filling(None, &budget);
    let mut only = filling.reader().unwrap();
    let feeding = async {
        feed(&filling, WINDOW_BYTES as u64).await.unwrap();
        filling.end(Ok(()));
    };
    let reading = async {
        tokio::time::sleep(WAIT_MAX * 10).await;
        while only.frame().await.transpose().unwrap().is_some() {}
    };
    tokio::join!(feeding, reading);
}

#[tokio::test]
async fn octets_that_come_one_by_one_are_read_at_once_and_take_no_more_memory() {
    let budget = Arc::new(Budget::new(1 << 20));
    let filling = filling(None, &budget);
    let (mut at_once, later) = (filling.reader().unwrap(), filling.reader().unwrap());
    let octets: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
    for octet in &octets {
        filling.feed(&[*octet]).await.unwrap();
        let frame = at_once.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap()[..], [*octet]);
    }
    assert!(filling.lock().pieces.len() < 10);
    let content = filling.end(Ok(())).unwrap();
    assert_eq!(content.pieces().concat(), octets);
    assert_eq!(later.collect().await.unwrap().to_bytes(), octets);
    assert!(at_once.frame().await.is_none());
}
