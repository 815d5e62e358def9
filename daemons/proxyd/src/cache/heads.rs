//! Header maps of the responses that a thread sends again and again. To unpack stored fields takes several times what it
//! takes to copy a map of them, so that each thread keeps some maps to copy from.
//!
//! A place takes the map of what was sent from there twice in a row: what is asked for once moves nothing out. A map is
//! that of the very block of memory that it was unpacked from, and keeps that block, so that none outlives its truth.

use std::cell::RefCell;

use http::{HeaderMap, HeaderValue, header};
use selat_core::cache::{fields::Fields, status::CACHE_STATUS};

/// Maps of one thread; each takes some kilobytes with its block.
const PLACES: usize = 256;

/// Blocks of memory begin at multiples of this, at least.
const BLOCK_ALIGNMENT: usize = 16;

#[derive(Debug, Default)]
struct Place {
    /// Address of the block that was unpacked last.
    seen: usize,
    kept: Option<(Fields, HeaderMap)>,
}

thread_local! {
    static HEADS: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// The map of `fields`, in the memory of `spare` if it has to be made. It may have empty values where `Age` and
/// `Cache-Status` go.
pub(crate) fn unpacked(fields: &Fields, mut spare: HeaderMap) -> HeaderMap {
    HEADS.with_borrow_mut(|places| {
        if places.is_empty() {
            places.resize_with(PLACES, Place::default);
        }
        let address = fields.address();
        let place = &mut places[address / BLOCK_ALIGNMENT % PLACES];
        match &place.kept {
            Some((kept, map)) if kept.address() == address => return map.clone(),
            _ if place.seen == address => place.kept = Some((fields.clone(), with_room(fields))),
            _ => place.seen = address,
        }
        fields.write_over(&mut spare);
        spare
    })
}

/// The map with room for what is different each time.
fn with_room(fields: &Fields) -> HeaderMap {
    let mut map = fields.to_map();
    map.insert(header::AGE, HeaderValue::from_static(""));
    map.entry(CACHE_STATUS).or_insert(HeaderValue::from_static(""));
    map
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn fields(tag: &'static str) -> Fields {
        let headers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static(tag))]);
        Fields::pack(&headers, iter::empty(), &[]).0
    }

    fn tag_of(map: &HeaderMap) -> &str {
        map[header::ETAG].to_str().unwrap()
    }

    #[test]
    fn what_is_sent_again_and_again_is_copied_and_stays_what_it_was() {
        let (one, other) = (fields("one"), fields("other"));
        for round in 0..5 {
            for (fields, tag) in [(&one, "one"), (&other, "other")] {
                let mut map = unpacked(fields, HeaderMap::new());
                assert_eq!((tag_of(&map), map.contains_key(header::AGE)), (tag, round > 1));
                map.insert(header::ETAG, HeaderValue::from_static("changed"));
            }
        }
    }

    #[test]
    fn a_block_that_takes_anothers_place_in_memory_is_not_taken_for_it() {
        for number in 0..10_000 {
            let tag: &'static str = ["a", "b", "c"][number % 3];
            let fields = fields(tag);
            for _ in 0..3 {
                assert_eq!(tag_of(&unpacked(&fields, HeaderMap::new())), tag);
            }
        }
    }
}
