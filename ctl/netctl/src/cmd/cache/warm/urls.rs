//! Which URLs are to be fetched.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::console::Console;
use crate::http::HttpUrl;

/// URLs of one run.
const URLS_MAX: usize = 1_000_000;

/// Bytes of a list.
const LIST_BYTES_MAX: u64 = 1 << 30;

/// The URLs of the command line, then those of a file, or of the input where it is named `-`.
///
/// # Errors
/// Where a list cannot be read, is too long, or holds something else than URLs.
pub(super) fn read(
    given: &[String],
    file: Option<&Path>,
    listener: SocketAddr,
    console: &mut Console<'_>,
) -> anyhow::Result<Vec<HttpUrl>> {
    let mut urls = given.iter().map(|url| parse(url, listener)).collect::<Result<Vec<_>, _>>()?;
    match file {
        None => {}
        Some(file) if file.as_os_str() == "-" => list(&mut console.input, listener, &mut urls)
            .context("cannot read URLs from the input")?,
        Some(file) => {
            let failed = || format!("cannot read URLs from {}", file.display());
            let opened = File::open(file).with_context(failed)?;
            list(BufReader::new(opened), listener, &mut urls).with_context(failed)?;
        }
    }
    Ok(urls)
}

/// Where a listener can be reached from this machine: one at every address, at loopback.
pub(super) fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}

fn list(from: impl BufRead, listener: SocketAddr, to: &mut Vec<HttpUrl>) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(from.take(LIST_BYTES_MAX).lines()) {
        let line = line?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if to.len() == URLS_MAX {
            bail!("line {number}: more than {URLS_MAX} URLs");
        }
        to.push(parse(line, listener).with_context(|| format!("line {number}"))?);
    }
    Ok(())
}

fn parse(text: &str, listener: SocketAddr) -> anyhow::Result<HttpUrl> {
    let url = if text.starts_with('/') { format!("http://{listener}{text}") } else { text.into() };
    let url = url.parse::<HttpUrl>().with_context(|| format!("{text:?} cannot be fetched"))?;
    // Asked over http it would be another resource.
    ensure!(!url.is_https(), "{text:?} cannot be fetched: proxyd serves http: write http://…");
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_urls_paths_and_comments() {
        let listener = "127.0.0.1:8080".parse().unwrap();
        let mut urls = Vec::new();
        list(&b"# news\n\n http://host/a \r\n/b?c\n"[..], listener, &mut urls).unwrap();
        let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
        assert_eq!(urls, ["http://host/a", "http://127.0.0.1:8080/b?c"]);
        let wrong = list(&b"/a\nhttps://host/\n"[..], listener, &mut Vec::new()).unwrap_err();
        assert!(format!("{wrong:#}").starts_with("line 2"), "{wrong:#}");
    }

    #[test]
    fn a_listener_at_every_address_is_reached_at_loopback() {
        for (listener, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listener.parse().unwrap()).to_string(), reached);
        }
    }
}
