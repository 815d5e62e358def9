//! The figures of requests that JSON has beside those of a [`super::Row`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::row::rounded;
use crate::analysis::{Distribution, ms};
use crate::load::{LoadFigures, LoadRun, VerdictFigures};

/// Percentiles of a time, ms; `None` for what was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many times there are.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_ms: Option<f64>,
    /// Smallest.
    pub min_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// 99.9th percentile.
    pub p999_ms: Option<f64>,
    /// Largest.
    pub max_ms: Option<f64>,
}

/// Figures of requests, under the names of the JSON document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HttpDetail {
    /// Requests answered a second, whatever the status.
    pub requests_per_s: Option<f64>,
    /// From when requests were due to the last byte.
    pub response: Percentiles,
    /// From when a connection took them up to the last byte.
    pub service: Percentiles,
    /// How long they waited for a free connection; none of a closed loop.
    pub queued: Percentiles,
    /// Looking up the host, ms.
    pub dns_ms: Option<f64>,
    /// TCP handshakes.
    pub connect: Percentiles,
    /// TLS handshakes.
    pub tls: Percentiles,
    /// From the request to the first byte of its answer.
    pub first_byte: Percentiles,
    /// From the first byte to the last.
    pub body: Percentiles,
    /// Requests by what came of them: `status 200`, `timed out`, …
    pub outcomes: BTreeMap<String, u64>,
    /// Requests by what the nearest cache did.
    pub verdicts: BTreeMap<&'static str, Percentiles>,
    /// Requests that were due and never sent: no connection was free in time. `None` in a closed loop, where
    /// none is ever due.
    pub dropped: Option<u64>,
    /// Requests cut off by Ctrl-C.
    pub unfinished: u64,
    /// Share of a processor that measuring took, 0 to 1.
    pub processor_share: Option<f64>,
    /// Hits against misses.
    pub comparison: Option<ComparisonDetail>,
}

/// How much longer misses take than hits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonDetail {
    /// Hits compared.
    pub hits: u64,
    /// Misses compared.
    pub misses: u64,
    /// `cache_status` where that told hits from misses, else `request`.
    pub told_by: &'static str,
    /// Median of hits, ms.
    pub hit_p50_ms: Option<f64>,
    /// Median of misses, ms.
    pub miss_p50_ms: Option<f64>,
    /// Difference of the medians, ms.
    pub difference_ms: Option<f64>,
    /// Lower end of its 95 % interval, ms.
    pub difference_low_ms: Option<f64>,
    /// Upper end, ms.
    pub difference_high_ms: Option<f64>,
    /// How often a miss takes longer than a hit, 0 to 1.
    pub miss_longer: Option<f64>,
    /// Two-sided p-value of the Mann-Whitney U test.
    pub p_value: f64,
}

impl Percentiles {
    pub(super) fn of(times: &Distribution) -> Self {
        let percentile = |percent| rounded(times.percentile(percent).map(ms));
        Self {
            count: times.sorted().len() as u64,
            mean_ms: rounded(times.mean().map(ms)),
            min_ms: rounded(times.min().map(ms)),
            p50_ms: percentile(50.0),
            p90_ms: percentile(90.0),
            p95_ms: percentile(95.0),
            p99_ms: percentile(99.0),
            p999_ms: percentile(99.9),
            max_ms: rounded(times.max().map(ms)),
        }
    }
}

impl HttpDetail {
    pub(super) fn of(run: &LoadRun, figures: &LoadFigures) -> Self {
        let verdict = |it: &VerdictFigures| (it.verdict.as_str(), Percentiles::of(&it.service));
        Self {
            requests_per_s: rounded(figures.answered_per_s),
            response: Percentiles::of(&figures.response),
            service: Percentiles::of(&figures.service),
            queued: Percentiles::of(&figures.queued),
            dns_ms: rounded(run.dns.map(ms)),
            connect: Percentiles::of(&figures.connect),
            tls: Percentiles::of(&figures.tls),
            first_byte: Percentiles::of(&figures.first_byte),
            body: Percentiles::of(&figures.body),
            outcomes: figures
                .outcomes
                .iter()
                .map(|(outcome, count)| (outcome.to_string(), *count))
                .collect(),
            verdicts: figures.verdicts.iter().map(verdict).collect(),
            dropped: (!run.is_closed).then_some(run.dropped),
            unfinished: run.unfinished,
            processor_share: rounded(Some(run.processor_share)),
            comparison: ComparisonDetail::of(figures),
        }
    }
}

impl ComparisonDetail {
    fn of(figures: &LoadFigures) -> Option<Self> {
        let comparison = figures.comparison.as_ref()?;
        let median = |times: &Distribution| rounded(times.percentile(50.0).map(ms));
        let shift = comparison.shift;
        Some(Self {
            hits: comparison.hits.sorted().len() as u64,
            misses: comparison.misses.sorted().len() as u64,
            told_by: if comparison.is_labelled { "cache_status" } else { "request" },
            hit_p50_ms: median(&comparison.hits),
            miss_p50_ms: median(&comparison.misses),
            difference_ms: rounded(Some(shift.median_ms)),
            difference_low_ms: rounded(Some(shift.low_ms)),
            difference_high_ms: rounded(Some(shift.high_ms)),
            miss_longer: rounded(Some(shift.longer)),
            p_value: shift.p_value,
        })
    }
}
