//! `CacheService`.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use futures_util::Stream;
use selat_proto::v1::{
    CacheServiceGetStatsRequest, CacheServiceGetStatsResponse, ExplainRequest, ExplainResponse,
    FlushRequest, FlushResponse, ListEntriesRequest, ListEntriesResponse, PurgeRequest,
    PurgeResponse, ShowEntryRequest, ShowEntryResponse, cache_service_server::CacheService,
    purge_request,
};
use selat_runtime::control::{Actor, brief};
use tonic::{Request, Response, Status};

use super::{entries, explain, stats, url};
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

/// What the service answers from, and orders go by.
#[derive(Debug)]
pub(crate) struct CacheControl {
    pub(crate) proxy: Arc<Proxy>,
}

#[tonic::async_trait]
impl CacheService for CacheControl {
    async fn get_stats(
        &self,
        request: Request<CacheServiceGetStatsRequest>,
    ) -> Result<Response<CacheServiceGetStatsResponse>, Status> {
        let route = request.into_inner().route;
        let stats = stats::of(&self.proxy, (!route.is_empty()).then_some(route.as_str()));
        stats.map(Response::new).ok_or_else(|| url::no_route(&self.proxy.routes.load(), &route))
    }

    type ListEntriesStream =
        Pin<Box<dyn Stream<Item = Result<ListEntriesResponse, Status>> + Send>>;

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<Self::ListEntriesStream>, Status> {
        let mut asked = request.into_inner();
        if !asked.route.is_empty() {
            url::route(&self.proxy.routes.load(), &asked.route)?;
        }
        if !asked.prefix.is_empty() {
            asked.prefix = url::prefix(&asked.prefix)?;
        }
        let listed = entries::list(Arc::clone(&self.proxy), &asked).await;
        Ok(Response::new(Box::pin(listed)))
    }

    async fn show_entry(
        &self,
        request: Request<ShowEntryRequest>,
    ) -> Result<Response<ShowEntryResponse>, Status> {
        let url = request.into_inner().url;
        let base = url::base_key(&self.proxy.routes.load(), "", &url)?;
        let variants = entries::variants(&self.proxy.store, &base, SystemTime::now());
        if variants.is_empty() {
            let url = brief::subject(base.uri());
            return Err(Status::not_found(format!("nothing is stored for {url}")));
        }
        let (url, route) = (base.uri().to_owned(), base.namespace().to_owned());
        Ok(Response::new(ShowEntryResponse { url, variants, route }))
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
        let purged = self.proxy.order(actor, Purge { selection, mode }).await?;
        let Purged { variants: purged_count, bytes: purged_bytes } = purged;
        Ok(Response::new(PurgeResponse { purged_count, purged_bytes }))
    }

    async fn flush(
        &self,
        request: Request<FlushRequest>,
    ) -> Result<Response<FlushResponse>, Status> {
        let flush = Purge { selection: Selection::all(), mode: PurgeMode::Remove };
        let purged = self.proxy.order(Actor::of(&request), flush).await?;
        let Purged { variants: purged_count, bytes: purged_bytes } = purged;
        Ok(Response::new(FlushResponse { purged_count, purged_bytes }))
    }
}

impl CacheControl {
    fn selection(&self, asked: PurgeRequest) -> Result<Selection, Status> {
        use purge_request::Selection as Asked;
        let routes = self.proxy.routes.load();
        let wrong = |what| {
            Status::invalid_argument(format!("a {what} has 1 to {SELECTION_BYTES_MAX} octets"))
        };
        let fits = |text: &str| (1..=SELECTION_BYTES_MAX).contains(&text.len());
        let selection = match asked.selection {
            Some(Asked::Url(url)) => {
                let key = url::base_key(&routes, &asked.route, &url)?;
                return Ok(Selection::resource(&key));
            }
            Some(Asked::Prefix(prefix)) if fits(&prefix) => {
                Selection::prefix(&url::prefix(&prefix)?)
            }
            Some(Asked::Prefix(_)) => return Err(wrong("prefix")),
            Some(Asked::Tag(tag)) if fits(&tag) => Selection::tag(&tag),
            Some(Asked::Tag(_)) => return Err(wrong("tag")),
            Some(Asked::Regex(pattern)) if pattern.is_empty() => {
                return Err(Status::invalid_argument("an empty pattern selects nothing"));
            }
            Some(Asked::Regex(pattern)) => {
                let selection = Selection::pattern(&pattern, !asked.unanchored);
                selection.map_err(|error| Status::invalid_argument(brief::text(&error)))?
            }
            None if !asked.route.is_empty() => Selection::all(),
            None => {
                let needed = "a URL, prefix, tag, pattern or route is needed";
                return Err(Status::invalid_argument(needed));
            }
        };
        if asked.route.is_empty() {
            return Ok(selection);
        }
        url::route(&routes, &asked.route)?;
        Ok(selection.within(&asked.route))
    }
}
