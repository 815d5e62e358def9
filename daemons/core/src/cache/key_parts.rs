//! What a route's keys tell requests apart by beside the URL: the class of the device, the values of
//! some cookies, the values of some fields. A page that depends on one of them is stored once for each
//! value, without a `Vary` of the origin.

use std::iter;

use ::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::device::DeviceClass;

/// Octets of one cookie or field that a key may hold. A request with a longer one is not answered from
/// the cache: cutting it would let two visitors share a response.
pub const VALUE_BYTES_MAX: usize = 128;

/// The parts of a route's keys. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyParts {
    /// The class of the client's device.
    pub device: bool,
    /// The values of the cookies with these names (RFC 6265 §4.2), in this order.
    pub cookies: Vec<String>,
    /// The values of these fields, in this order.
    pub headers: Vec<HeaderName>,
}

/// A value is longer than a key may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl KeyParts {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.device && self.cookies.is_empty() && self.headers.is_empty()
    }

    /// Appends the parts of a request to the text of its key, each after a space: `device=mobile`,
    /// `cookie:lang=en`, `header:x-country=id`. One that the request lacks has no `=`.
    ///
    /// # Errors
    /// [`TooLong`] where a value is.
    pub fn write(&self, to: &mut String, request: &HeaderMap) -> Result<(), TooLong> {
        if self.device {
            to.push_str(" device=");
            to.push_str(DeviceClass::of(request).as_str());
        }
        for name in &self.cookies {
            to.push_str(" cookie:");
            to.push_str(name);
            push_values(to, cookies(request, name))?;
        }
        for name in &self.headers {
            to.push_str(" header:");
            to.push_str(name.as_str());
            push_values(to, request.get_all(name).iter().map(HeaderValue::as_bytes))?;
        }
        Ok(())
    }
}

/// The values of the cookies with a name: of several, origins take the first or the last. White space around a
/// name is none of it, since some origins leave it out.
fn cookies<'r>(request: &'r HeaderMap, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let lines = request.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b';'));
    pairs.filter_map(move |pair| {
        let at = pair.iter().position(|octet| *octet == b'=')?;
        let is_it = pair[..at].trim_ascii() == name.as_bytes();
        is_it.then(|| pair[at + 1..].trim_ascii())
    })
}

/// Appends `=` and the values, divided by commas; nothing where there are none.
fn push_values<'v>(
    to: &mut String,
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Result<(), TooLong> {
    let mut octets = 0;
    for (sign, value) in iter::once('=').chain(iter::repeat(',')).zip(values) {
        octets += value.len();
        if octets > VALUE_BYTES_MAX {
            return Err(TooLong);
        }
        to.push(sign);
        push_encoded(to, value);
    }
    Ok(())
}

/// Percent-encodes all but what is never encoded (RFC 3986 §2.3): no value is another's key.
fn push_encoded(to: &mut String, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for octet in value {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(octet) {
            to.push(char::from(*octet));
        } else {
            let [high, low] = [octet >> 4, octet & 15].map(|digit| HEX[usize::from(digit)]);
            to.extend(['%', char::from(high), char::from(low)]);
        }
    }
}
