//! HTTP connections over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{
    any::Any,
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use selat_runtime::{
    listen::Inherited,
    serve::{Connections, Drain, HttpLimits, HttpListeners, connection},
    workers::Workers,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{interval, timeout},
};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".to_owned()))
}

/// Sends `request` on a connection of its own and reads until the server closes it.
async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let answered = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    timeout(PATIENCE, answered).await.expect("an answer in time")
}

/// A client's end of a connection and the server's.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Serves [`hello`] on `stream` to its end, under the default limits.
async fn serve_hello(stream: TcpStream) {
    connection(stream, service_fn(hello), &HttpLimits::default(), &Drain::default()).await;
}

/// Connections that are answered with [`hello`], on threads of their own.
struct Server {
    connections: Arc<Connections>,
    address: SocketAddr,
    _open: Box<dyn Any>,
}

impl Server {
    fn start(permits: usize, threads: usize) -> Self {
        let workers = Arc::new(Workers::start("serve", threads).unwrap());
        let connections = Arc::new(Connections::new(permits, threads));
        let shared = Arc::clone(&connections);
        let serve = move |stream: TcpStream, _| {
            let connections = Arc::clone(&shared);
            async move {
                let limits = HttpLimits::default();
                connection(stream, service_fn(hello), &limits, connections.drain()).await;
            }
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let mut sockets = Inherited::none();
        let mut listeners =
            HttpListeners::bind(&[any], &mut sockets, &workers, &connections, serve).unwrap();
        listeners.begin();
        let address = listeners.listed().next().unwrap().address.parse().unwrap();
        Self { connections, address, _open: Box::new((workers, listeners)) }
    }

    /// Waits until so many connections were accepted.
    async fn until_accepted(&self, count: u64) {
        let mut ticks = interval(Duration::from_millis(1));
        while self.connections.accepted() < count {
            ticks.tick().await;
        }
    }
}

#[tokio::test]
async fn few_permits_serve_clients_on_every_thread() {
    const CLIENTS: usize = 32;
    let server = Server::start(2, 4);
    for _ in 0..CLIENTS {
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = ask(server.address, request).await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert!(server.connections.finish(PATIENCE, PATIENCE).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_one_byte_is_waited_for_without_looking() {
    let (mut client, stream) = pair().await;
    // It may become POST, or HTTP/2's preface.
    client.write_all(b"P").await.unwrap();
    let mut served = pin!(serve_hello(stream));
    let mut looks = 0;
    poll_fn(|context| {
        looks += 1;
        served.as_mut().poll(context)
    })
    .await;
    assert!(looks < 10, "looked {looks} times until the header timeout");
}

#[tokio::test]
async fn a_client_that_ends_within_what_could_be_the_preface_is_let_go() {
    let (mut client, stream) = pair().await;
    client.write_all(b"PR").await.unwrap();
    client.shutdown().await.unwrap();
    timeout(PATIENCE, serve_hello(stream)).await.expect("an end in time");
}

#[tokio::test]
async fn a_request_may_come_a_byte_at_a_time() {
    let (mut client, stream) = pair().await;
    client.set_nodelay(true).unwrap();
    let asked = async {
        for byte in b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = timeout(PATIENCE, async { tokio::join!(asked, serve_hello(stream)) })
        .await
        .expect("an answer in time");
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_end() {
    let server = Server::start(1, 1);
    let _client = TcpStream::connect(server.address).await.unwrap();
    timeout(PATIENCE, server.until_accepted(1)).await.expect("accepted in time");
    let ended = server.connections.finish(Duration::ZERO, PATIENCE);
    assert!(ended.await, "cut off at the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    for said in ["", "GET /half HTTP/1.1\r\nHo"] {
        let (mut client, stream) = pair().await;
        let served = tokio::spawn(serve_hello(stream));
        let mut answer = [0; 1024];
        // The first is in time, and so is the second: the time is each head's own.
        for _ in 0..2 {
            tokio::time::advance(HttpLimits::default().header_timeout / 3 * 2).await;
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            assert!(client.read(&mut answer).await.unwrap() > 0);
        }
        client.write_all(said.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        served.await.unwrap();
        assert!(began.elapsed() <= HttpLimits::default().header_timeout, "{said:?}");
        assert_eq!(client.read(&mut answer).await.unwrap(), 0);
    }
}
