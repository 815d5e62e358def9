//! `CacheService`.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use futures_util::Stream;
use selat_proto::v1::{
    CacheServiceGetStatsRequest, CacheServiceGetStatsResponse, ExplainRequest, ExplainResponse,
    FlushRequest, FlushResponse, ListEntriesRequest, ListEntriesResponse, PurgeRequest,
    PurgeResponse, ShowEntryRequest, ShowEntryResponse, cache_service_server::CacheService,
    purge_request,
};
use selat_runtime::control::{Actor, Command as Order, Orders};
use tonic::{Request, Response, Status};

use super::{Command, entries, explain, stats, url};
use crate::{
    cache::{
        selection::Selection,
        store::{PurgeMode, Purged},
    },
    proxy::Proxy,
    purge::Purge,
};

/// Octets of a prefix or a tag: purges are remembered for a while.
const SELECTION_BYTES_MAX: usize = 16 << 10;

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
        let listed = entries::list(Arc::clone(&self.proxy), &request.into_inner()).await;
        Ok(Response::new(Box::pin(listed)))
    }

    async fn show_entry(
        &self,
        request: Request<ShowEntryRequest>,
    ) -> Result<Response<ShowEntryResponse>, Status> {
        let url = request.into_inner().url;
        let key = url::key(&self.proxy.route.load(), &url)?;
        let stored = self.proxy.store.peek(key.as_str());
        let resource = stored
            .ok_or_else(|| Status::not_found(format!("nothing is stored for {}", key.uri())))?;
        let now = SystemTime::now();
        let variants =
            resource.variants().iter().map(|object| entries::variant(object, now)).collect();
        Ok(Response::new(ShowEntryResponse { url: key.uri().to_owned(), variants }))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        explain::explain(&self.proxy, request.into_inner(), SystemTime::now()).map(Response::new)
    }

    async fn purge(
        &self,
        request: Request<PurgeRequest>,
    ) -> Result<Response<PurgeResponse>, Status> {
        let actor = Actor::of(&request);
        let asked = request.into_inner();
        let mode = match (asked.dry_run, asked.soft) {
            (true, _) => PurgeMode::Count,
            (false, true) => PurgeMode::MarkStale,
            (false, false) => PurgeMode::Remove,
        };
        let selection = self.selection(asked)?;
        let purged = self.order(actor, Purge { selection, mode }).await?;
        let Purged { variants: purged_count, bytes: purged_bytes } = purged;
        Ok(Response::new(PurgeResponse { purged_count, purged_bytes }))
    }

    async fn flush(
        &self,
        request: Request<FlushRequest>,
    ) -> Result<Response<FlushResponse>, Status> {
        let flush = Purge { selection: Selection::All, mode: PurgeMode::Remove };
        let purged = self.order(Actor::of(&request), flush).await?;
        let Purged { variants: purged_count, bytes: purged_bytes } = purged;
        Ok(Response::new(FlushResponse { purged_count, purged_bytes }))
    }
}

impl CacheControl {
    async fn order(&self, actor: Actor, purge: Purge) -> Result<Purged, Status> {
        let order = |reply| Order::Own(Command::Purge { purge, reply });
        Ok(self.orders.give(actor, order).await?)
    }

    fn selection(&self, asked: PurgeRequest) -> Result<Selection, Status> {
        use purge_request::Selection as Asked;
        let route = self.proxy.route.load();
        let wrong = |what| {
            Status::invalid_argument(format!("a {what} has 1 to {SELECTION_BYTES_MAX} octets"))
        };
        let fits = |text: &str| (1..=SELECTION_BYTES_MAX).contains(&text.len());
        match asked.selection {
            Some(Asked::Url(url)) => Ok(Selection::Key(url::key(&route, &url)?)),
            Some(Asked::Prefix(prefix)) if fits(&prefix) => {
                Ok(Selection::prefix(route.namespace, &prefix))
            }
            Some(Asked::Prefix(_)) => Err(wrong("prefix")),
            Some(Asked::Tag(tag)) if fits(&tag) => Ok(Selection::Tag(tag.into())),
            Some(Asked::Tag(_)) => Err(wrong("tag")),
            Some(Asked::Regex(pattern)) if pattern.is_empty() => {
                Err(Status::invalid_argument("an empty pattern selects nothing"))
            }
            Some(Asked::Regex(pattern)) => {
                Selection::pattern(&pattern, !asked.unanchored).map_err(Status::invalid_argument)
            }
            None => Err(Status::invalid_argument("a URL, prefix, tag or pattern is needed")),
        }
    }
}
