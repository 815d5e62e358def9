//! Pure: rates, from two readings of counters.

use super::reading::{Proxyd, Reading, Websrvd};

/// The rates of both daemons; `None` of one that was not read twice in a row, or began anew between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    pub(crate) proxyd: Option<ProxydPace>,
    pub(crate) websrvd: Option<WebsrvdPace>,
}

/// The rates of proxyd, each a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProxydPace {
    /// Requests.
    pub(crate) requests: f64,
    /// Share of them that spared the origin, 0 to 1; `None` where there were none.
    pub(crate) hit_ratio: Option<f64>,
    /// Requests that the origin was asked for.
    pub(crate) misses: f64,
    /// Requests that are not for a cache.
    pub(crate) passes: f64,
    /// Body bytes from the cache.
    pub(crate) cache_bytes: f64,
    /// Body bytes from origins.
    pub(crate) origin_bytes: f64,
    /// Datagrams relayed, both ways.
    pub(crate) datagrams: f64,
    /// Bytes relayed, both ways, over UDP and TCP.
    pub(crate) relayed_bytes: f64,
    /// Datagrams dropped and connections refused by the relay.
    pub(crate) dropped: f64,
}

/// The rates of websrvd, each a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WebsrvdPace {
    /// Requests.
    pub(crate) requests: f64,
    /// Body bytes.
    pub(crate) body_bytes: f64,
    /// Datagrams answered.
    pub(crate) answered: f64,
    /// Datagrams dropped.
    pub(crate) dropped: f64,
    /// Requests that failed for want of something here: 500 and 503.
    pub(crate) failed: f64,
}

impl Pace {
    /// What happened from one reading to the next.
    pub(crate) fn between(before: Option<&Reading>, now: &Reading) -> Self {
        let Some(before) = before else { return Self::default() };
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        if seconds <= 0.0 {
            return Self::default();
        }
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
        let proxyd = before.proxyd.as_ref().ok().zip(now.proxyd.as_ref().ok());
        let websrvd = before.websrvd.as_ref().ok().zip(now.websrvd.as_ref().ok());
        Self {
            proxyd: proxyd
                .filter(|(before, now)| before.status.pid == now.status.pid)
                .map(|(before, now)| ProxydPace::between(before, now, rate)),
            websrvd: websrvd
                .filter(|(before, now)| before.status.pid == now.status.pid)
                .map(|(before, now)| WebsrvdPace::between(before, now, rate)),
        }
    }
}

impl ProxydPace {
    fn between(before: &Proxyd, now: &Proxyd, rate: impl Fn(u64, u64) -> f64) -> Self {
        let of = |pick: fn(&Proxyd) -> u64| rate(pick(before), pick(now));
        let (spared, misses, passes) =
            (of(spared), of(|it| it.cache.misses), of(|it| it.cache.passes));
        let requests = spared + misses + passes;
        Self {
            requests,
            hit_ratio: (requests > 0.0).then(|| spared / requests),
            misses,
            passes,
            cache_bytes: of(|it| it.cache.cache_body_bytes),
            origin_bytes: of(|it| it.cache.origin_body_bytes),
            datagrams: of(|it| {
                it.relay.udp.as_ref().map_or(0, |udp| udp.up_datagrams + udp.down_datagrams)
            }),
            relayed_bytes: of(relayed_bytes),
            dropped: of(|it| {
                let udp = it.relay.udp.as_ref().map_or(0, |udp| udp.dropped.values().sum());
                udp + it.relay.tcp.as_ref().map_or(0, |tcp| tcp.refused.values().sum::<u64>())
            }),
        }
    }
}

/// Requests that the origin was spared.
fn spared(it: &Proxyd) -> u64 {
    it.cache.hits + it.cache.stale_hits + it.cache.revalidated + it.cache.collapsed
}

fn relayed_bytes(it: &Proxyd) -> u64 {
    let udp = it.relay.udp.as_ref().map_or(0, |udp| udp.up_bytes + udp.down_bytes);
    udp + it.relay.tcp.as_ref().map_or(0, |tcp| tcp.up_bytes + tcp.down_bytes)
}

impl WebsrvdPace {
    fn between(before: &Websrvd, now: &Websrvd, rate: impl Fn(u64, u64) -> f64) -> Self {
        let of = |pick: fn(&Websrvd) -> u64| rate(pick(before), pick(now));
        Self {
            requests: of(|it| it.web.requests),
            body_bytes: of(|it| it.web.body_bytes),
            answered: of(|it| it.echo.answered),
            dropped: of(|it| it.echo.dropped.values().sum()),
            failed: of(|it| it.web.failed + it.web.overloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn reading(at: Instant, pid: u32, hits: u64, misses: u64) -> Reading {
        let mut proxyd = Proxyd::default();
        (proxyd.status.pid, proxyd.cache.hits, proxyd.cache.misses) = (pid, hits, misses);
        Reading { at, proxyd: Ok(proxyd), websrvd: Err("it is not there".to_owned()) }
    }

    #[test]
    fn rates_are_growth_over_time_and_the_ratio_is_of_what_grew() {
        let start = Instant::now();
        let before = reading(start, 7, 100, 900);
        let now = reading(start + Duration::from_secs(2), 7, 130, 910);
        let pace = Pace::between(Some(&before), &now);
        let proxyd = pace.proxyd.unwrap();
        assert_eq!((proxyd.requests, proxyd.misses, proxyd.hit_ratio), (20.0, 5.0, Some(0.75)));
        assert_eq!(pace.websrvd, None);
    }

    #[test]
    fn a_daemon_that_began_anew_has_no_rate_and_an_idle_one_no_ratio() {
        let start = Instant::now();
        let before = reading(start, 7, 100, 900);
        let later = start + Duration::from_secs(1);
        assert_eq!(Pace::between(Some(&before), &reading(later, 8, 1, 2)), Pace::default());
        assert_eq!(Pace::between(None, &before), Pace::default());
        let idle = Pace::between(Some(&before), &reading(later, 7, 100, 900)).proxyd.unwrap();
        assert_eq!((idle.requests, idle.hit_ratio), (0.0, None));
    }
}
