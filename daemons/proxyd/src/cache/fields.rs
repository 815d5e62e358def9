//! The header fields of a response, kept without what they arrived in.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};

/// Moves the values into a block of just their size. As they arrive they share the buffer of their connection,
/// and any one that is kept would keep all of it.
pub(crate) fn detach(headers: &mut HeaderMap) {
    let octets = headers.values().map(HeaderValue::len).sum();
    let mut block = BytesMut::with_capacity(octets);
    for value in headers.values_mut() {
        block.extend_from_slice(value.as_bytes());
        // What was a value still is one.
        if let Ok(own) = HeaderValue::from_maybe_shared(block.split().freeze()) {
            *value = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn values_are_the_same_without_the_buffer_that_they_came_in() {
        let buffer = Bytes::from(vec![b'a'; 8 << 10]);
        let value = |at| HeaderValue::from_maybe_shared(buffer.slice(at..at + 3)).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", value(0));
        headers.append("set-cookie", value(9));
        headers.insert("etag", value(99));
        let before = headers.clone();
        detach(&mut headers);
        assert_eq!(headers, before);
        drop(before);
        assert!(buffer.is_unique());
    }
}
