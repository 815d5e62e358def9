//! Responses in parts: what is stored of a representation and what the origin sends of it become
//! one (RFC 9110 §15.3.7.3).
//!
//! A part that completes the stored one is read by clients with it, as the whole that it makes. Any
//! other goes to its client as it came, and to the store together with the newest part that it touches
//! there, or beside those that it does not. Each part stored counts as a variant of its URL
//! (`cache.variants_max`).

use std::sync::Arc;

use http::{StatusCode, header};
use selat_core::{
    cache::{
        partial::{Combination, Combined, Extent, combined},
        storage::Exchange,
    },
    http::{range::ContentRange, via},
};

use crate::{
    cache::{content::Content, object::Object, resource::Resource},
    origin::fetch::Fetched,
    proxy::NAME,
    request::Ask,
};

/// What is stored already of the response that arrives.
#[derive(Debug)]
pub(crate) enum Joint {
    /// Nothing.
    Nothing,
    /// All that does not arrive.
    Rest(Rest),
    /// A part that the one that arrives touches.
    Part(Box<Extension>),
}

/// The octets of a whole that are stored already, while the others arrive.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) part: Arc<Object>,
    pub(crate) place: Place,
    /// Octets of the whole.
    pub(crate) length: u64,
}

/// Where stored octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Before,
    After,
}

/// A stored part, and what the one that arrives makes of it.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) part: Arc<Object>,
    pub(crate) combined: Combined,
}

/// The whole that a stored part and the 206 that was asked for make; `None` where they make none.
pub(crate) fn completed(
    ask: &Ask<'_>,
    part: &Arc<Object>,
    exchange: &Exchange<'_>,
    fetched: &Fetched,
) -> Option<(Combined, Rest)> {
    let mut combined = combine(ask, part, exchange, fetched)?;
    let arriving = ContentRange::of(exchange.response.headers)?.range.length();
    let place = match combined.combination {
        Combination::Append { extent: Extent::Whole, skip: 0 } => Place::Before,
        Combination::Prepend { extent: Extent::Whole, keep } if keep == arriving => Place::After,
        _ => return None,
    };
    if fetched.body.length().is_some_and(|length| length != arriving) {
        return None;
    }
    let length = part.content.length().checked_add(arriving)?;
    combined.headers.insert(header::CONTENT_LENGTH, length.into());
    Some((combined, Rest { part: Arc::clone(part), place, length }))
}

/// What a 206 that arrives makes of the part that is stored, if the two touch.
pub(crate) fn extension(ask: &Ask<'_>, exchange: &Exchange<'_>, fetched: &Fetched) -> Joint {
    if exchange.response.status != StatusCode::PARTIAL_CONTENT {
        return Joint::Nothing;
    }
    let resource = ask.proxy.store.peek(ask.key().as_str());
    let variants = resource.iter().flat_map(Resource::variants);
    let extended = variants
        .filter(|part| part.meta.vary().matches(exchange.request.headers))
        .find_map(|part| {
            let combined = combine(ask, part, exchange, fetched)?;
            Some(Extension { part: Arc::clone(part), combined })
        });
    extended.map_or(Joint::Nothing, |extension| Joint::Part(Box::new(extension)))
}

fn combine(
    ask: &Ask<'_>,
    part: &Object,
    exchange: &Exchange<'_>,
    fetched: &Fetched,
) -> Option<Combined> {
    let stored = part.meta.fields().to_map();
    let mut combined = combined(&part.meta, &stored, exchange, &ask.route.options)?;
    if !via::loops(&combined.headers, NAME) {
        via::append(&mut combined.headers, fetched.head.version, NAME);
    }
    Some(combined)
}

impl Extension {
    /// The content of both, given what arrived.
    pub(crate) fn content(&self, arrived: &Content) -> Content {
        let stored = &self.part.content;
        let (first, second) = match self.combined.combination {
            Combination::Append { skip, .. } => {
                (stored.clone(), arrived.slice(skip.min(arrived.length())..arrived.length()))
            }
            Combination::Prepend { keep, .. } => {
                (arrived.slice(0..keep.min(arrived.length())), stored.clone())
            }
            Combination::Distinct => return arrived.clone(),
        };
        Content::new([first.pieces(), second.pieces()].concat())
    }
}
