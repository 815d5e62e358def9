//! Carries bytes one way, from one socket to another, until the first ends.
//!
//! A connection that is quiet holds no buffer: bytes pass through one that all connections of the
//! thread use in turn, and only what the receiver does not take at once is kept, until it does.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::Shutdown;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Most bytes that are read at once, and so the most that wait for one slow receiver.
const PASSAGE_BYTES: usize = 64 * 1024;

thread_local! {
    static PASSAGE: RefCell<Box<[u8]>> = RefCell::new(vec![0; PASSAGE_BYTES].into_boxed_slice());
}

/// Which socket failed.
#[derive(Debug)]
pub(super) enum CarryError {
    From(io::Error),
    To(io::Error),
}

/// What one read gave.
enum Passed {
    /// The sender has ended.
    End,
    /// The receiver took so many bytes at once, and these not yet.
    Bytes { taken: usize, rest: Vec<u8> },
}

/// Carries what `from` sends to `to`, tells `carried` how many bytes `to` took, and passes on the end of the stream:
/// the other way may go on long after it (RFC 9293 §3.6).
pub(super) async fn carry(
    from: &TcpStream,
    to: &TcpStream,
    carried: impl Fn(u64),
) -> Result<(), CarryError> {
    loop {
        let passed = from.async_io(Interest::READABLE, || pass(from, to)).await;
        match passed.map_err(CarryError::From)?.map_err(CarryError::To)? {
            Passed::End => break,
            Passed::Bytes { taken, rest } => {
                carried(taken as u64);
                write_all(to, &rest, &carried).await.map_err(CarryError::To)?;
            }
        }
    }
    match SockRef::from(to).shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(CarryError::To(error)),
        _ => Ok(()),
    }
}

/// Reads once and writes once; the outer error is the reader's, the inner the writer's.
fn pass(from: &TcpStream, to: &TcpStream) -> io::Result<io::Result<Passed>> {
    PASSAGE.with_borrow_mut(|passage| {
        let count = (&*SockRef::from(from)).read(passage)?;
        if count == 0 {
            return Ok(Ok(Passed::End));
        }
        let taken = match to.try_write(&passage[..count]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        };
        Ok(taken.map(|taken| Passed::Bytes { taken, rest: passage[taken..count].to_vec() }))
    })
}

async fn write_all(to: &TcpStream, mut rest: &[u8], carried: &impl Fn(u64)) -> io::Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Ok(taken) => {
                carried(taken as u64);
                rest = &rest[taken..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
