//! What a file may say of requests and streams: nothing whose sums and differences cannot be worked with.

use std::time::Duration;

use super::{BYTES_MAX, TIME_MAX_NS};
use crate::bulk::{BulkRun, Interval, Look, Probe, StreamRun};
use crate::http::Opened;
use crate::load::{Exchange, LoadRun};
use crate::report::Flow;
use crate::session::PROBES_MAX;

/// Streams of one run, at most.
const STREAMS_MAX: usize = 1 << 13;
/// Bytes that one stream carried, at most.
const STREAM_BYTES_MAX: u64 = 1 << 50;

/// Whether a time, if there is one, is one that a run can have.
pub(super) fn is_time(time: Option<Duration>) -> bool {
    time.is_none_or(|time| time <= Duration::from_nanos(TIME_MAX_NS))
}

/// Whether a run can have been so.
pub(super) fn is_possible(flow: &Flow) -> bool {
    match flow {
        Flow::Http(run) => are_requests(run),
        Flow::Tcp(run) => are_streams(run),
    }
}

fn are_times<const N: usize>(times: [Option<Duration>; N]) -> bool {
    times.into_iter().all(is_time)
}

fn is_size(bytes: Option<u64>) -> bool {
    bytes.is_none_or(|bytes| bytes <= BYTES_MAX)
}

fn is_carried(bytes: Option<u64>) -> bool {
    bytes.is_none_or(|bytes| bytes <= STREAM_BYTES_MAX)
}

/// Whether there are no more than a run has probes.
fn is_count(counts: impl IntoIterator<Item = usize>) -> bool {
    counts.into_iter().map(|count| count as u64).sum::<u64>() <= PROBES_MAX
}

fn are_requests(run: &LoadRun) -> bool {
    let exchange = |it: &Exchange| {
        let times = [Some(it.due_at), Some(it.started_at), it.first_byte_at, Some(it.ended_at)];
        are_times(times) && it.opened.as_ref().is_none_or(is_opening) && is_size(Some(it.bytes))
    };
    is_count(run.clients.iter().map(Vec::len))
        && is_count([run.opened.len()])
        && is_time(run.dns)
        && run.opened.iter().all(is_opening)
        && run.clients.iter().flatten().all(exchange)
}

fn is_opening(opened: &Opened) -> bool {
    are_times([Some(opened.connect), opened.tls])
}

fn are_streams(run: &BulkRun) -> bool {
    let interval = |it: &Interval| {
        are_times([Some(it.ends_at), Some(it.length)])
            && is_size(Some(it.down_bytes))
            && is_size(Some(it.up_bytes))
    };
    let probe = |it: &Probe| are_times([Some(it.at), it.connect, it.tls, it.http]);
    is_count([run.intervals.len(), run.probes.len()])
        && run.streams.len() <= STREAMS_MAX
        && are_times([run.loaded_at, run.counted_at, run.ended_at].map(Some))
        && run.intervals.iter().all(interval)
        && run.probes.iter().all(probe)
        && run.streams.iter().all(is_stream)
}

fn is_stream(stream: &StreamRun) -> bool {
    let look = |Look { at, info }: &Look| {
        are_times([Some(*at), Some(info.rtt), info.min_rtt, info.receiver_rtt])
            && [info.acked_bytes, info.sent_bytes, info.resent_bytes].into_iter().all(is_carried)
    };
    is_time(Some(stream.began_at))
        && is_carried(Some(stream.bytes))
        && stream.looks.iter().all(look)
}
