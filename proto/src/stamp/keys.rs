//! The keys of authenticated sessions, and the file that they are kept in.
//!
//! A line is a key of 16 to 64 bytes in hex: of every session, or after `SESSION =` of the session with
//! that id alone. What follows a `#` is a comment. Nothing here shows a key, not even in an error.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Fewest bytes of a key: the security that HMAC-SHA-256/128 has.
pub const KEY_BYTES_MIN: usize = 16;
/// Most bytes of a key: one block of SHA-256.
pub const KEY_BYTES_MAX: usize = 64;
/// Bytes of a digest on the wire (RFC 8762 §4.4).
pub(super) const DIGEST_LEN: usize = 16;
/// Largest file that is read, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Permission of everyone to read a file.
const READ_BY_OTHERS: u32 = 0o004;

/// A key of HMAC-SHA-256, ready to digest. It has no `Debug`.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// A key of these bytes; `None` unless there are [`KEY_BYTES_MIN`] to [`KEY_BYTES_MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_sound = (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len());
        is_sound.then(|| Hmac::new_from_slice(bytes).ok().map(Self)).flatten()
    }

    /// The digest of `parts`, one after the other: HMAC-SHA-256, its first 16 bytes.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> [u8; DIGEST_LEN] {
        let whole = self.over(parts).finalize().into_bytes();
        let mut digest = [0; DIGEST_LEN];
        digest.copy_from_slice(&whole[..DIGEST_LEN]);
        digest
    }

    /// Whether `digest` is that of `parts`; takes the same time wherever it differs.
    pub(super) fn verifies(&self, parts: &[&[u8]], digest: &[u8; DIGEST_LEN]) -> bool {
        self.over(parts).verify_truncated_left(digest).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// The keys of a file.
#[derive(Clone, Default)]
pub struct Keys {
    any: Option<Key>,
    sessions: BTreeMap<u16, Key>,
}

/// Why keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the keys")]
    Io(#[from] io::Error),
    /// Everyone may read the file.
    #[error("everyone may read the keys: take that away (chmod o-r)")]
    Exposed,
    /// The file is larger than any that holds keys.
    #[error("larger than {FILE_BYTES_MAX} bytes")]
    Large,
    /// A line is no key.
    #[error(
        "line {line}: a key is {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in hex (openssl rand -hex 32), \
         after `SESSION =` if it is of the session of that id, 0 to 65535, alone"
    )]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// Two keys for the same.
    #[error("line {line}: there is another key for this before it")]
    Twice {
        /// Which, from 1.
        line: usize,
    },
    /// No key at all.
    #[error("there is no key in it")]
    Empty,
}

impl Keys {
    /// One key for every session.
    #[must_use]
    pub fn single(key: Key) -> Self {
        Self { any: Some(key), sessions: BTreeMap::new() }
    }

    /// The keys of the file `path`.
    ///
    /// # Errors
    /// It cannot be read, everyone may read it, or it holds something else.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.permissions().mode() & READ_BY_OTHERS != 0 {
            return Err(KeysError::Exposed);
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(KeysError::Large);
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Self::parse(&text)
    }

    /// The keys of a file's `text`.
    ///
    /// # Errors
    /// The first line that is no key.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split_once('#').map_or(text, |(text, _)| text).trim();
            if text.is_empty() {
                continue;
            }
            let before = match text.split_once('=') {
                Some((session, key)) => {
                    let session = session.trim().parse().map_err(|_| KeysError::Line { line })?;
                    keys.sessions.insert(session, key_of(key, line)?).is_some()
                }
                None => keys.any.replace(key_of(text, line)?).is_some(),
            };
            if before {
                return Err(KeysError::Twice { line });
            }
        }
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(keys) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_none() && self.sessions.is_empty()
    }

    /// The key of the session `ssid`; `None` where it has none.
    #[must_use]
    pub fn of(&self, ssid: u16) -> Option<&Key> {
        self.sessions.get(&ssid).or(self.any.as_ref())
    }

    /// The session id that client `client` must take to have a key; `None` where any does.
    #[must_use]
    pub fn session_of(&self, client: u32) -> Option<u16> {
        if self.any.is_some() {
            return None;
        }
        let place = usize::try_from(client).ok()?.checked_rem(self.sessions.len())?;
        self.sessions.keys().nth(place).copied()
    }
}

/// How many there are, and none of them.
impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (any, sessions) = (u8::from(self.any.is_some()), self.sessions.len());
        write!(out, "Keys({any} of every session, {sessions} of one each)")
    }
}

fn key_of(hex: &str, line: usize) -> Result<Key, KeysError> {
    let bytes = bytes_of(hex.trim()).and_then(|bytes| Key::new(&bytes));
    bytes.ok_or(KeysError::Line { line })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.bytes().map(|digit| char::from(digit).to_digit(16));
    let digits = digits.collect::<Option<Vec<u32>>>().filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f";
    const OTHER: &str = "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF";

    fn digest(key: Option<&Key>) -> Option<[u8; DIGEST_LEN]> {
        key.map(|key| key.digest(&[b"text"]))
    }

    #[test]
    fn digests_are_those_of_rfc_4231_cut_to_half() {
        // RFC 4231 §4.2 and §4.4.
        let cases: [(&[u8], &[u8], [u8; DIGEST_LEN]); 2] = [
            (
                &[0x0b; 20],
                b"Hi There",
                [
                    0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf,
                    0x0b, 0xf1, 0x2b,
                ],
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                [
                    0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46, 0x85, 0x4d, 0xb8, 0xeb, 0xd0,
                    0x91, 0x81, 0xa7,
                ],
            ),
        ];
        for (key, text, expected) in cases {
            let key = Key::new(key).unwrap();
            assert_eq!(key.digest(&[text]), expected);
            let (head, tail) = text.split_at(3);
            assert!(key.verifies(&[head, tail], &expected));
            let mut wrong = expected;
            wrong[15] ^= 1;
            assert!(!key.verifies(&[text], &wrong));
        }
    }

    #[test]
    fn a_file_has_a_key_for_all_or_one_for_each_session() {
        let text = format!("# ours\n\n{ONE}  # every session\n 7 = {OTHER}\n");
        let keys = Keys::parse(&text).unwrap();
        let alone = Keys::parse(OTHER).unwrap();
        assert_eq!(digest(keys.of(7)), digest(alone.of(9)));
        assert_ne!(digest(keys.of(8)), digest(keys.of(7)));
        assert_eq!(keys.session_of(3), None);
        let each = Keys::parse(&format!("7={ONE}\n300={OTHER}")).unwrap();
        assert!(each.of(8).is_none());
        assert_eq!([0, 1, 2].map(|client| each.session_of(client)), [Some(7), Some(300), Some(7)]);
    }

    #[test]
    fn a_line_that_is_no_key_is_told_by_its_number_and_not_repeated() {
        let long = "00".repeat(65);
        let cases = [
            ("", "no key in it"),
            ("# none\n", "no key in it"),
            ("00ff", "line 1: a key is 16 to 64 bytes"),
            (&long, "line 1:"),
            ("\n7 = 0g0102030405060708090a0b0c0d0e0f", "line 2:"),
            ("70000 = 000102030405060708090a0b0c0d0e0f", "line 1:"),
            ("000102030405060708090a0b0c0d0e0", "line 1:"),
        ];
        for (text, expected) in cases {
            let error = Keys::parse(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("0102"), "{text}: {error}");
        }
        let twice = Keys::parse(&format!("{ONE}\n{OTHER}")).map(drop).unwrap_err();
        assert!(matches!(twice, KeysError::Twice { line: 2 }));
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = Keys::parse(&format!("{ONE}\n7={OTHER}")).unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(1 of every session, 1 of one each)");
    }
}
