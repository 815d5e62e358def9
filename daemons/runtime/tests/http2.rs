//! HTTP/2 clients that take nothing, or say nothing, frame by frame (RFC 9113).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use selat_runtime::serve::{Drain, HttpLimits, connection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// Longest that anything here may take; the default limits are longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A limit that a test is to see the end of.
const SHORT: Duration = Duration::from_millis(100);

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// Flags of frames.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const CANCEL: u32 = 8;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A client that sends and reads what it is told to, and nothing by itself.
struct Client {
    stream: TcpStream,
    served: JoinHandle<()>,
}

impl Client {
    /// Connects to a server of `body` and says which window its streams begin with.
    async fn connect(window: u32, limits: HttpLimits, body: &[u8], thought: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let body = Bytes::copy_from_slice(body);
        let served = tokio::spawn(async move {
            let answer = service_fn(|_: Request<Incoming>| {
                let body = body.clone();
                async move {
                    sleep(thought).await;
                    Ok::<_, Infallible>(Response::new(Full::new(body)))
                }
            });
            connection(accepted, answer, &limits, &Drain::default()).await;
        });
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut client = Self { stream, served };
        // SETTINGS_INITIAL_WINDOW_SIZE (§6.5.2).
        client.send(SETTINGS, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat()).await;
        client
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn get(&mut self, stream: u32) {
        // RFC 7541 Appendix A: GET, http, /, and :authority with a value of its own.
        let fields = [0x82, 0x86, 0x84, 0x41, 1, b'x'];
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &fields).await;
    }

    async fn widen(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame; nothing where the connection ends.
    async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut head)).await;
        read.expect("a frame or an end in time").ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        self.stream.read_exact(&mut payload).await.unwrap();
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    async fn next(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.frame().await.expect("no end before");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// Reads content until it ends, or so many octets have come.
    async fn content(&mut self, stream: u32, octets: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < octets {
            let frame = self.next(DATA, stream).await;
            content.extend(frame.payload);
            if frame.flags & END_STREAM != 0 {
                break;
            }
        }
        content
    }
}

fn limits() -> HttpLimits {
    HttpLimits::default()
}

#[tokio::test]
async fn a_stream_of_which_the_client_takes_nothing_is_reset_alone() {
    for body in [&b"hello"[..], &[7; 100_000]] {
        let limits = HttpLimits { write_timeout: SHORT, ..limits() };
        let mut client = Client::connect(0, limits, body, Duration::ZERO).await;
        client.get(1).await;
        let reset = client.next(RST_STREAM, 1).await;
        assert_eq!(reset.payload, CANCEL.to_be_bytes());
        client.get(3).await;
        client.widen(3, 50_000).await;
        client.content(3, body.len().min(50_000)).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_a_little_in_each_write_timeout_gets_all() {
    const WINDOW: u32 = 16 << 10;
    let body: Vec<u8> = (0..50_000_u32).map(|at| (at / 7) as u8).collect();
    let write_timeout = Duration::from_secs(1);
    let limits = HttpLimits { write_timeout, ..limits() };
    let mut client = Client::connect(WINDOW, limits, &body, Duration::ZERO).await;
    client.get(1).await;
    let (begun, mut received) = (Instant::now(), Vec::new());
    while received.len() < body.len() {
        let expected = (body.len() - received.len()).min(WINDOW as usize);
        received.extend(client.content(1, expected).await);
        client.widen(0, WINDOW).await;
        sleep(write_timeout / 2).await;
        client.widen(1, WINDOW).await;
    }
    assert!(received == body, "{} octets came", received.len());
    assert!(begun.elapsed() > write_timeout, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_may_think_longer_than_a_client_may_wait() {
    let limits = HttpLimits { header_timeout: SHORT, write_timeout: SHORT, ..limits() };
    let mut client = Client::connect(1 << 16, limits, b"hello", 5 * SHORT).await;
    client.get(1).await;
    assert_eq!(client.content(1, 5).await, b"hello");
}

#[tokio::test]
async fn an_idle_client_is_told_to_go_and_closed() {
    let limits = HttpLimits { header_timeout: SHORT, ..limits() };
    let mut client = Client::connect(1 << 16, limits, b"hello", Duration::ZERO).await;
    client.get(1).await;
    assert_eq!(client.content(1, 5).await, b"hello");
    client.next(GOAWAY, 0).await;
    while client.frame().await.is_some() {}
    client.served.await.unwrap();
}

#[tokio::test]
async fn an_end_that_the_client_does_not_take_keeps_no_connection() {
    let limits = HttpLimits { header_timeout: SHORT, ..limits() };
    let mut client = Client::connect(1, limits, b"hello", Duration::ZERO).await;
    client.get(1).await;
    assert_eq!(client.content(1, 1).await, b"h");
    client.next(GOAWAY, 0).await;
    while client.frame().await.is_some() {}
}

#[tokio::test]
async fn a_client_that_says_no_more_than_its_version_is_closed() {
    let limits = HttpLimits { header_timeout: SHORT, ..limits() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    client.write_all(b"PRI").await.unwrap();
    let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    let drain = Drain::default();
    let served = connection(accepted, answer, &limits, &drain);
    timeout(PATIENCE, served).await.expect("an end in time");
}
