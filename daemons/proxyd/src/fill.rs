//! The task that brings a response into the store. It lives as long as the response takes, whoever
//! reads along; dropped before the end, it leaves nothing behind.

use std::{sync::Arc, time::SystemTime};

use http::HeaderMap;
use http_body_util::BodyExt;
use selat_core::cache::{key::CacheKey, reason::StoreRefusal};

use crate::{
    cache::{
        content::{Content, Gather},
        epochs::Ticket,
        filling::{CutOff, Filling},
        flight::Permit,
        object::{Object, Uses},
        tags::Tags,
    },
    origin::OriginBody,
    proxy::Proxy,
};

/// A response on its way into the store.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) key: CacheKey,
    pub(crate) ticket: Ticket,
    /// Fields of the request that it answers.
    pub(crate) request: HeaderMap,
    pub(crate) variants_max: usize,
    pub(crate) tags: Tags,
    /// When the origin was asked.
    pub(crate) asked: SystemTime,
    pub(crate) filling: Arc<Filling>,
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
            (None, Ok(false)) => Err(StoreRefusal::TooLarge),
            (None, _) => Err(StoreRefusal::Incomplete),
        };
        let counters = self.proxy.counters.here();
        match stored {
            Ok(()) => {
                counters.stores.increment();
                counters.fill_latency.record(self.asked.elapsed().unwrap_or_default());
            }
            Err(refusal) => counters.not_stored.increment(refusal.index()),
        }
    }

    /// Whether what arrived is small enough to be stored.
    async fn feed(&mut self, mut body: OriginBody) -> Result<bool, CutOff> {
        let mut gather = Gather::new(self.filling.length);
        let mut storable = true;
        while let Some(frame) = body.frame().await {
            let Ok(arrived) = frame.map_err(|_| CutOff)?.into_data() else { continue };
            storable = self.filling.feed(&mut gather, &arrived).await.map_err(|_| CutOff)?;
            if !storable {
                self.permit = None;
            }
        }
        Ok(storable)
    }

    fn store(&self, content: Content) -> Result<(), StoreRefusal> {
        let mut meta = self.filling.meta.clone();
        let mut headers = self.filling.headers.clone();
        meta.received_in_full(content.length())?;
        meta.make_whole_if_all(content.length(), &mut headers);
        let object = Arc::new(Object {
            meta,
            headers,
            content,
            origin: Arc::clone(&self.filling.origin),
            tags: self.tags.clone(),
            uses: Uses::default(),
        });
        let Self { proxy, key, ticket, request, variants_max, .. } = self;
        if proxy.store.put(key, *ticket, request, object, *variants_max) {
            Ok(())
        } else {
            Err(StoreRefusal::Superseded)
        }
    }
}
