//! The octets of a stored response: blocks that many bodies share without copying them.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};

/// Octets of a block. Content that is shorter is one block of just its length.
const BLOCK_BYTES: usize = 256 << 10;

/// Content that is complete. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pieces: Arc<[Bytes]>,
    length: u64,
}

impl Content {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let pieces = if pieces.len() > 1 && length <= BLOCK_BYTES as u64 {
            Arc::from([Bytes::from(pieces.concat())])
        } else {
            Arc::from(pieces)
        };
        Self { pieces, length }
    }

    /// Octets that it holds.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.length + (self.pieces.len() * size_of::<Bytes>()) as u64
    }

    /// Its pieces, in order.
    pub(crate) fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// What `range` of it holds, sharing memory with it. The range lies within its length.
    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        let mut start = 0_u64;
        let mut pieces = Vec::new();
        for piece in self.pieces.iter() {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                // Both differences are at most the length of the piece.
                pieces.push(piece.slice((from - start) as usize..(to - start) as usize));
            }
            start = end;
        }
        Self { pieces: pieces.into(), length: range.end - range.start }
    }
}

/// Gathers content as it arrives into blocks that waste no memory, whatever buffers it arrived in.
#[derive(Debug)]
pub(crate) struct Gather {
    block: BytesMut,
    expected: u64,
}

impl Gather {
    /// For content of `expected` octets, as far as that is known.
    pub(crate) fn new(expected: Option<u64>) -> Self {
        Self { block: BytesMut::new(), expected: expected.unwrap_or(0) }
    }

    /// Takes in what arrived and passes it on in pieces that are the cache's own.
    pub(crate) fn take(&mut self, mut arrived: &[u8], mut keep: impl FnMut(Bytes)) {
        while !arrived.is_empty() {
            if self.block.capacity() == 0 {
                let expected = usize::try_from(self.expected).unwrap_or(BLOCK_BYTES);
                self.block = BytesMut::with_capacity(expected.max(arrived.len()).min(BLOCK_BYTES));
            }
            let fits = arrived.len().min(self.block.capacity());
            let (now, later) = arrived.split_at(fits);
            self.block.extend_from_slice(now);
            self.expected = self.expected.saturating_sub(fits as u64);
            keep(self.block.split().freeze());
            arrived = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(chunks: &[&[u8]], expected: Option<u64>) -> Content {
        let mut gather = Gather::new(expected);
        let mut pieces = Vec::new();
        for chunk in chunks {
            gather.take(chunk, |piece| pieces.push(piece));
        }
        Content::new(pieces)
    }

    #[test]
    fn small_content_becomes_one_piece() {
        let content = gathered(&[b"hello ", b"world"], Some(11));
        assert_eq!(content.pieces(), [Bytes::from_static(b"hello world")]);
    }

    #[test]
    fn large_content_keeps_every_octet_in_blocks() {
        let chunk = vec![7_u8; 100_000];
        let content = gathered(&[chunk.as_slice(); 9], None);
        assert_eq!(content.length(), 900_000);
        assert!(content.pieces().iter().all(|piece| piece.len() <= BLOCK_BYTES));
    }

    #[test]
    fn a_slice_is_what_it_says() {
        let octets: Vec<u8> = (0..600_000_u32).map(|n| n as u8).collect();
        let content = gathered(&[&octets[..300_001], &octets[300_001..]], Some(600_000));
        for (start, end) in [(0, 600_000), (0, 1), (262_143, 262_145), (599_999, 600_000), (5, 5)] {
            let slice = content.slice(start..end);
            let joined = slice.pieces().concat();
            assert_eq!(joined, &octets[start as usize..end as usize], "{start}..{end}");
            assert_eq!(slice.length(), end - start);
        }
    }
}
