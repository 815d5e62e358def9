//! Which metrics there are, and where in a row each has its values.

use crate::report::http_detail::Percentiles;
use crate::report::{HttpDetail, Row, TcpDetail};

/// A metric: its name, which ends in the base unit, and its values in a row.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) values: fn(&Row) -> Vec<Value>,
}

pub(super) enum Kind {
    Gauge,
    /// Quantiles, with the sum and the count of what they are of.
    Summary,
}

/// A value with the labels that tell it from others of its family; blank is left out.
pub(super) struct Value {
    pub(super) suffix: &'static str,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Option<f64>,
}

/// Every metric: of all tests, of requests, of streams.
pub(super) const FAMILIES: [&[Family]; 3] = [&OF_ALL, &OF_REQUESTS, &OF_STREAMS];

const OF_ALL: [Family; 14] = [
    gauge("selat_qos_started_timestamp_seconds", "When the run began, Unix time.", |row| {
        one(Some(row.started_at.as_millisecond() as f64 / 1e3))
    }),
    gauge("selat_qos_duration_seconds", "First send to last answer or send.", |row| {
        one(row.duration_s)
    }),
    gauge("selat_qos_sent", "Probes or requests that left.", |row| count(Some(row.sent))),
    gauge("selat_qos_received", "Those with a good answer.", |row| count(Some(row.received))),
    gauge("selat_qos_lost", "Those without, by the way on which they were lost.", |row| {
        let number = |count: Option<u64>| count.map(|count| count as f64);
        let (up, down) = (number(row.detail.lost_up), number(row.detail.lost_down));
        let unknown = up.map_or(Some(row.lost), |_| row.detail.lost_unknown);
        each("way", [("up", up), ("down", down), ("unknown", number(unknown))])
    }),
    gauge("selat_qos_duplicates", "Answers after the first to the same probe.", |row| {
        count(row.duplicates)
    }),
    gauge("selat_qos_reordered", "Answers that were overtaken (RFC 4737).", |row| {
        count(row.reordered)
    }),
    gauge("selat_qos_loss_ratio", "Lost / sent.", |row| one(row.loss_pct.map(of_percent))),
    gauge(
        "selat_qos_throughput_bytes_per_second",
        "Payload received over the duration; of streams, both ways together.",
        |row| one(row.throughput_bps.map(bytes)),
    ),
    summary("selat_qos_latency_seconds", "Round trips, less known residence.", |row| {
        let quantiles = [
            ("0", row.latency_min_ms),
            ("0.5", row.latency_p50_ms),
            ("0.95", row.latency_p95_ms),
            ("0.99", row.latency_p99_ms),
            ("1", row.latency_max_ms),
        ];
        distribution(&[], quantiles, row.received, row.latency_mean_ms)
    }),
    gauge("selat_qos_one_way_seconds", "Median delay on each way.", |row| {
        let (up, down) = (row.detail.one_way_up_p50_ms, row.detail.one_way_down_p50_ms);
        each("way", [("up", up.map(seconds)), ("down", down.map(seconds))])
    }),
    gauge("selat_qos_jitter_seconds", "Mean step from one latency to the next.", |row| {
        one(row.jitter_ms.map(seconds))
    }),
    gauge("selat_qos_mos", "Voice score, ITU-T G.107, 1 to 4.5.", |row| one(row.mos)),
    gauge("selat_qos_tiphon_index", "TIPHON (customary) index, 1 to 4.", |row| {
        one(row.tiphon_index)
    }),
];

const OF_REQUESTS: [Family; 6] = [
    gauge("selat_qos_requests", "Requests by what came of them.", |row| {
        requests(row, |http| {
            let outcomes = http.outcomes.iter();
            let labelled =
                |(outcome, count): (&String, &u64)| labelled("outcome", outcome, *count as f64);
            outcomes.map(labelled).collect()
        })
    }),
    gauge("selat_qos_requests_per_second", "Requests answered, whatever the status.", |row| {
        requests(row, |http| one(http.requests_per_s))
    }),
    gauge("selat_qos_dropped_requests", "Due, but no connection was free in time.", |row| {
        requests(row, |http| count(http.dropped))
    }),
    summary("selat_qos_request_seconds", "The parts of a request's time, and the whole.", |row| {
        requests(row, |http| {
            let parts = [
                ("connect", &http.connect),
                ("tls", &http.tls),
                ("waiting", &http.queued),
                ("first_byte", &http.first_byte),
                ("body", &http.body),
                ("service", &http.service),
                ("response", &http.response),
            ];
            parts
                .into_iter()
                .flat_map(|(part, times)| percentiles(&[("part", part)], times))
                .collect()
        })
    }),
    summary("selat_qos_cache_seconds", "Service time by what the nearest cache did.", |row| {
        requests(row, |http| {
            let verdicts = http.verdicts.iter();
            verdicts.flat_map(|(name, times)| percentiles(&[("verdict", name)], times)).collect()
        })
    }),
    gauge(
        "selat_qos_cache_difference_seconds",
        "Median of misses less that of hits, with the ends of its 95 % interval.",
        |row| {
            requests(row, |http| {
                let found = http.comparison.as_ref();
                let estimate = found.and_then(|it| it.difference_ms);
                let low = found.and_then(|it| it.difference_low_ms);
                let high = found.and_then(|it| it.difference_high_ms);
                let bounds = [("estimate", estimate), ("low", low), ("high", high)];
                each("bound", bounds.map(|(bound, ms)| (bound, ms.map(seconds))))
            })
        },
    ),
];

const OF_STREAMS: [Family; 10] = [
    gauge("selat_qos_goodput_bytes_per_second", "Content of streams, by direction.", |row| {
        streams(row, |tcp| {
            each("way", [("up", tcp.up_bps.map(bytes)), ("down", tcp.down_bps.map(bytes))])
        })
    }),
    gauge("selat_qos_streams", "Streams at the end.", |row| {
        streams(row, |tcp| count(tcp.streams.map(u64::from)))
    }),
    gauge("selat_qos_broken_streams", "Streams that broke off.", |row| {
        streams(row, |tcp| count(Some(tcp.broken)))
    }),
    summary(
        "selat_qos_probe_seconds",
        "Steps of a small request, without and under load.",
        |row| {
            streams(row, |tcp| {
                let probes = [
                    ("idle", "connect", &tcp.idle_connect),
                    ("idle", "request", &tcp.idle),
                    ("loaded", "connect", &tcp.loaded_connect),
                    ("loaded", "request", &tcp.loaded),
                    ("among_load", "request", &tcp.loaded_own),
                ];
                let each =
                    |(path, step, times)| percentiles(&[("path", path), ("step", step)], times);
                probes.into_iter().flat_map(each).collect()
            })
        },
    ),
    gauge("selat_qos_added_latency_seconds", "Added by the load to the median request.", |row| {
        streams(row, |tcp| one(tcp.added_latency_ms.map(seconds)))
    }),
    summary("selat_qos_rtt_seconds", "Round trips of the streams by the kernel.", |row| {
        streams(row, |tcp| percentiles(&[], &tcp.rtt))
    }),
    gauge("selat_qos_retransmitted_segments", "Segments of uploads sent again.", |row| {
        streams(row, |tcp| count(tcp.retransmits))
    }),
    gauge("selat_qos_retransmitted_ratio", "Bytes of uploads sent again / sent.", |row| {
        streams(row, |tcp| one(tcp.resent_pct.map(of_percent)))
    }),
    gauge("selat_qos_congestion_window_bytes", "Median congestion window of uploads.", |row| {
        streams(row, |tcp| count(tcp.cwnd_bytes))
    }),
    gauge(
        "selat_qos_responsiveness_rpm",
        "Round trips a minute: under load, its parts, idle.",
        |row| {
            streams(row, |tcp| {
                let found = tcp.responsiveness.as_ref();
                let all = found.and_then(|it| it.rpm);
                let foreign = found.and_then(|it| it.foreign_rpm);
                let loaded = found.and_then(|it| it.loaded_rpm);
                let idle = found.and_then(|it| it.idle_rpm);
                let probes =
                    [("all", all), ("foreign", foreign), ("loaded", loaded), ("idle", idle)];
                each("probes", probes)
            })
        },
    ),
];

const fn gauge(name: &'static str, help: &'static str, values: fn(&Row) -> Vec<Value>) -> Family {
    Family { name, kind: Kind::Gauge, help, values }
}

const fn summary(name: &'static str, help: &'static str, values: fn(&Row) -> Vec<Value>) -> Family {
    Family { name, kind: Kind::Summary, help, values }
}

fn requests(row: &Row, values: fn(&HttpDetail) -> Vec<Value>) -> Vec<Value> {
    row.detail.http.as_ref().map_or_else(Vec::new, values)
}

fn streams(row: &Row, values: fn(&TcpDetail) -> Vec<Value>) -> Vec<Value> {
    row.detail.tcp.as_ref().map_or_else(Vec::new, values)
}

fn one(value: Option<f64>) -> Vec<Value> {
    vec![Value { suffix: "", labels: Vec::new(), value }]
}

fn count(count: Option<u64>) -> Vec<Value> {
    one(count.map(|count| count as f64))
}

fn labelled(label: &'static str, name: &str, value: f64) -> Value {
    Value { suffix: "", labels: vec![(label, name.to_owned())], value: Some(value) }
}

fn each<const N: usize>(label: &'static str, values: [(&str, Option<f64>); N]) -> Vec<Value> {
    values.into_iter().filter_map(|(name, value)| Some(labelled(label, name, value?))).collect()
}

fn percentiles(labels: &[(&'static str, &str)], times: &Percentiles) -> Vec<Value> {
    let quantiles = [
        ("0", times.min_ms),
        ("0.5", times.p50_ms),
        ("0.9", times.p90_ms),
        ("0.95", times.p95_ms),
        ("0.99", times.p99_ms),
        ("0.999", times.p999_ms),
        ("1", times.max_ms),
    ];
    distribution(labels, quantiles, times.count, times.mean_ms)
}

/// The quantiles of some times with their sum and their count; nothing where there are none.
fn distribution<const N: usize>(
    labels: &[(&'static str, &str)],
    quantiles: [(&str, Option<f64>); N],
    count: u64,
    mean_ms: Option<f64>,
) -> Vec<Value> {
    let Some(mean_ms) = mean_ms else { return Vec::new() };
    let labels: Vec<(&'static str, String)> =
        labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect();
    let with = |quantile: &str| {
        labels.iter().cloned().chain([("quantile", quantile.to_owned())]).collect()
    };
    let mut values: Vec<Value> = quantiles
        .into_iter()
        .map(|(quantile, ms)| Value { suffix: "", labels: with(quantile), value: ms.map(seconds) })
        .collect();
    let sum = seconds(mean_ms * count as f64);
    values.push(Value { suffix: "_sum", labels: labels.clone(), value: Some(sum) });
    values.push(Value { suffix: "_count", labels, value: Some(count as f64) });
    values
}

fn seconds(ms: f64) -> f64 {
    ms / 1e3
}

fn bytes(bits: f64) -> f64 {
    bits / 8.0
}

fn of_percent(percent: f64) -> f64 {
    percent / 100.0
}
