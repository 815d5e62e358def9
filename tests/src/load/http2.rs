//! A client that asks over HTTP/2 and goes elsewhere once it is told to: what it had asked by then is to be answered
//! all the same (RFC 9113 §6.8). Only a request that never left is asked again.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, runtime, task::JoinSet, time};

use super::Shared;
use crate::PATIENCE;

/// Requests under way at a time on a connection.
const STREAMS: usize = 4;

type Sender = SendRequest<Empty<Bytes>>;

/// Asks until told to stop, or until nobody listens any more.
pub(super) fn run(shared: &Shared) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        while !shared.stop.load(Ordering::Relaxed) {
            let Ok(stream) = TcpStream::connect(shared.address).await else {
                shared.change(|tally| tally.unconnected += 1);
                return;
            };
            shared.change(|tally| tally.connections += 1);
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = handshake.unwrap();
            let connection = tokio::spawn(connection);
            let mut goes_on = true;
            while goes_on {
                goes_on = ask(shared, &sender).await && !shared.stop.load(Ordering::Relaxed);
            }
            drop(sender);
            if let Err(error) = connection.await.unwrap() {
                shared.change(|tally| tally.failed.push(format!("{error:?}")));
            }
        }
    });
}

/// Asks several times at once; false where the connection takes no more requests.
async fn ask(shared: &Shared, sender: &Sender) -> bool {
    let mut answers = JoinSet::new();
    for _ in 0..STREAMS {
        let uri = format!("http://{}{}", shared.address, shared.path);
        answers.spawn(fetch(sender.clone(), Request::get(uri).body(Empty::new()).unwrap()));
    }
    let mut goes_on = true;
    while let Some(answer) = answers.join_next().await {
        match answer.unwrap() {
            Answer::Whole(body) if body == shared.expected => {
                shared.change(|tally| tally.ok += 1);
                continue;
            }
            Answer::Whole(body) => shared.change(|tally| tally.failed.push(format!("{body:?}"))),
            Answer::Failed(story) => shared.change(|tally| tally.failed.push(story)),
            Answer::Unsent => {}
        }
        goes_on = false;
    }
    goes_on
}

/// What came of a request.
enum Answer {
    /// The body of a response with the status 200.
    Whole(Bytes),
    /// It never left: the server had said that it goes away.
    Unsent,
    /// Anything else.
    Failed(String),
}

async fn fetch(mut sender: Sender, request: Request<Empty<Bytes>>) -> Answer {
    let fetched = time::timeout(PATIENCE, async {
        if sender.ready().await.is_err() {
            return Answer::Unsent;
        }
        let response = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(error) if error.message().is_some() => return Answer::Unsent,
            Err(error) => return Answer::Failed(format!("{error:?}")),
        };
        let status = response.status();
        match response.into_body().collect().await {
            Ok(body) if status == 200 => Answer::Whole(body.to_bytes()),
            Ok(_) => Answer::Failed(status.to_string()),
            Err(error) => Answer::Failed(format!("{error:?}")),
        }
    });
    fetched.await.unwrap_or_else(|_| Answer::Failed("no answer comes".to_owned()))
}
