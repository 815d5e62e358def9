//! URLs as an operator writes them, read as a client's request for them would be.

use http::{HeaderMap, Uri};
use selat_core::{cache::key::CacheKey, http::target::Target};
use tonic::Status;

use crate::route::{Route, Routes};

/// What the keys of a client's requests for `url` have in common: in the route of this name, or in the one
/// that they take where it is empty.
///
/// # Errors
/// `INVALID_ARGUMENT` where no client could ask for it, `NOT_FOUND` where there is no such route.
pub(super) fn base_key(routes: &Routes, name: &str, url: &str) -> Result<CacheKey, Status> {
    let (uri, headers) = (parse(url)?, HeaderMap::new());
    let target = target(url, &uri, &headers)?;
    let route = if name.is_empty() { routes.of(&target).as_ref() } else { route(routes, name)? };
    let query = route.query(&target);
    Ok(route.base_key(&Target { query: query.as_deref(), ..target }))
}

/// The route of this name.
///
/// # Errors
/// `NOT_FOUND` where there is none.
pub(super) fn route<'r>(routes: &'r Routes, name: &str) -> Result<&'r Route, Status> {
    routes.named(name).map(AsRef::as_ref).ok_or_else(|| no_route(routes, name))
}

/// What is said where there is no route of a name.
pub(super) fn no_route(routes: &Routes, name: &str) -> Status {
    let names: Vec<&str> = routes.names().map(AsRef::as_ref).collect();
    Status::not_found(format!("there is no route {name:?}, only {}", names.join(", ")))
}

/// The URI.
///
/// # Errors
/// `INVALID_ARGUMENT` where it is none of `http`.
pub(super) fn parse(url: &str) -> Result<Uri, Status> {
    let uri: Uri = url.parse().map_err(|_| wrong(url, "it cannot be read"))?;
    if uri.scheme_str() == Some("http") {
        Ok(uri)
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
