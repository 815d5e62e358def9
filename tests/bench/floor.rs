//! The floor that servers are measured against: one `recv` and one `send` for each request, with a
//! reply that never changes. `floor ADDR BODY_BYTES`; it understands nothing of HTTP.

use std::{
    collections::HashMap,
    env, io,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    net::{RecvFlags, SendFlags, recv, send},
};

/// Octets of a request at most; `wrk` sends some fifty.
const REQUEST_BYTES: usize = 4096;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, body_bytes] = arguments.as_slice() else {
        return Err(io::Error::other("usage: floor ADDR BODY_BYTES"));
    };
    let body_bytes = body_bytes.parse().map_err(io::Error::other)?;
    serve(&TcpListener::bind(address)?, &reply(body_bytes))
}

fn reply(body_bytes: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\ncontent-type: text/plain\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'x'; body_bytes]].concat()
}

fn serve(listener: &TcpListener, reply: &[u8]) -> io::Result<()> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&queue, listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut clients: HashMap<RawFd, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        epoll::wait(&queue, spare_capacity(&mut events), None)?;
        for event in &events {
            let Ok(fd) = RawFd::try_from(event.data.u64()) else {
                let (client, _) = listener.accept()?;
                client.set_nodelay(true)?;
                let data = EventData::new_u64(client.as_raw_fd() as u64);
                epoll::add(&queue, &client, data, EventFlags::IN)?;
                clients.insert(client.as_raw_fd(), client);
                continue;
            };
            let Some(client) = clients.get(&fd) else { continue };
            if !answer(client, reply) {
                clients.remove(&fd);
            }
        }
    }
}

/// Whether the client is still there.
fn answer(client: &TcpStream, reply: &[u8]) -> bool {
    let mut request = [0; REQUEST_BYTES];
    let Ok((1.., _)) = recv(client, &mut request[..], RecvFlags::empty()) else { return false };
    let mut sent = 0;
    while sent < reply.len() {
        match send(client, &reply[sent..], SendFlags::NOSIGNAL) {
            Ok(bytes) => sent += bytes,
            Err(_) => return false,
        }
    }
    true
}
