//! `CacheService`.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use futures_util::{Stream, stream};
use http::{HeaderMap, Uri};
use selat_core::{cache::key::CacheKey, http::target::Target};
use selat_proto::v1::{
    CacheServiceGetStatsRequest, CacheServiceGetStatsResponse, FlushRequest, FlushResponse,
    ListEntriesRequest, ListEntriesResponse, PurgeRequest, PurgeResponse, ShowEntryRequest,
    ShowEntryResponse, cache_service_server::CacheService,
};
use selat_runtime::control::{Actor, Command as Order, Orders};
use tonic::{Request, Response, Status};

use super::{Command, entries, stats};
use crate::proxy::Proxy;

/// What the service answers from, and where its orders go.
#[derive(Debug)]
pub(crate) struct CacheControl {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) orders: Orders<Command>,
}

#[tonic::async_trait]
impl CacheService for CacheControl {
    async fn get_stats(
        &self,
        _request: Request<CacheServiceGetStatsRequest>,
    ) -> Result<Response<CacheServiceGetStatsResponse>, Status> {
        Ok(Response::new(stats::of(&self.proxy)))
    }

    type ListEntriesStream =
        Pin<Box<dyn Stream<Item = Result<ListEntriesResponse, Status>> + Send>>;

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<Self::ListEntriesStream>, Status> {
        let asked = request.into_inner();
        let entries = entries::list(&self.proxy, &asked, SystemTime::now());
        Ok(Response::new(Box::pin(stream::iter(entries.into_iter().map(Ok)))))
    }

    async fn show_entry(
        &self,
        request: Request<ShowEntryRequest>,
    ) -> Result<Response<ShowEntryResponse>, Status> {
        let url = request.into_inner().url;
        let key = self.key(&url)?;
        let stored = self.proxy.store.peek(key.as_str());
        let resource = stored
            .ok_or_else(|| Status::not_found(format!("nothing is stored for {}", key.uri())))?;
        let now = SystemTime::now();
        let variants =
            resource.variants.iter().map(|object| entries::variant(object, now)).collect();
        Ok(Response::new(ShowEntryResponse { url: key.uri().to_owned(), variants }))
    }

    async fn purge(
        &self,
        request: Request<PurgeRequest>,
    ) -> Result<Response<PurgeResponse>, Status> {
        let actor = Actor::of(&request);
        let key = self.key(&request.into_inner().url)?;
        let order = |reply| Order::Own(Command::Purge { key, reply });
        let removed = self.orders.give(actor, order).await?;
        Ok(Response::new(PurgeResponse {
            purged_count: removed.variants,
            purged_bytes: removed.bytes,
        }))
    }

    async fn flush(
        &self,
        request: Request<FlushRequest>,
    ) -> Result<Response<FlushResponse>, Status> {
        let order = |reply| Order::Own(Command::Flush { reply });
        let removed = self.orders.give(Actor::of(&request), order).await?;
        Ok(Response::new(FlushResponse {
            purged_count: removed.variants,
            purged_bytes: removed.bytes,
        }))
    }
}

impl CacheControl {
    /// The key that a client's request for `url` would have.
    fn key(&self, url: &str) -> Result<CacheKey, Status> {
        let wrong = |why: &str| {
            Status::invalid_argument(format!(
                "{url:?} is no URL that a client could ask for, such as http://127.0.0.1:8080/: {why}"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong("it cannot be read"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("it does not begin with http://"));
        }
        let headers = HeaderMap::new();
        let target =
            Target::of(&uri, &headers, false).map_err(|error| wrong(&error.to_string()))?;
        Ok(CacheKey::new(self.proxy.route.load().namespace, &target))
    }
}
