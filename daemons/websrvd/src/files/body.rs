//! The content of a response, in bounded memory: a page that is in memory, or a part of a file, read
//! piece by piece as the client takes it.
//!
//! A body has the length that was announced or ends with an error, which cuts the connection: what a
//! file lost meanwhile is never made up, and what it gained is not sent.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use selat_runtime::blocking::{Blocking, BlockingError};

/// Bytes read at once where they are in memory: enough to make the system call cheap, little enough
/// that other connections of the thread hardly wait.
const MEMORY_BYTES: usize = 64 << 10;

/// Bytes read at once where the disk is waited for.
const DISK_BYTES: usize = 256 << 10;

/// What a read may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing: it fails where the kernel does not have it in memory.
    Memory,
    /// The disk: not on a thread that serves data.
    Disk,
}

/// Whether an operation under [`Access::Memory`] failed because it would have waited, or because the
/// kernel or the file system does not know how not to.
pub(super) fn is_not_in_memory(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS))
}

/// Why a body ended before its announced length.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The file has become shorter.
    #[error("the file has become shorter than it was announced")]
    Shrunk,
    /// It cannot be read any more.
    #[error("cannot read the file")]
    Read(#[from] io::Error),
    /// It was generated for longer than that may take.
    #[error(transparent)]
    TooLong(#[from] crate::measure::TooLong),
    /// The process is ending.
    #[error("reading was cut off")]
    CutOff,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, BodyError>> + Send>>;

/// The content of a response.
#[derive(Default)]
pub(crate) struct Body {
    /// What is there already.
    first: Bytes,
    /// Where the rest is.
    rest: Option<Rest>,
    /// Bytes that are still to come, `first` among them.
    remaining: u64,
}

impl Body {
    /// Content in memory.
    pub(super) fn whole(content: Bytes) -> Self {
        Self { remaining: content.len() as u64, first: content, rest: None }
    }

    /// `length` bytes of `file` from `start` on. The first are read now.
    pub(super) fn of_file(
        file: File,
        start: u64,
        length: u64,
        disk: Blocking,
        access: Access,
    ) -> io::Result<Self> {
        if length == 0 {
            return Ok(Self::default());
        }
        let first = read(&file, start, length, access)?;
        if first.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, BodyError::Shrunk));
        }
        let at = start + first.len() as u64;
        let unread = length > first.len() as u64;
        let rest = unread.then(|| Rest { file: Arc::new(file), at, disk, reading: None });
        Ok(Self { first, rest, remaining: length })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        if body.remaining == 0 {
            return Poll::Ready(None);
        }
        let data = match (&mut body.rest, body.first.is_empty()) {
            (_, false) => Ok(std::mem::take(&mut body.first)),
            (Some(rest), true) => ready!(rest.poll_read(context, body.remaining)),
            (None, true) => Err(BodyError::Shrunk),
        };
        if let Ok(data) = &data {
            body.remaining -= data.len() as u64;
        } else {
            body.remaining = 0;
        }
        Poll::Ready(Some(data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// The part of a file that was not read yet.
struct Rest {
    file: Arc<File>,
    at: u64,
    disk: Blocking,
    reading: Option<Reading>,
}

impl Rest {
    /// Reads on: at once where the kernel has read ahead, else on a thread that may wait.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        remaining: u64,
    ) -> Poll<Result<Bytes, BodyError>> {
        let data = match &mut self.reading {
            Some(reading) => {
                let read = ready!(reading.as_mut().poll(context));
                self.reading = None;
                read?
            }
            None => match read(&self.file, self.at, remaining, Access::Memory) {
                Ok(data) => data,
                Err(error) if is_not_in_memory(&error) => {
                    self.reading = Some(self.wait_for_disk(remaining));
                    return self.poll_read(context, remaining);
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            },
        };
        if data.is_empty() {
            return Poll::Ready(Err(BodyError::Shrunk));
        }
        self.at += data.len() as u64;
        Poll::Ready(Ok(data))
    }

    fn wait_for_disk(&self, remaining: u64) -> Reading {
        let (file, at, disk) = (Arc::clone(&self.file), self.at, self.disk.clone());
        Box::pin(async move {
            loop {
                let file = Arc::clone(&file);
                match disk.run(move || read(&file, at, remaining, Access::Disk)).await {
                    Ok(read) => return Ok(read?),
                    // A body that has begun waits on: cut off, it would be asked for again in full.
                    Err(BlockingError::Full) => {}
                    Err(BlockingError::CutOff) => return Err(BodyError::CutOff),
                }
            }
        })
    }
}

/// At least one byte of the next `remaining` at `at`, none where the file ends before.
fn read(file: &File, at: u64, remaining: u64, access: Access) -> io::Result<Bytes> {
    let limit = match access {
        Access::Memory => MEMORY_BYTES,
        Access::Disk => DISK_BYTES,
    };
    let mut buffer = vec![0; usize::try_from(remaining).unwrap_or(limit).min(limit)];
    let length = match access {
        Access::Memory => {
            preadv2(file, &mut [IoSliceMut::new(&mut buffer)], at, ReadWriteFlags::NOWAIT)?
        }
        Access::Disk => file.read_at(&mut buffer, at)?,
    };
    buffer.truncate(length);
    Ok(buffer.into())
}
