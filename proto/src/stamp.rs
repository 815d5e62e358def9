//! The UDP probe datagram: STAMP's packets without authentication (RFC 8762 §4.2.1 and §4.3.1) and
//! with it (§4.2.2 and §4.3.2, [`sealed`]), the session id of RFC 8972 §3, and what a TWAMP-Light
//! sender or reflector makes of them (§4.6), encoded and decoded for both ends.
//!
//! No clock and no socket: times come in as [`Timestamp`]s. All fields are big-endian.
//! Bytes past the base packet are the caller's, or those of [`tlv`].

mod keys;
mod layout;
mod packet;
pub mod recognise;
pub mod sealed;
mod time;
pub mod tlv;

pub use self::keys::{KEY_BYTES_MAX, KEY_BYTES_MIN, Key, Keys, KeysError};
pub use self::packet::{Packet, ReflectorPacket, SenderPacket, TooShort};
pub use self::time::{ErrorEstimate, Timestamp, TimestampFormat};

/// Bytes of the base packet of either direction without authentication.
pub const OPEN_LEN: usize = 44;
/// Bytes of the base packet of either direction with authentication.
pub const SEALED_LEN: usize = 112;
/// Bytes of a TWAMP-Test sender's packet without its padding (RFC 5357 §4.1.2).
pub const LIGHT_LEN: usize = 14;
/// Bytes of the shortest answer that tells both of the reflector's times: up to the sender's error
/// estimate. A TWAMP-Light reflector's has three more (RFC 5357 §4.2.1), and some leave them out.
pub const ANSWER_LEN_MIN: usize = 38;

fn put(base: &mut [u8], offset: usize, bytes: &[u8]) {
    base[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn at<const N: usize>(base: &[u8], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&base[offset..offset + N]);
    bytes
}
