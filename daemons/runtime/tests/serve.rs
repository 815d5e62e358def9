//! HTTP connections over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use selat_runtime::{
    listen::Inherited,
    serve::{Connections, HttpLimits, HttpListeners, connection},
    workers::Workers,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
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

#[tokio::test]
async fn few_permits_serve_clients_on_every_thread() {
    const THREADS: usize = 4;
    const CLIENTS: usize = 32;
    let workers = Arc::new(Workers::start("serve", THREADS).unwrap());
    let connections = Arc::new(Connections::new(2, THREADS));
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
    let listeners =
        HttpListeners::start(&[any], &mut sockets, &workers, &connections, serve).unwrap();
    let address = listeners.listed().next().unwrap().address.parse().unwrap();
    for _ in 0..CLIENTS {
        let answer = ask(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert!(connections.finish(PATIENCE, PATIENCE).await);
}
