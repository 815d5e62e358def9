//! Memory that outlives the process that writes it: a memfd of a sealed size, in two halves, of which one is whole
//! at any time. Whoever dies in the middle of a write leaves the other half as it was.
//!
//! A half is a head of [`HEAD_BYTES`], then the state. The head has, as 64-bit numbers, [`MAGIC`], the number of
//! the write, the length of the state, and the CRC-32 of number, length and state. Nothing of it is believed
//! before all of it fits.

use std::{fs::File, io, os::fd::OwnedFd, os::unix::fs::FileExt};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};

/// Bytes of state that fit.
pub const STATE_BYTES_MAX: usize = HALF_BYTES as usize - HEAD_BYTES;

const HEAD_BYTES: usize = 32;
/// What is not written takes no memory.
const HALF_BYTES: u64 = 16 << 20;

/// "SELAT", and the version of this layout.
const MAGIC: u64 = u64::from_be_bytes(*b"SELAT\0\0\x01");

/// Nobody can make it shorter under a reader, nor undo that.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Why the memory of an earlier process is not taken on.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemoryError {
    /// It is no memfd of ours.
    #[error("it is not of the size and kind that this program makes")]
    Foreign,
    /// Neither half is whole.
    #[error("nothing whole is in it")]
    Broken,
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

/// The memory.
#[derive(Debug)]
pub(super) struct Memory {
    file: File,
    /// Number of the last write; it went to the half of its last bit.
    written: u64,
}

impl Memory {
    /// New memory, with nothing in it.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("selat-state", flags)?);
        file.set_len(2 * HALF_BYTES)?;
        fcntl_add_seals(&file, SEALS)?;
        Ok(Self { file, written: 0 })
    }

    /// The memory of an earlier process, and what it wrote last.
    ///
    /// # Errors
    /// [`MemoryError`]: then there is nothing to believe in it.
    pub(super) fn taken_over(fd: OwnedFd) -> Result<(Self, Vec<u8>), MemoryError> {
        let size = fstat(&fd).map_err(io::Error::from)?.st_size;
        let is_sealed = fcntl_get_seals(&fd).is_ok_and(|seals| seals.contains(SEALS));
        if !is_sealed || u64::try_from(size) != Ok(2 * HALF_BYTES) {
            return Err(MemoryError::Foreign);
        }
        let file = File::from(fd);
        let halves = [read_half(&file, 0)?, read_half(&file, 1)?];
        let newest = halves.into_iter().flatten().max_by_key(|(written, _)| *written);
        let (written, state) = newest.ok_or(MemoryError::Broken)?;
        Ok((Self { file, written }, state))
    }

    /// The descriptor, for whoever is to hold it, too.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Replaces what was written before; all of it is there then, or what was before.
    ///
    /// # Errors
    /// `FileTooLarge` above [`STATE_BYTES_MAX`], or the kernel's.
    pub(super) fn write(&mut self, state: &[u8]) -> io::Result<()> {
        if state.len() > STATE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let number = self.written + 1;
        let start = half_start(number & 1);
        self.file.write_all_at(state, start + HEAD_BYTES as u64)?;
        self.file.write_all_at(&head(number, state), start)?;
        self.written = number;
        Ok(())
    }
}

const fn half_start(half: u64) -> u64 {
    half * HALF_BYTES
}

fn head(number: u64, state: &[u8]) -> [u8; HEAD_BYTES] {
    let len = state.len() as u64;
    let fields = [MAGIC, number, len, u64::from(checksum(number, state))];
    let mut head = [0; HEAD_BYTES];
    for (bytes, field) in head.chunks_exact_mut(8).zip(fields) {
        bytes.copy_from_slice(&field.to_be_bytes());
    }
    head
}

fn checksum(number: u64, state: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_be_bytes());
    hasher.update(&(state.len() as u64).to_be_bytes());
    hasher.update(state);
    hasher.finalize()
}

/// The number of the write and the state in a half; `None` where it is not whole.
fn read_half(file: &File, half: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let start = half_start(half);
    let mut head_read = [0; HEAD_BYTES];
    file.read_exact_at(&mut head_read, start)?;
    let mut fields = head_read
        .chunks_exact(8)
        .map(|bytes| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)));
    let (Some(_), Some(number), Some(len)) = (fields.next(), fields.next(), fields.next()) else {
        return Ok(None);
    };
    let Some(len) = usize::try_from(len).ok().filter(|len| *len <= STATE_BYTES_MAX) else {
        return Ok(None);
    };
    let mut state = vec![0; len];
    file.read_exact_at(&mut state, start + HEAD_BYTES as u64)?;
    let is_whole = head(number, &state) == head_read && number & 1 == half;
    Ok(is_whole.then_some((number, state)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(memory: &Memory) -> Result<Vec<u8>, MemoryError> {
        let fd = memory.file().try_clone().unwrap().into();
        Memory::taken_over(fd).map(|(_, state)| state)
    }

    #[test]
    fn what_was_written_last_is_there() {
        let mut memory = Memory::new().unwrap();
        assert!(matches!(again(&memory), Err(MemoryError::Broken)));
        for state in ["one", "two", "", "a longer one"] {
            memory.write(state.as_bytes()).unwrap();
            assert_eq!(again(&memory).unwrap(), state.as_bytes());
        }
        let (mut next, _) = Memory::taken_over(memory.file().try_clone().unwrap().into()).unwrap();
        next.write(b"by the next process").unwrap();
        assert_eq!(again(&memory).unwrap(), b"by the next process");
    }

    #[test]
    fn a_write_that_was_not_finished_leaves_the_one_before() {
        let mut memory = Memory::new().unwrap();
        memory.write(b"whole").unwrap();
        memory.write(b"to be broken").unwrap();
        for at in [0, 8, 16, 24, HEAD_BYTES as u64, HEAD_BYTES as u64 + 11] {
            let mut byte = [0];
            memory.file.read_exact_at(&mut byte, at).unwrap();
            memory.file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            assert_eq!(again(&memory).unwrap(), b"whole", "byte {at}");
            memory.file.write_all_at(&byte, at).unwrap();
        }
        assert_eq!(again(&memory).unwrap(), b"to be broken");
    }

    #[test]
    fn what_others_made_is_not_believed() {
        let too_long = File::from(memfd_create("other", MemfdFlags::ALLOW_SEALING).unwrap());
        too_long.set_len(4 * HALF_BYTES).unwrap();
        fcntl_add_seals(&too_long, SEALS).unwrap();
        let unsealed = File::from(memfd_create("other", MemfdFlags::empty()).unwrap());
        unsealed.set_len(2 * HALF_BYTES).unwrap();
        for foreign in [too_long, unsealed, File::open("/dev/null").unwrap()] {
            assert!(matches!(Memory::taken_over(foreign.into()), Err(MemoryError::Foreign)));
        }
        assert!(Memory::new().unwrap().write(&vec![0; STATE_BYTES_MAX + 1]).is_err());
    }
}
