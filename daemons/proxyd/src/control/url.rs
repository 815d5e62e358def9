//! URLs as an operator writes them, read as a client's request for them would be.

use http::{HeaderMap, Uri};
use selat_core::{cache::key::CacheKey, http::target::Target};
use tonic::Status;

use crate::proxy::Route;

/// The key that a client's request for `url` has.
///
/// # Errors
/// `INVALID_ARGUMENT` where no client could ask for it.
pub(super) fn key(route: &Route, url: &str) -> Result<CacheKey, Status> {
    let uri = parse(route, url)?;
    let headers = HeaderMap::new();
    Ok(CacheKey::new(route.namespace, &target(url, &uri, &headers)?))
}

/// The URI, as the route rewrites it.
///
/// # Errors
/// `INVALID_ARGUMENT` where it is none of `http`.
pub(super) fn parse(route: &Route, url: &str) -> Result<Uri, Status> {
    let uri: Uri = url.parse().map_err(|_| wrong(url, "it cannot be read"))?;
    if uri.scheme_str() == Some("http") {
        Ok(route.rewritten(&uri).unwrap_or(uri))
    } else {
        Err(wrong(url, "it does not begin with http://"))
    }
}

/// The target of a request for it.
///
/// # Errors
/// `INVALID_ARGUMENT` where no client could ask for it.
pub(super) fn target<'a>(
    url: &str,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<Target<'a>, Status> {
    Target::of(uri, headers, false).map_err(|error| wrong(url, &error.to_string()))
}

fn wrong(url: &str, why: &str) -> Status {
    Status::invalid_argument(format!(
        "{url:?} is no URL that a client could ask for, such as http://127.0.0.1:8080/: {why}"
    ))
}
