//! Pure: what a run of streams comes to.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use super::probe::{Probe, ProbeKind};
use super::run::{BulkRun, Interval};
use super::spec::Way;
use super::stream::StreamRun;
use super::tcp_info::TcpInfo;
use crate::analysis::{Distribution, ms};
use crate::responsiveness::{MAD, ProbeTimes, Responsiveness};

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BulkFigures {
    /// From the server; `None` where no load went that way.
    pub down: Option<Goodput>,
    /// To the server.
    pub up: Option<Goodput>,
    /// Requests on connections of their own while the path was idle.
    pub idle: Distribution,
    /// The same beside the load, from when goodput counts.
    pub loaded: Distribution,
    /// Requests on connections that carry load.
    pub own: Distribution,
    /// TCP handshakes while the path was idle.
    pub idle_connect: Distribution,
    /// The same beside the load.
    pub loaded_connect: Distribution,
    /// Latency added by the load: the median of `loaded` less that of `idle`, ms (bufferbloat).
    pub added_ms: Option<f64>,
    /// Segments that this side sent again; `None` where it sent no load.
    pub retransmits: Option<u64>,
    /// Bytes that it sent again / bytes that it sent.
    pub resent_share: Option<f64>,
    /// Round-trip times by the kernel: of what is sent for uploads, the receiver's estimate for downloads.
    pub rtt: Distribution,
    /// Smallest that any stream saw.
    pub min_rtt: Option<Duration>,
    /// Congestion windows of uploads, median, bytes.
    pub cwnd_bytes: Option<u64>,
    /// Round trips a minute over the last [`MAD`] intervals.
    pub responsiveness: Option<Responsiveness>,
    /// Round trips a minute while the path was idle, on connections of their own.
    pub idle_rpm: Option<f64>,
}

/// What was carried one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goodput {
    /// Content bytes from when goodput counts.
    pub bytes: u64,
    /// The same × 8 / time, bit/s.
    pub bps: f64,
    /// Slowest interval, bit/s.
    pub min_bps: f64,
    /// Fastest interval, bit/s.
    pub max_bps: f64,
}

impl BulkFigures {
    /// The figures of `run`.
    #[must_use]
    pub fn of(run: &BulkRun) -> Self {
        let idle = Duration::ZERO..run.loaded_at;
        let counted = run.counted_at..run.ended_at.max(run.counted_at);
        let probes = |kind: ProbeKind,
                      within: &Range<Duration>,
                      time: fn(&Probe) -> Option<Duration>| {
            let chosen = run.probes.iter().filter(|it| it.kind == kind && within.contains(&it.at));
            Distribution::new(chosen.filter_map(time).collect())
        };
        let (foreign, own) = (ProbeKind::Foreign, ProbeKind::Loaded);
        let (idle_http, loaded) =
            (probes(foreign, &idle, |it| it.http), probes(foreign, &counted, |it| it.http));
        let median = |times: &Distribution| times.percentile(50.0).map(ms);
        let added_ms = median(&loaded).zip(median(&idle_http)).map(|(loaded, idle)| loaded - idle);
        Self {
            down: Goodput::of(run, Way::Down),
            up: Goodput::of(run, Way::Up),
            own: probes(own, &counted, |it| it.http),
            idle_connect: probes(foreign, &idle, |it| it.connect),
            loaded_connect: probes(foreign, &counted, |it| it.connect),
            added_ms,
            idle: idle_http,
            loaded,
            rtt: Distribution::new(round_trips(&run.streams, &counted).collect()),
            responsiveness: run.last_probe_times().responsiveness(),
            idle_rpm: times_of(&run.probes, iter::empty(), idle.clone())
                .responsiveness()
                .and_then(|it| it.foreign_rpm),
            ..Self::of_senders(run, &counted)
        }
    }

    /// What only the side that sends knows.
    fn of_senders(run: &BulkRun, counted: &Range<Duration>) -> Self {
        let looks = || run.streams.iter().flat_map(|stream| stream.looks.iter());
        let last: Vec<TcpInfo> = run
            .streams
            .iter()
            .filter(|stream| stream.way == Way::Up)
            .filter_map(|stream| Some(stream.looks.last()?.info))
            .collect();
        let sum = |bytes: fn(&TcpInfo) -> Option<u64>| last.iter().filter_map(bytes).sum::<u64>();
        let (sent, resent) = (sum(|it| it.sent_bytes), sum(|it| it.resent_bytes));
        let mut windows: Vec<u64> = run
            .streams
            .iter()
            .filter(|stream| stream.way == Way::Up)
            .flat_map(|stream| &stream.looks)
            .filter(|look| counted.contains(&look.at))
            .map(|look| u64::from(look.info.cwnd) * u64::from(look.info.mss))
            .collect();
        windows.sort_unstable();
        Self {
            retransmits: (!last.is_empty())
                .then(|| last.iter().map(|it| u64::from(it.retransmits)).sum()),
            resent_share: (sent > 0).then(|| resent as f64 / sent as f64),
            min_rtt: looks().filter_map(|look| look.info.min_rtt).min(),
            cwnd_bytes: windows.get(windows.len() / 2).copied(),
            ..Self::default()
        }
    }
}

impl BulkRun {
    /// The round trips that responsiveness is of: those of the last [`MAD`] intervals.
    pub(crate) fn last_probe_times(&self) -> ProbeTimes {
        times_of(&self.probes, self.streams.iter(), ended_by(&self.intervals))
    }
}

impl Goodput {
    fn of(run: &BulkRun, way: Way) -> Option<Self> {
        if !run.ways.contains(&way) {
            return None;
        }
        let carried = |it: &Interval| match way {
            Way::Down => it.down_bytes,
            Way::Up => it.up_bytes,
        };
        let counted: Vec<&Interval> = run.intervals.iter().filter(|it| it.counts_in(run)).collect();
        let bytes = counted.iter().map(|it| carried(it)).sum();
        let time: Duration = counted.iter().map(|it| it.length).sum();
        let bps = |bytes: u64, time: Duration| bytes as f64 * 8.0 / time.as_secs_f64();
        let rates = || counted.iter().map(|it| bps(carried(it), it.length));
        (!time.is_zero()).then(|| Self {
            bytes,
            bps: bps(bytes, time),
            min_bps: rates().fold(f64::INFINITY, f64::min),
            max_bps: rates().fold(0.0, f64::max),
        })
    }
}

/// The time of the last [`MAD`] intervals.
pub(super) fn ended_by(intervals: &[Interval]) -> Range<Duration> {
    let last = intervals.get(intervals.len().saturating_sub(MAD)..).unwrap_or_default();
    let from = last.first().map_or(Duration::ZERO, |it| it.ends_at.saturating_sub(it.length));
    from..last.last().map_or(Duration::ZERO, |it| it.ends_at)
}

/// The probes that were begun `within`. Where none can go on a connection that carries load (HTTP/1.1), the
/// kernel's estimates of the round trip stand for them, as the draft has it.
pub(super) fn times_of<'a>(
    probes: &[Probe],
    streams: impl Iterator<Item = &'a StreamRun>,
    within: Range<Duration>,
) -> ProbeTimes {
    let chosen = || probes.iter().filter(|it| within.contains(&it.at));
    let of = |kind: ProbeKind, time: fn(&Probe) -> Option<Duration>| -> Vec<Duration> {
        chosen().filter(|it| it.kind == kind && it.http.is_some()).filter_map(time).collect()
    };
    let streams: Vec<&StreamRun> = streams.collect();
    let mut http_loaded = of(ProbeKind::Loaded, |it| it.http);
    if !chosen().any(|it| it.kind == ProbeKind::Loaded) {
        http_loaded = round_trips(streams, &within).collect();
    }
    ProbeTimes {
        tcp_foreign: of(ProbeKind::Foreign, |it| it.connect),
        tls_foreign: of(ProbeKind::Foreign, |it| it.tls),
        http_foreign: of(ProbeKind::Foreign, |it| it.http),
        http_loaded,
    }
}

/// What the kernel takes for the round trip of each stream: whoever sends knows it from what is
/// acknowledged, whoever receives estimates it from how the window is used.
fn round_trips<'a>(
    streams: impl IntoIterator<Item = &'a StreamRun>,
    within: &Range<Duration>,
) -> impl Iterator<Item = Duration> {
    streams.into_iter().flat_map(move |stream| {
        let looks = stream.looks.iter().filter(move |look| within.contains(&look.at));
        looks.filter_map(move |look| match stream.way {
            Way::Up => Some(look.info.rtt),
            Way::Down => look.info.receiver_rtt,
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const fn ms_of(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn probe(at: u64, kind: ProbeKind, connect: Option<u64>, http: Option<u64>) -> Probe {
        let (connect, http) = (connect.map(ms_of), http.map(ms_of));
        Probe { at: ms_of(at), kind, connect, tls: None, http }
    }

    /// A second of idle path, then five of load, of which the first does not count.
    fn run() -> BulkRun {
        let interval = |second: u64| Interval {
            ends_at: ms_of(2_000 + second * 1_000),
            length: ms_of(1_000),
            down_bytes: if second == 0 { 9_000_000 } else { 1_000_000 + second * 100_000 },
            up_bytes: 0,
            streams: 1,
        };
        let foreign = |at, http| probe(at, ProbeKind::Foreign, Some(10), http);
        BulkRun {
            started_at: Timestamp::UNIX_EPOCH,
            ways: vec![Way::Down],
            loaded_at: ms_of(1_000),
            counted_at: ms_of(2_000),
            ended_at: ms_of(6_000),
            intervals: (0..5).map(interval).collect(),
            streams: vec![],
            probes: vec![
                foreign(100, Some(20)),
                foreign(1_500, Some(900)),
                foreign(3_000, Some(70)),
                foreign(4_000, None),
                probe(3_000, ProbeKind::Loaded, None, Some(100)),
            ],
            failures: vec![],
            confidence: None,
            is_cancelled: false,
        }
    }

    #[test]
    fn goodput_counts_from_the_end_of_the_warm_up() {
        let figures = BulkFigures::of(&run());
        let down = figures.down.unwrap();
        assert_eq!((down.bytes, down.bps), (5_000_000, 10_000_000.0));
        assert_eq!((down.min_bps, down.max_bps), (8_800_000.0, 11_200_000.0));
        assert_eq!(figures.up, None, "nothing was sent up");
        assert_eq!((figures.retransmits, figures.cwnd_bytes), (None, None), "nor could be lost");
    }

    #[test]
    fn latency_added_by_the_load_is_told_from_the_idle_path() {
        let figures = BulkFigures::of(&run());
        assert_eq!(figures.idle.percentile(50.0), Some(ms_of(20)));
        assert_eq!(figures.loaded.percentile(50.0), Some(ms_of(70)), "not what was warming up");
        assert!((figures.added_ms.unwrap() - 50.0).abs() < 1e-9);
        assert_eq!(figures.own.max(), Some(ms_of(100)));
    }

    #[test]
    fn responsiveness_is_that_of_the_last_four_intervals_and_of_the_idle_path() {
        let found = BulkFigures::of(&run()).responsiveness.unwrap();
        // (10 + 20) / 2 = 15 ms.
        assert!((BulkFigures::of(&run()).idle_rpm.unwrap() - 4_000.0).abs() < 1e-6);
        // (10 + 70) / 2 = 40 ms and 100 ms: the probe of the first interval is too old.
        let (foreign, loaded) = (found.foreign_rpm.unwrap(), found.loaded_rpm.unwrap());
        for (found, expected) in [(foreign, 1_500.0), (loaded, 600.0), (found.rpm, 1_050.0)] {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}
