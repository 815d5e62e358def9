//! Peers of the data plane: a web server that answers by path, and a UDP echo.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// Answers every path of `answers` with its bytes, over connections that it keeps; others with 404.
pub(crate) fn web(answers: &[(&str, &'static [u8])]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Arc<[(String, &[u8])]> =
        answers.iter().map(|(path, answer)| ((*path).to_owned(), *answer)).collect();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answers = Arc::clone(&answers);
            thread::spawn(move || drop(serve(stream, &answers)));
        }
    });
    address
}

/// An answer that says `close` is the last of its connection.
fn serve(mut stream: TcpStream, answers: &[(String, &[u8])]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next().transpose()? {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let found = answers.iter().find(|(known, _)| *known == path);
        let answer =
            found.map_or(&b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..], |(_, a)| a);
        stream.write_all(answer)?;
        if String::from_utf8_lossy(answer).contains("close") {
            return Ok(());
        }
    }
    Ok(())
}

/// A UDP echo that loses every `lose_every`th datagram; none where that is 0.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Echo {
    pub(crate) fn start(lose_every: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stopped);
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            let mut number = 0;
            while let Ok((len, from)) = socket.recv_from(&mut datagram) {
                if is_stopped.load(Relaxed) {
                    break;
                }
                number += 1;
                if lose_every == 0 || number % lose_every != 0 {
                    socket.send_to(&datagram[..len], from).unwrap();
                }
            }
        });
        Self { address, stopped }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        let waker = UdpSocket::bind("127.0.0.1:0").unwrap();
        waker.send_to(b"end", self.address).unwrap();
    }
}

/// A TCP address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A TCP address that takes one connection and is gone then, and a UDP echo that answers from then on.
pub(crate) fn gone_after_a_look() -> (SocketAddr, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
    thread::spawn(move || {
        drop(listener.accept());
        drop(listener);
        let mut datagram = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut datagram) {
            socket.send_to(&datagram[..len], from).unwrap();
        }
    });
    addresses
}
