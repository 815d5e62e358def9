//! What the caches on the way say they did: `Cache-Status` (RFC 9211) and `Age` (RFC 9111 §5.1).

use http::header::AGE;
use http::{HeaderMap, StatusCode};
use sfv::{BareItem, Item, List, ListEntry, Parameters, Parser};

/// What the cache nearest to us did with a request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It had a fresh response.
    Hit,
    /// It had a stale response and used it.
    Stale,
    /// It had a stale response, and the origin confirmed it.
    Revalidated,
    /// It waited for another request's fetch.
    Collapsed,
    /// It had to ask the origin.
    Miss,
    /// It was not to be asked.
    Pass,
    /// It answered by itself, without a response of the origin.
    Own,
    /// No cache says anything.
    None,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// By the cache nearest to us.
    pub verdict: Verdict,
    /// Its name.
    pub cache: Option<String>,
    /// Why the request went forward: `uri-miss`, `stale`, …
    pub forward: Option<String>,
    /// Seconds that the response stays fresh; below zero since when it does not.
    pub ttl_s: Option<i64>,
    /// Whether it keeps the response.
    pub stored: bool,
    /// In its own words.
    pub detail: Option<String>,
    /// Seconds since the origin made the response.
    pub age_s: Option<u64>,
}

impl Verdict {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Stale => "STALE",
            Self::Revalidated => "REVALIDATED",
            Self::Collapsed => "COLLAPSED",
            Self::Miss => "MISS",
            Self::Pass => "PASS",
            Self::Own => "OWN",
            Self::None => "NONE",
        }
    }

    /// Whether the origin was spared a whole response.
    #[must_use]
    pub fn is_from_cache(self) -> bool {
        matches!(self, Self::Hit | Self::Stale | Self::Revalidated | Self::Collapsed)
    }
}

/// Reads what a response says of the caches on its way.
#[must_use]
pub fn said(status: StatusCode, headers: &HeaderMap) -> Said {
    let age_s = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    let Some((item, params)) = nearest(headers).map(|item| (item.bare_item, item.params)) else {
        return Said {
            verdict: Verdict::None,
            cache: None,
            forward: None,
            ttl_s: None,
            stored: false,
            detail: None,
            age_s,
        };
    };
    Said {
        verdict: verdict(status, &params),
        cache: text(&item),
        forward: params.get("fwd").and_then(text),
        ttl_s: integer(&params, "ttl"),
        stored: flag(&params, "stored"),
        detail: params.get("detail").and_then(text),
        age_s,
    }
}

/// RFC 9211 §2: each cache appends its own; the last is the one nearest to the client.
fn nearest(headers: &HeaderMap) -> Option<Item> {
    let lines = headers.get_all("cache-status").iter();
    let lines: Vec<&[u8]> = lines.map(http::HeaderValue::as_bytes).collect();
    let list: List = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    match list.into_iter().next_back()? {
        ListEntry::Item(item) => Some(item),
        ListEntry::InnerList(_) => None,
    }
}

fn verdict(status: StatusCode, params: &Parameters) -> Verdict {
    if flag(params, "hit") {
        let is_stale = integer(params, "ttl").is_some_and(|ttl| ttl < 0);
        return if is_stale { Verdict::Stale } else { Verdict::Hit };
    }
    if flag(params, "collapsed") {
        return Verdict::Collapsed;
    }
    // §2.3: left out where it is the status that the client gets.
    let origin_status = integer(params, "fwd-status").unwrap_or(status.as_u16().into());
    match params.get("fwd").and_then(text).as_deref() {
        Some("stale" | "request") if origin_status == 304 => Verdict::Revalidated,
        Some("bypass" | "method") => Verdict::Pass,
        Some("request") if !flag(params, "stored") => Verdict::Pass,
        Some(_) => Verdict::Miss,
        None => Verdict::Own,
    }
}

fn text(item: &BareItem) -> Option<String> {
    match item {
        BareItem::Token(token) => Some(token.as_str().to_owned()),
        BareItem::String(string) => Some(string.as_str().to_owned()),
        _ => None,
    }
}

fn integer(params: &Parameters, name: &str) -> Option<i64> {
    match params.get(name)? {
        BareItem::Integer(integer) => Some(i64::from(*integer)),
        _ => None,
    }
}

fn flag(params: &Parameters, name: &str) -> bool {
    matches!(params.get(name), Some(BareItem::Boolean(true)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Said {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("cache-status", HeaderValue::from_static(value));
        }
        said(StatusCode::OK, &headers)
    }

    #[test]
    fn every_kind_of_answer_has_its_word() {
        for (value, verdict) in [
            ("proxyd; hit; ttl=57", Verdict::Hit),
            ("proxyd; hit; ttl=-3; detail=\"stale\"", Verdict::Stale),
            ("proxyd; fwd=stale; fwd-status=304; stored", Verdict::Revalidated),
            ("proxyd; fwd=stale; stored", Verdict::Miss),
            ("proxyd; fwd=uri-miss; stored", Verdict::Miss),
            ("proxyd; fwd=uri-miss; collapsed", Verdict::Collapsed),
            ("proxyd; fwd=method", Verdict::Pass),
            ("proxyd; fwd=request; detail=\"no_store\"", Verdict::Pass),
            ("proxyd; fwd=request; stored", Verdict::Miss),
            ("proxyd; detail=\"only_if_cached\"", Verdict::Own),
        ] {
            assert_eq!(of(&[value]).verdict, verdict, "{value}");
        }
    }

    #[test]
    fn the_last_cache_is_the_nearest_also_over_several_lines() {
        let said = of(&["far; hit", "near; fwd=uri-miss; stored; ttl=60; detail=\"x\""]);
        assert_eq!(said.cache.as_deref(), Some("near"));
        assert_eq!((said.verdict, said.stored, said.ttl_s), (Verdict::Miss, true, Some(60)));
        assert_eq!(
            (said.forward.as_deref(), said.detail.as_deref()),
            (Some("uri-miss"), Some("x"))
        );
    }

    #[test]
    fn a_response_that_says_nothing_or_nonsense_has_no_verdict() {
        assert_eq!(of(&[]).verdict, Verdict::None);
        assert_eq!(of(&["; ; ("]).verdict, Verdict::None);
    }

    #[test]
    fn a_304_to_our_own_condition_is_a_revalidation() {
        let mut headers = HeaderMap::new();
        headers.insert("cache-status", HeaderValue::from_static("proxyd; fwd=stale"));
        headers.insert(AGE, HeaderValue::from_static("12"));
        let said = said(StatusCode::NOT_MODIFIED, &headers);
        assert_eq!((said.verdict, said.age_s), (Verdict::Revalidated, Some(12)));
    }
}
