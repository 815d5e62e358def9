//! URLs as an operator writes them, read as a client's request for them would be.

use http::{HeaderMap, Uri};
use selat_core::{cache::key::CacheKey, http::target::Target};
use selat_runtime::control::brief;
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

/// The beginning of URLs as keys have them: scheme and host in lower case, no default port, percent-encoding in
/// normal form. What may go on, a name of the path or an encoding, stays as far as it goes.
///
/// # Errors
/// `INVALID_ARGUMENT` where no URL that is stored can begin so.
pub(super) fn prefix(text: &str) -> Result<String, Status> {
    let rest = after_scheme(text).map_err(|why| {
        Status::invalid_argument(format!(
            "{:?} begins no URL that is stored, as http://127.0.0.1:8080/img/ does: {why}",
            brief::subject(text)
        ))
    })?;
    let Some(end) = rest.find(['/', '?']) else {
        // What follows may belong to the host, or be more of a port.
        return Ok(format!("http://{}", rest.to_ascii_lowercase()));
    };
    let (authority, local) = rest.split_at(end);
    let (whole, begun) = local.split_at(local.len() - begun_encoding(local));
    // A sign that needs no encoding keeps "." and ".." from being segments while they are only begun.
    let whole = format!("{whole}{SENTINEL}");
    let (path, query) = match whole.split_once('?') {
        Some(("", query)) => ("/", Some(query)),
        Some((path, query)) => (path, Some(query)),
        None => (whole.as_str(), None),
    };
    let mut normal = String::new();
    Target { secure: false, authority, path, query }.write_normalised(&mut normal);
    normal.truncate(normal.len() - SENTINEL.len());
    normal.push_str(&begun.to_ascii_uppercase());
    Ok(normal)
}

/// Stands for what may follow a prefix.
const SENTINEL: &str = "x";

/// Octets of an encoding that `text` ends within: of `%` or `%2`.
fn begun_encoding(text: &str) -> usize {
    match text.as_bytes() {
        [.., b'%'] => 1,
        [.., b'%', digit] if digit.is_ascii_hexdigit() => 2,
        _ => 0,
    }
}

/// What follows `http://`.
fn after_scheme(url: &str) -> Result<&str, &'static str> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok(rest),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
            Err("proxyd serves http: write http://…")
        }
        _ => Err("it must start with http://"),
    }
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
    let (name, names) = (brief::subject(name), names.join(", "));
    Status::not_found(brief::text(&format!("there is no route {name:?}, only {names}")))
}

/// The URI.
///
/// # Errors
/// `INVALID_ARGUMENT` where it is none of `http`.
pub(super) fn parse(url: &str) -> Result<Uri, Status> {
    after_scheme(url).map_err(|why| wrong(url, why))?;
    url.parse().map_err(|_| wrong(url, "it cannot be read"))
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
        "{:?} is no URL that a client could ask for, such as http://127.0.0.1:8080/: {why}",
        brief::subject(url)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_normalised_as_urls_are_and_never_means_more() {
        for (text, normal) in [
            ("HTTP://EX.test:80/n", "http://ex.test/n"),
            ("http://ex.test:8080/%33/%c3%a9/%2f", "http://ex.test:8080/3/%C3%A9/%2F"),
            ("http://ex.test/a/../b", "http://ex.test/b"),
            ("http://ex.test?q=%41", "http://ex.test/?q=A"),
            ("http://ex.test/a/..?q", "http://ex.test/?q"),
            // What is only begun may go on otherwise.
            ("http://EX.test:80", "http://ex.test:80"),
            ("http://EX", "http://ex"),
            ("http://", "http://"),
            ("http://ex.test/.", "http://ex.test/."),
            ("http://ex.test/a/..", "http://ex.test/a/.."),
            ("http://ex.test/a%", "http://ex.test/a%"),
            ("http://ex.test/a%2", "http://ex.test/a%2"),
            ("http://ex.test/a%c", "http://ex.test/a%C"),
            ("http://ex.test/?q=%e", "http://ex.test/?q=%E"),
        ] {
            assert_eq!(prefix(text).unwrap(), normal, "{text}");
        }
        for text in ["/n", "ex.test/n", "ftp://ex.test/", "http:/", "h", ""] {
            let refused = prefix(text).unwrap_err();
            assert!(refused.message().contains("must start with http://"), "{refused}");
        }
        for read in [|text| prefix(text).map(drop), |text| parse(text).map(drop)] {
            let refused: Status = read("https://ex.test/").unwrap_err();
            assert!(refused.message().ends_with("write http://…"), "{refused}");
        }
    }
}
