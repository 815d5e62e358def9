//! Header sections (RFC 9110 §6.3) as a whole.

use ::http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// Removes the fields whose name `is_out` takes. It is asked once for each field that is there: where many names are
/// to go, few of them are there, and to look for each of them would cost more.
pub fn remove_where(headers: &mut HeaderMap, is_out: impl Fn(&HeaderName) -> bool) {
    let out: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| is_out(name)).cloned().collect();
    for name in out {
        headers.remove(name);
    }
}
