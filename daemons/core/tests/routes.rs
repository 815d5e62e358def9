//! Which route a request takes, and what its keys tell apart beside the URL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use selat_core::cache::device::DeviceClass;
use selat_core::cache::key::CacheKey;
use selat_core::cache::key_parts::{KeyParts, TooLong, VALUE_BYTES_MAX};
use selat_core::http::route::{HostPattern, PathPrefix, RouteTable};
use selat_core::http::target::Target;

fn table(routes: &[(&str, &str, &'static str)]) -> RouteTable<&'static str> {
    let mut table = RouteTable::default();
    for (host, path, name) in routes {
        let host = match *host {
            "" => HostPattern::Any,
            host => HostPattern::parse(host).unwrap(),
        };
        table.insert(host, PathPrefix::parse(path).unwrap(), *name).unwrap();
    }
    table
}

fn found(table: &RouteTable<&'static str>, url: &str) -> &'static str {
    let (uri, headers) = (url.parse::<Uri>().unwrap(), HeaderMap::new());
    let target = Target::of(&uri, &headers, false).unwrap();
    table.find(&target).copied().unwrap_or("default")
}

#[test]
fn the_most_exact_host_wins_and_then_the_longest_path() {
    let table = table(&[
        ("", "/img/", "any-img"),
        ("", "/img/icons", "any-icons"),
        ("*.example.org", "/", "below"),
        ("*.deep.example.org", "/", "deeper"),
        ("www.example.org", "/", "www"),
        ("www.example.org", "/api/", "api"),
        ("[::1]", "/", "address"),
        ("only.example.net", "/api/", "only-api"),
    ]);
    for (url, name) in [
        ("http://other/", "default"),
        ("http://other/img", "default"),
        ("http://other/img/a", "any-img"),
        ("http://other/img/icons", "any-icons"),
        ("http://other/img/icons/a", "any-icons"),
        ("http://other/img/iconset", "any-img"),
        ("http://a.example.org/img/", "below"),
        ("http://example.org/", "default"),
        ("http://x.deep.example.org/", "deeper"),
        ("http://deep.example.org/", "below"),
        ("http://www.example.org/img/a", "www"),
        ("http://WWW.Example.ORG:8080/api/", "api"),
        ("http://www.example.org./", "www"),
        ("http://[::1]:8080/x", "address"),
        ("http://only.example.net/api/1", "only-api"),
        ("http://only.example.net/img/1", "any-img"),
    ] {
        assert_eq!(found(&table, url), name, "{url}");
    }
    assert_eq!(found(&RouteTable::default(), "http://other/"), "default");
}

#[test]
fn no_other_way_to_write_a_path_evades_its_route() {
    let table = table(&[("", "/private/%41/", "private")]);
    for url in [
        "http://h/private/A/x",
        "http://h/%70rivate/%41/x",
        "http://h/a/../private/A/x",
        "http://h/private/./A/x",
    ] {
        assert_eq!(found(&table, url), "private", "{url}");
    }
    assert_eq!(found(&table, "http://h/private/A/../x"), "default");
}

#[test]
fn patterns_that_no_request_could_fit_are_refused() {
    for host in ["", "*", "*.", "a:80", "http://a", "a/b", "a b", "*.*.a", ".a", "a*"] {
        assert!(HostPattern::parse(host).is_err(), "{host:?}");
    }
    for path in ["", "img", "/a?b", "/a#b", "/a*", "/a b", "/\u{e9}"] {
        assert!(PathPrefix::parse(path).is_err(), "{path:?}");
    }
    let mut table = table(&[("a", "/x/", "first")]);
    let again =
        table.insert(HostPattern::parse("A").unwrap(), PathPrefix::parse("/x/").unwrap(), "b");
    assert_eq!(again, Err(&"first"));
}

fn request(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

#[test]
fn devices_are_told_by_their_hint_and_then_by_their_agent() {
    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1";
    const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) Mobile/15E148 Safari/604.1";
    const PIXEL: &str = "Mozilla/5.0 (Linux; Android 10; K) Chrome/130.0.0.0 Mobile Safari/537.36";
    const TAB: &str = "Mozilla/5.0 (Linux; Android 10; K) Chrome/130.0.0.0 Safari/537.36";
    const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    const ROBOT: &str =
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Mobile (compatible; Googlebot/2.1)";
    for (agent, hint, class) in [
        (IPHONE, "", DeviceClass::Mobile),
        (IPAD, "", DeviceClass::Tablet),
        (PIXEL, "", DeviceClass::Mobile),
        (PIXEL, "?1", DeviceClass::Mobile),
        (TAB, "?0", DeviceClass::Tablet),
        (TAB, "", DeviceClass::Tablet),
        (LAPTOP, "", DeviceClass::Desktop),
        (LAPTOP, "?1", DeviceClass::Mobile),
        (LAPTOP, "?0", DeviceClass::Desktop),
        (ROBOT, "?1", DeviceClass::Bot),
        ("curl/8.5.0", "", DeviceClass::Desktop),
        ("", "", DeviceClass::Desktop),
    ] {
        let mut headers = request(&[("user-agent", agent)]);
        if !hint.is_empty() {
            headers.insert("sec-ch-ua-mobile", HeaderValue::from_static(hint));
        }
        assert_eq!(DeviceClass::of(&headers), class, "{agent} {hint}");
    }
    assert_eq!(DeviceClass::of(&HeaderMap::new()), DeviceClass::Desktop);
}

fn parts() -> KeyParts {
    KeyParts {
        device: true,
        cookies: vec!["lang".to_owned(), "plan".to_owned()],
        headers: vec![HeaderName::from_static("x-country")],
    }
}

fn written(headers: &HeaderMap) -> Result<String, TooLong> {
    let mut text = "default http://h/".to_owned();
    parts().write(&mut text, headers).map(|()| text)
}

#[test]
fn a_key_holds_the_values_that_its_route_tells_requests_apart_by() {
    let plain = "default http://h/ device=desktop";
    for (fields, rest) in [
        (&[][..], " cookie:lang cookie:plan header:x-country"),
        (&[("cookie", "a=1; lang=en;plan=")], " cookie:lang=en cookie:plan= header:x-country"),
        // Some origins take the first, some the last, some leave out white space.
        (
            &[("cookie", "lang=en; lang=id"), ("cookie", "lang = fr")],
            " cookie:lang=en,id,fr cookie:plan header:x-country",
        ),
        (
            &[("cookie", "xlang=no; lang=e n,")],
            " cookie:lang=e%20n%2C cookie:plan header:x-country",
        ),
        (
            &[("x-country", "id"), ("x-country", "my,sg")],
            " cookie:lang cookie:plan header:x-country=id,my%2Csg",
        ),
    ] {
        assert_eq!(written(&request(fields)), Ok(format!("{plain}{rest}")), "{fields:?}");
    }
    let key = CacheKey::from(written(&request(&[("cookie", "lang=en")])).unwrap().as_str());
    assert_eq!((key.base(), key.uri()), ("default http://h/", "http://h/"));
    assert_eq!(
        key.parts().collect::<Vec<_>>(),
        ["device=desktop", "cookie:lang=en", "cookie:plan", "header:x-country"]
    );
}

#[test]
fn a_value_that_is_too_long_for_a_key_is_never_cut() {
    for (name, head) in [(header::COOKIE, "plan="), (HeaderName::from_static("x-country"), "")] {
        for (octets, fits) in [(VALUE_BYTES_MAX, true), (VALUE_BYTES_MAX + 1, false)] {
            let value = HeaderValue::try_from(format!("{head}{}", "a".repeat(octets))).unwrap();
            let headers = HeaderMap::from_iter([(name.clone(), value)]);
            assert_eq!(written(&headers).is_ok(), fits, "{octets} of {name}");
        }
    }
}
