//! The octets of a stored response: blocks that many bodies share without copying them.

use std::{ops::Range, slice, sync::Arc};

use bytes::{Bytes, BytesMut};

/// Octets of a block. Content that is shorter is one block of just its length.
const BLOCK_BYTES: usize = 256 << 10;

/// Octets of the first block of content whose length is not known.
const FIRST_BLOCK_BYTES: usize = 16 << 10;

/// Bytes that keeping a block costs beside its octets: what counts those who read it, and what the allocator
/// rounds up.
const BLOCK_OVERHEAD_BYTES: usize = 48;

/// Share of unknown content that a further block may be, and so be wasted.
const BLOCK_SHARE: usize = 8;

/// Octets of a piece of content that is arriving, as long as more come: what keeping a piece costs is little
/// beside it.
const PIECE_BYTES: usize = 4 << 10;

/// Octets of content that is kept in one block with the fields of its response.
const SHORT_BYTES: usize = 4 << 10;

/// Content that is complete. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// All of it in one block.
    One(Bytes),
    /// In several.
    Many(Arc<Blocks>),
}

/// Content in several blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    pieces: Box<[Bytes]>,
    length: u64,
    /// Octets of the blocks that it does not use.
    spare: u64,
}

impl Content {
    /// Content in pieces that are blocks, or parts that fill theirs.
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        Self::with_spare(pieces, 0)
    }

    /// Content in pieces whose last block has `spare` octets left.
    pub(crate) fn with_spare(pieces: Vec<Bytes>, spare: usize) -> Self {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let crowded = pieces.len() > 1 + length / PIECE_BYTES;
        let wasteful = length <= BLOCK_BYTES && (pieces.len() > 1 || spare > 0);
        let (pieces, spare) =
            if crowded || wasteful { (packed(&pieces, length), 0) } else { (pieces, spare) };
        Self::of(pieces, length as u64, spare as u64)
    }

    fn of(mut pieces: Vec<Bytes>, length: u64, spare: u64) -> Self {
        match pieces.len() {
            0 => Self::One(Bytes::new()),
            1 if spare == 0 => Self::One(pieces.swap_remove(0)),
            _ => Self::Many(Arc::new(Blocks { pieces: pieces.into(), length, spare })),
        }
    }

    /// Octets that it holds.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::One(piece) => piece.len() as u64,
            Self::Many(blocks) => blocks.length,
        }
    }

    /// All of it, where it is short enough to be kept with the fields of its response.
    pub(crate) fn short(&self) -> Option<&[u8]> {
        match self {
            Self::One(piece) => Some(&piece[..]).filter(|octets| octets.len() <= SHORT_BYTES),
            Self::Many(_) => None,
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let own = match self {
            Self::One(_) if self.short().is_some() => 0,
            Self::One(_) => BLOCK_OVERHEAD_BYTES,
            Self::Many(blocks) => {
                let each = BLOCK_OVERHEAD_BYTES + size_of::<Bytes>();
                blocks.spare as usize + size_of::<Blocks>() + each * blocks.pieces.len()
            }
        };
        self.length() + own as u64
    }

    /// Its pieces, in order.
    pub(crate) fn pieces(&self) -> &[Bytes] {
        match self {
            Self::One(piece) if piece.is_empty() => &[],
            Self::One(piece) => slice::from_ref(piece),
            Self::Many(blocks) => &blocks.pieces,
        }
    }

    /// What `range` of it holds, sharing memory with it. The range lies within its length.
    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        let mut start = 0_u64;
        let mut pieces = Vec::new();
        for piece in self.pieces() {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                // Both differences are at most the length of the piece.
                pieces.push(piece.slice((from - start) as usize..(to - start) as usize));
            }
            start = end;
        }
        Self::of(pieces, range.end - range.start, 0)
    }
}

/// The same octets in as few blocks as can be.
fn packed(pieces: &[Bytes], length: usize) -> Vec<Bytes> {
    let (mut blocks, mut left) = (Vec::with_capacity(length.div_ceil(BLOCK_BYTES)), length);
    let mut block = BytesMut::with_capacity(left.min(BLOCK_BYTES));
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(left.min(BLOCK_BYTES) - block.len()));
            block.extend_from_slice(now);
            rest = later;
            if block.len() == left.min(BLOCK_BYTES) {
                left -= block.len();
                let full =
                    std::mem::replace(&mut block, BytesMut::with_capacity(left.min(BLOCK_BYTES)));
                blocks.push(full.freeze());
            }
        }
    }
    blocks
}

/// Gathers content as it arrives into blocks that waste little memory, whatever buffers it arrived in.
#[derive(Debug)]
pub(crate) struct Gather {
    block: BytesMut,
    /// Octets that are still to come, where that is known.
    expected: Option<usize>,
    gathered: usize,
}

impl Gather {
    /// For content of `expected` octets, as far as that is known.
    pub(crate) fn new(expected: Option<u64>) -> Self {
        let expected = expected.and_then(|octets| usize::try_from(octets).ok());
        Self { block: BytesMut::new(), expected, gathered: 0 }
    }

    /// Takes in what arrived and passes on what makes pieces, which are the cache's own. What is too short for
    /// one is [`Gather::unfinished`].
    pub(crate) fn take(&mut self, mut arrived: &[u8], mut keep: impl FnMut(Bytes)) {
        while !arrived.is_empty() {
            if self.block.capacity() == 0 {
                self.block = BytesMut::with_capacity(self.next_block_bytes(arrived.len()));
            }
            let fits = arrived.len().min(self.block.capacity() - self.block.len());
            let (now, later) = arrived.split_at(fits);
            self.block.extend_from_slice(now);
            self.gathered += fits;
            self.expected = self.expected.map(|octets| octets.saturating_sub(fits));
            if self.block.len() >= PIECE_BYTES || self.block.len() == self.block.capacity() {
                keep(self.block.split().freeze());
            }
            arrived = later;
        }
    }

    /// What has arrived since the last piece.
    pub(crate) fn unfinished(&self) -> &[u8] {
        &self.block
    }

    /// What has arrived since the last piece as a piece, if there is any, and the octets that its block has
    /// left.
    pub(crate) fn finish(&mut self) -> (Option<Bytes>, usize) {
        let spare = self.block.capacity() - self.block.len();
        let last = std::mem::take(&mut self.block).freeze();
        ((!last.is_empty()).then_some(last), spare)
    }

    fn next_block_bytes(&self, arrived: usize) -> usize {
        match self.expected {
            Some(expected) => expected.max(arrived).min(BLOCK_BYTES),
            None => (self.gathered / BLOCK_SHARE).clamp(FIRST_BLOCK_BYTES, BLOCK_BYTES),
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
        let (last, spare) = gather.finish();
        pieces.extend(last);
        Content::with_spare(pieces, spare)
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
    fn content_takes_about_as_much_memory_as_it_is_long_however_it_arrives() {
        for (octets, chunk, known) in [
            (1, 1, true),
            (10, 10, false),
            (5_000, 1, false),
            (300_000, 1, false),
            (300_000, 1, true),
            (3_000_000, 7, false),
            (3_000_000, 100_000, false),
        ] {
            let chunk = vec![7_u8; chunk];
            let chunks = vec![chunk.as_slice(); octets / chunk.len()];
            let length = chunks.len() * chunk.len();
            let content = gathered(&chunks, known.then_some(length as u64));
            assert_eq!(content.length(), length as u64);
            let allowed = length + length / 7 + size_of::<Bytes>();
            let bytes = content.memory_bytes();
            assert!(bytes <= allowed as u64, "{bytes} for {length}");
        }
    }

    #[test]
    fn joined_crumbs_are_packed() {
        let octets: Vec<u8> = (0..700_000_u32).map(|n| n as u8).collect();
        let crumbs = octets.chunks(100).map(Bytes::copy_from_slice).collect();
        let content = Content::new(crumbs);
        assert_eq!(content.pieces().len(), 3);
        assert_eq!(content.pieces().concat(), octets);
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
