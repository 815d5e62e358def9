//! Header maps of the hits that a thread sends again and again. To unpack stored fields and to write `Age` and
//! `Cache-Status` takes several times what it takes to copy a map that has them, so that each thread keeps some maps
//! to copy from.
//!
//! A place takes the map of what was sent from there twice in a row: what is asked for once moves nothing out. A map is
//! that of the very block of memory that it was unpacked from, and keeps that block, so that none outlives its truth.

use std::cell::RefCell;

use http::{HeaderMap, header};
use selat_core::cache::{
    fields::Fields,
    reason::HitReason,
    status::{CACHE_STATUS, CacheStatus},
};

use crate::proxy::NAME;

/// Maps of one thread; each takes some kilobytes with its block.
const PLACES: usize = 256;

/// Blocks of memory begin at multiples of this, at least.
const BLOCK_ALIGNMENT: usize = 16;

/// How old a response is and how long it stays fresh, in seconds: what changes from hit to hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ages {
    pub(crate) age: u64,
    pub(crate) ttl: i64,
}

#[derive(Debug, Default)]
struct Place {
    /// Address of the block that was unpacked last.
    seen: usize,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    fields: Fields,
    ages: Ages,
    map: HeaderMap,
}

thread_local! {
    static HEADS: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// The map of a hit, in the memory of `spare` if it has to be made.
pub(crate) fn of_hit(fields: &Fields, ages: Ages, mut spare: HeaderMap) -> HeaderMap {
    HEADS.with_borrow_mut(|places| {
        if places.is_empty() {
            places.resize_with(PLACES, Place::default);
        }
        let address = fields.address();
        let place = &mut places[address / BLOCK_ALIGNMENT % PLACES];
        if let Some(kept) = place.kept.as_mut().filter(|kept| kept.fields.address() == address) {
            kept.grow_to(ages);
            return kept.map.clone();
        }
        write(&mut spare, fields, ages);
        if place.seen == address {
            place.kept = Some(Kept { fields: fields.clone(), ages, map: spare.clone() });
        }
        place.seen = address;
        spare
    })
}

impl Kept {
    fn grow_to(&mut self, ages: Ages) {
        if self.ages != ages {
            write(&mut self.map, &self.fields, ages);
            self.ages = ages;
        }
    }
}

fn write(map: &mut HeaderMap, fields: &Fields, Ages { age, ttl }: Ages) {
    let said =
        CacheStatus { ttl_seconds: Some(ttl), ..CacheStatus::of_hit(NAME, HitReason::Fresh) };
    fields.write_over(map);
    map.insert(header::AGE, age.into());
    map.append(CACHE_STATUS, said.to_value());
}

#[cfg(test)]
mod tests {
    use std::iter;

    use http::HeaderValue;

    use super::*;

    const NEW: Ages = Ages { age: 0, ttl: 60 };

    fn fields(tag: &'static str) -> Fields {
        let headers = HeaderMap::from_iter([
            (header::ETAG, HeaderValue::from_static(tag)),
            (CACHE_STATUS, HeaderValue::from_static("nearer")),
        ]);
        Fields::pack(&headers, iter::empty(), &[]).0
    }

    fn sent(map: &HeaderMap) -> (&str, &str, Vec<&HeaderValue>) {
        let text = |name| map[name].to_str().unwrap();
        (text(header::ETAG), text(header::AGE), map.get_all(CACHE_STATUS).iter().collect())
    }

    #[test]
    fn what_is_sent_again_and_again_is_copied_and_grows_old() {
        let (one, other) = (fields("one"), fields("other"));
        for round in 0..6 {
            for (fields, tag) in [(&one, "one"), (&other, "other")] {
                let ages = Ages { age: round / 2, ttl: 60 - (round / 2) as i64 };
                let mut map = of_hit(fields, ages, HeaderMap::new());
                let said = format!("proxyd;hit;ttl={}", ages.ttl);
                let age = ages.age.to_string();
                assert_eq!(
                    sent(&map),
                    (tag, &*age, vec![&"nearer".parse().unwrap(), &said.parse().unwrap()])
                );
                map.insert(header::ETAG, HeaderValue::from_static("changed"));
            }
        }
    }

    #[test]
    fn a_block_that_takes_anothers_place_in_memory_is_not_taken_for_it() {
        for number in 0..10_000 {
            let tag = ["a", "b", "c"][number % 3];
            let fields = fields(tag);
            for _ in 0..3 {
                assert_eq!(sent(&of_hit(&fields, NEW, HeaderMap::new())).0, tag);
            }
        }
    }
}
