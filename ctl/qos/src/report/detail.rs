//! The figures that JSON has beside those of a [`super::Row`].

use serde::Serialize;

use super::row::rounded;
use super::{Flow, HttpDetail, Made, TcpDetail};
use crate::analysis::{Analysis, Histogram, OneWay, ms, ratio};
use crate::bulk::BulkFigures;
use crate::compare::{Change, Finding};
use crate::grade::Grades;
use crate::load::LoadFigures;

/// Figures under the names of the JSON document; `None` for what was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Detail {
    /// How it was made, and how it ended.
    #[serde(flatten)]
    pub made: Made,
    /// Probes that never reached the reflector.
    pub lost_up: Option<u64>,
    /// Probes whose answer did not come back.
    pub lost_down: Option<u64>,
    /// Losses of which the way is not known, where that of others is.
    pub lost_unknown: Option<u64>,
    /// Most losses in a row.
    pub loss_run_max: u64,
    /// RFC 3611 §4.7.2 bursts of loss, Gmin 16.
    pub loss_bursts: u64,
    /// What is before, between and after them.
    pub loss_gaps: u64,
    /// Mean length of a burst, probes.
    pub burst_mean_probes: Option<f64>,
    /// Mean length of a gap, probes.
    pub gap_mean_probes: Option<f64>,
    /// Losses in bursts / probes in bursts.
    pub burst_density: Option<f64>,
    /// Losses outside of bursts / probes outside of bursts.
    pub gap_density: Option<f64>,
    /// ITU-T G.107 BurstR.
    pub burst_ratio: Option<f64>,
    /// RFC 4737 §3.3: reordered / received.
    pub reordered_ratio: Option<f64>,
    /// RFC 4737 §4.2.2: how many probes sent later came before, the largest.
    pub reordering_extent_max: Option<u64>,
    /// The mean of them.
    pub reordering_extent_mean: Option<f64>,
    /// RFC 4737 §4.3.2: how much later than the one before it came the latest, ms.
    pub reordering_late_max_ms: Option<f64>,
    /// Payload that reached the reflector, bit/s.
    pub throughput_up_bps: Option<f64>,
    /// Median delay to the reflector, ms.
    pub one_way_up_p50_ms: Option<f64>,
    /// 95th percentile of it, ms.
    pub one_way_up_p95_ms: Option<f64>,
    /// Median delay back, ms.
    pub one_way_down_p50_ms: Option<f64>,
    /// 95th percentile of it, ms.
    pub one_way_down_p95_ms: Option<f64>,
    /// How far one-way delays may be off, ms.
    pub one_way_error_ms: Option<f64>,
    /// How far the reflector's clock was ahead, ms.
    pub clock_offset_ms: Option<f64>,
    /// How much faster it ran, parts per million.
    pub clock_drift_ppm: Option<f64>,
    /// RFC 5481 §4.2: the percentile of latency less its minimum, ms.
    pub pdv_p50_ms: Option<f64>,
    /// ms.
    pub pdv_p95_ms: Option<f64>,
    /// ms.
    pub pdv_p99_ms: Option<f64>,
    /// ms.
    pub pdv_p999_ms: Option<f64>,
    /// RFC 5481 §4.1: the steps of latency, signed, ms.
    pub ipdv_p1_ms: Option<f64>,
    /// ms.
    pub ipdv_p50_ms: Option<f64>,
    /// ms.
    pub ipdv_p99_ms: Option<f64>,
    /// RFC 3550 §A.8 jitter, mean over the run, ms.
    pub jitter_rfc3550_mean_ms: Option<f64>,
    /// The same, largest, ms.
    pub jitter_rfc3550_max_ms: Option<f64>,
    /// Median of send time − due time, ms.
    pub schedule_error_p50_ms: Option<f64>,
    /// 99th percentile of it, ms.
    pub schedule_error_p99_ms: Option<f64>,
    /// The largest of them, ms.
    pub schedule_error_max_ms: Option<f64>,
    /// Probes that left when the next was due already.
    pub late: Option<u64>,
    /// Jain's index of the clients' throughputs; of the total only.
    pub fairness: Option<f64>,
    /// ITU-T Y.1541: the most demanding class that was kept, 0 to 7.
    pub y1541_class: Option<u8>,
    /// `one_way` or `round_trip`: what the three figures below are of.
    pub y1541_basis: Option<&'static str>,
    /// Mean delay, ms.
    pub y1541_iptd_ms: Option<f64>,
    /// Upper 1 − 10⁻³ quantile of delay less the minimum, ms.
    pub y1541_ipdv_ms: Option<f64>,
    /// Loss ratio, 0 to 1.
    pub y1541_iplr: Option<f64>,
    /// Whether there were packets enough to tell one in a thousand.
    pub y1541_sound: Option<bool>,
    /// What a relay costs, where the same probes went straight as well; of the total only.
    pub relay_cost: Option<Vec<Cost>>,
    /// HDR buckets of latency that hold something: the longest latency of each in ms, and how many.
    /// The buckets are the same in every run: those of several add up.
    pub latency_histogram: Vec<(f64, u64)>,
    /// What only requests have; of the total only.
    #[serde(flatten)]
    pub http: Option<HttpDetail>,
    /// What only streams have.
    #[serde(flatten)]
    pub tcp: Option<TcpDetail>,
}

/// What the way through a relay adds to a measure of the straight one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// `loss`, `mean`, `p50`, `p95`, `p99` or `jitter`.
    pub measure: &'static str,
    /// `%` or `ms`.
    pub unit: &'static str,
    /// Through the relay.
    pub relayed: Option<f64>,
    /// Straight.
    pub straight: Option<f64>,
    /// `relayed` − `straight`.
    pub difference: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// Whether the interval does not hold zero.
    pub is_significant: Option<bool>,
}

impl Cost {
    pub(super) fn of(change: &Change) -> Self {
        let interval = change.interval;
        Self {
            measure: change.measure.name(),
            unit: change.measure.unit(),
            relayed: rounded(change.after),
            straight: rounded(change.before),
            difference: rounded(change.difference),
            low: rounded(interval.map(|it| it.low)),
            high: rounded(interval.map(|it| it.high)),
            is_significant: change.finding().map(|it| it != Finding::Noise),
        }
    }
}

impl Detail {
    pub(super) fn of(total: &Analysis, grades: &Grades) -> Self {
        let y1541 = grades.y1541.as_ref();
        let buckets = |(upper, count)| (rounded(Some(ms(upper))).unwrap_or_default(), count);
        let (direction, runs) = (total.loss_direction, &total.loss_runs);
        let variation = |percent| rounded(total.latency.delay_variation(percent).map(ms));
        let step = |percent| rounded(total.delay_variation.percentile(percent));
        let pacing = total.pacing.as_ref();
        let error = |percent| rounded(pacing.and_then(|it| it.error.percentile(percent)).map(ms));
        let rfc3550 = total.jitter.rfc3550;
        let one_way = total.one_way.as_ref();
        let up = |percent| rounded(one_way.and_then(|it| it.up.percentile(percent)).map(ms));
        let down = |percent| rounded(one_way.and_then(|it| it.down.percentile(percent)).map(ms));
        Self {
            made: Made::default(),
            lost_up: direction.map(|lost| lost.up),
            lost_down: direction.map(|lost| lost.down),
            lost_unknown: direction.map(|lost| lost.unknown),
            loss_run_max: runs.longest,
            loss_bursts: runs.bursts,
            loss_gaps: runs.gaps,
            burst_mean_probes: rounded(runs.mean_burst()),
            gap_mean_probes: rounded(runs.mean_gap()),
            burst_density: rounded(runs.burst_density()),
            gap_density: rounded(runs.gap_density()),
            burst_ratio: rounded(runs.burst_ratio()),
            reordered_ratio: rounded(
                total.reordered.and_then(|reordered| ratio(reordered, total.received)),
            ),
            reordering_extent_max: total.reordering.extent_max,
            reordering_extent_mean: rounded(total.reordering.extent_mean()),
            reordering_late_max_ms: rounded(total.reordering.late_max.map(ms)),
            throughput_up_bps: rounded(total.throughput_up_bps),
            one_way_up_p50_ms: up(50.0),
            one_way_up_p95_ms: up(95.0),
            one_way_down_p50_ms: down(50.0),
            one_way_down_p95_ms: down(95.0),
            one_way_error_ms: rounded(one_way.map(|it| ms(it.error))),
            clock_offset_ms: rounded(one_way.map(|it: &OneWay| it.offset_ms)),
            clock_drift_ppm: rounded(one_way.and_then(|it| it.drift_ppm)),
            pdv_p50_ms: variation(50.0),
            pdv_p95_ms: variation(95.0),
            pdv_p99_ms: variation(99.0),
            pdv_p999_ms: variation(99.9),
            ipdv_p1_ms: step(1.0),
            ipdv_p50_ms: step(50.0),
            ipdv_p99_ms: step(99.0),
            jitter_rfc3550_mean_ms: rounded(rfc3550.map(|jitter| jitter.mean_ms)),
            jitter_rfc3550_max_ms: rounded(rfc3550.map(|jitter| jitter.max_ms)),
            schedule_error_p50_ms: error(50.0),
            schedule_error_p99_ms: error(99.0),
            schedule_error_max_ms: rounded(pacing.and_then(|it| it.error.max()).map(ms)),
            late: pacing.map(|it| it.late),
            fairness: None,
            y1541_class: y1541.map(|it| it.class()),
            y1541_basis: y1541.map(|it| it.basis.name()),
            y1541_iptd_ms: rounded(y1541.map(|it| it.iptd_ms)),
            y1541_ipdv_ms: rounded(y1541.map(|it| it.ipdv_ms)),
            y1541_iplr: rounded(y1541.map(|it| it.iplr)),
            y1541_sound: y1541.map(|it| it.is_sound()),
            relay_cost: None,
            latency_histogram: Histogram::of(&total.latency).buckets().map(buckets).collect(),
            http: None,
            tcp: None,
        }
    }

    pub(super) fn add_flow(&mut self, flow: &Flow) {
        match flow {
            Flow::Http(run) => {
                let figures = LoadFigures::of(run);
                let queued = |percent| rounded(figures.queued.percentile(percent).map(ms));
                self.schedule_error_p50_ms = queued(50.0);
                self.schedule_error_p99_ms = queued(99.0);
                self.schedule_error_max_ms = rounded(figures.queued.max().map(ms));
                self.late = figures.late;
                self.http = Some(HttpDetail::of(run, &figures));
            }
            Flow::Tcp(run) => self.tcp = Some(TcpDetail::of(run, &BulkFigures::of(run))),
        }
    }
}
