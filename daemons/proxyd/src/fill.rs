//! The task that brings a response into the store. It lives as long as the response takes, whoever
//! reads along; dropped before the end, it leaves nothing behind.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, header};
use http_body_util::BodyExt;
use selat_core::cache::{
    hit_for_miss::HitForMiss,
    key::CacheKey,
    partial::{Combined, Extent},
    reason::StoreRefusal,
    stored::StoredMeta,
};

use crate::{
    cache::{
        content::Content,
        epochs::Ticket,
        filling::{CutOff, Filling},
        flight::Permit,
        hit_for_miss::Refused,
        object::{Object, Uses},
        tags::Tags,
    },
    counters::Counters,
    origin::OriginBody,
    parts::{Joint, Place},
    proxy::Proxy,
};

/// A response on its way into the store.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) proxy: Arc<Proxy>,
    /// Its route's.
    pub(crate) counters: Arc<Counters>,
    pub(crate) key: CacheKey,
    pub(crate) ticket: Ticket,
    /// What is to be remembered should it turn out too large.
    pub(crate) too_large: Option<HitForMiss>,
    /// Fields of the request that it answers.
    pub(crate) request: HeaderMap,
    pub(crate) variants_max: usize,
    pub(crate) tags: Tags,
    /// When the origin was asked.
    pub(crate) asked: SystemTime,
    pub(crate) filling: Arc<Filling>,
    /// What is stored of it already.
    pub(crate) joint: Joint,
    pub(crate) object_bytes_max: u64,
    /// Others may join while it is held.
    pub(crate) permit: Option<Permit>,
}

/// Ends the content for its readers, also where the task is dropped.
struct EndGuard(Option<Arc<Filling>>);

impl EndGuard {
    fn end(mut self, end: Result<(), CutOff>) -> Option<Content> {
        self.0.take().and_then(|filling| filling.end(end))
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if let Some(filling) = self.0.take() {
            filling.end(Err(CutOff));
        }
    }
}

impl Fill {
    /// Feeds all of `body` to the readers, and stores it if it arrives whole.
    pub(crate) async fn run(mut self, body: OriginBody) {
        let guard = EndGuard(Some(Arc::clone(&self.filling)));
        let end = self.feed(body).await;
        let content = guard.end(end.as_ref().map(|_| ()).map_err(|_| CutOff));
        let stored = match (content, end) {
            (Some(content), _) => self.store(content),
            (None, Ok(Some(refusal))) => Err(refusal),
            (None, _) => Err(StoreRefusal::Incomplete),
        };
        let counters = self.counters.here();
        match stored {
            Ok(()) => {
                self.proxy.hits_for_miss.forget(&self.key);
                counters.stores.increment();
                counters.fill_latency.record(self.asked.elapsed().unwrap_or_default());
            }
            Err(refusal) => {
                counters.not_stored.increment(refusal.index());
                if refusal == StoreRefusal::TooLarge {
                    self.remember();
                }
            }
        }
    }

    fn remember(&self) {
        let Self { proxy, key, ticket, too_large, tags, .. } = self;
        if let Some(said) = *too_large {
            let refused = Refused { said, ticket: *ticket, tags: tags.clone() };
            proxy.hits_for_miss.remember(key.clone(), refused);
        }
    }

    /// Why what arrived cannot be stored, if so.
    async fn feed(&mut self, mut body: OriginBody) -> Result<Option<StoreRefusal>, CutOff> {
        self.filling.expect(body.length());
        self.feed_rest(Place::Before).await?;
        while let Some(frame) = body.frame().await {
            let Ok(arrived) = frame.map_err(|_| CutOff)?.into_data() else { continue };
            let refusal = self.filling.feed(&arrived).await.map_err(|_| CutOff)?;
            if refusal.is_some() {
                self.permit = None;
            }
        }
        self.feed_rest(Place::After).await?;
        Ok(self.filling.refusal())
    }

    /// Feeds what is stored already, where it goes in this place.
    async fn feed_rest(&self, place: Place) -> Result<(), CutOff> {
        if let Joint::Rest(rest) = &self.joint
            && rest.place == place
        {
            self.filling.feed_stored(&rest.part.content).await.map_err(|_| CutOff)?;
        }
        Ok(())
    }

    fn store(&self, content: Content) -> Result<(), StoreRefusal> {
        let (meta, headers, content) = self.joined(content)?;
        if meta.extent() != Extent::Whole && self.whole_is_fresh() {
            return Err(StoreRefusal::Superseded);
        }
        let Self { proxy, key, ticket, request, variants_max, .. } = self;
        let (origin, tags) = (Arc::clone(&self.filling.origin), self.tags.clone());
        let object = Object::new(meta, headers, content, origin, tags, Uses::default());
        proxy.store.put(key, *ticket, request, Arc::new(object), *variants_max)?;
        // A reload since the request came may have given its URL another key. One after this finds what is stored.
        if !proxy.routes.load().reach(key) {
            proxy.purge(key);
            return Err(StoreRefusal::Superseded);
        }
        Ok(())
    }

    /// What arrived, together with the part that it extends.
    fn joined(&self, arrived: Content) -> Result<(StoredMeta, HeaderMap, Content), StoreRefusal> {
        let mut meta = self.filling.meta.clone();
        meta.received_in_full(arrived.length())?;
        if let Joint::Part(extension) = &self.joint
            && meta.extent() == self.filling.meta.extent()
        {
            let Combined { meta, headers, .. } = &extension.combined;
            let (mut headers, content) = (headers.clone(), extension.content(&arrived));
            if content.length() <= self.object_bytes_max {
                headers.insert(header::CONTENT_LENGTH, content.length().into());
                return Ok((meta.clone(), headers, content));
            }
        }
        let mut headers = self.filling.headers.clone();
        meta.make_whole_if_all(arrived.length(), &mut headers);
        Ok((meta, headers, arrived))
    }

    /// Whether someone stored all of the representation meanwhile: a part is not to take its place.
    fn whole_is_fresh(&self) -> bool {
        let (resource, now) = (self.proxy.store.peek(self.key.as_str()), SystemTime::now());
        resource.is_some_and(|resource| {
            resource.variants().iter().map(|object| &object.meta).any(|meta| {
                meta.extent() == Extent::Whole
                    && meta.is_fresh(now)
                    && meta.vary().matches(&self.request)
            })
        })
    }
}
