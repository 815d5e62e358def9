//! What came back to one client: replies sorted to their probes, duplicates and strangers counted.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::client::Client;
use super::kernel;
use super::live::Live;
use super::probe::{Reply, identify};
use super::sender::LEAD_IN;
use super::spec::UdpSpec;
use super::{ClientRun, StampSource};
use crate::sample::Sample;

/// Most copies made on the way there that are told from copies of their answers.
const COPIES_MAX: usize = 1 << 20;

/// What the other end of a UDP run does with a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Sends it back as it is: the latency includes the time that it was held.
    Echo,
    /// Answers as a STAMP Session-Reflector (RFC 8762 §4.3), with the time that it was held.
    Reflector,
    /// The same with authentication (RFC 8762 §4.4).
    Authenticated,
    /// Answers with the time that it was held, and knows no session ids: TWAMP-Light (RFC 5357
    /// appendix I), or STAMP from before RFC 8972.
    TwampLight,
}

/// The replies of one client.
#[derive(Debug)]
pub(crate) struct Inbox {
    samples: Vec<Sample>,
    /// The number after the highest that was answered.
    next: u32,
    newest: Duration,
    foreign: u64,
    user_stamped: u64,
    peer: Option<Peer>,
    /// Whether the reflector is known to count, not to copy the sender's number.
    counts: bool,
    /// Numbers that the reflector gave copies of probes.
    copies: HashSet<u32>,
}

/// When a datagram came in, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) at: Duration,
    pub(crate) stamps: StampSource,
}

impl Inbox {
    pub(crate) fn new(spec: &UdpSpec, client: u32) -> Self {
        let unanswered = |(seq, due)| Sample::sent(seq, LEAD_IN + due, Duration::ZERO);
        Self {
            samples: (0..).zip(spec.times(client)).map(unanswered).collect(),
            next: 0,
            newest: Duration::ZERO,
            foreign: 0,
            user_stamped: 0,
            peer: None,
            counts: false,
            copies: HashSet::new(),
        }
    }

    /// Takes a datagram; returns the latency if it is the first answer to a
    /// probe of `client`.
    pub(crate) fn take(
        &mut self,
        live: &Live<'_>,
        client: &Client,
        datagram: &[u8],
        came: Came,
    ) -> Option<Duration> {
        let Some(reply) = identify(live, client, datagram) else {
            self.foreign += 1;
            return None;
        };
        // Two stamps that tie would hide which of the replies came first.
        self.newest = came.at.max(self.newest + Duration::from_nanos(1));
        self.counts |= reply.counts;
        let sample = self.samples.get_mut(reply.seq as usize)?;
        if sample.received_at.is_some() {
            take_duplicate(sample, &reply, &mut self.copies);
            return None;
        }
        sample.sent_at = reply.sent_at;
        sample.received_at = Some(self.newest);
        sample.residence = reply.residence;
        sample.reflection = reply.reflection;
        sample.bytes = datagram.len() as u64;
        let latency = sample.latency()?;
        self.user_stamped += u64::from(came.stamps == StampSource::User);
        self.peer.get_or_insert(reply.peer);
        live.count_answered(client, sample, latency);
        self.count_overtaken(live, reply.seq);
        Some(latency)
    }

    /// What `client` measured: the samples of the probes that left. One that was answered later than `timeout` is
    /// lost, whenever it was sent: the last are waited for no longer (RFC 7680 §2.6: one threshold for all).
    pub(crate) fn close(mut self, client: &Client, timeout: Duration) -> ClientRun {
        self.samples.retain_mut(|sample| match client.sent_at(sample.seq) {
            Some(sent_at) => {
                sample.sent_at = sent_at;
                true
            }
            None => false,
        });
        let mut late = 0;
        for sample in &mut self.samples {
            if sample.received_at.is_some_and(|at| at.saturating_sub(sample.sent_at) > timeout) {
                *sample = Sample::sent(sample.seq, sample.due_at, sample.sent_at);
                late += 1;
            }
        }
        if !self.counts {
            let reflections = self.samples.iter_mut().filter_map(|it| it.reflection.as_mut());
            reflections.for_each(|reflection| reflection.number = None);
        }
        ClientRun {
            client: client.id + 1,
            samples: self.samples,
            peer: self.peer,
            unsent: client.unsent.load(Relaxed),
            refused: client.refused.load(Relaxed),
            unreachable: client.unreachable.load(Relaxed),
            foreign: self.foreign,
            late,
            user_stamped: self.user_stamped,
            overruns: kernel::overruns(&client.socket),
            unawaited: 0,
        }
    }

    fn count_overtaken(&mut self, live: &Live<'_>, seq: u32) {
        match seq.checked_sub(self.next) {
            Some(overtaken) => {
                live.progress.probes_overtaken(overtaken);
                self.next = seq + 1;
            }
            None => live.progress.overtaken_probe_answered(),
        }
    }
}

/// A further answer has the number of the first, or is that to a copy of the probe and has another; or
/// it is itself a copy of such a one.
fn take_duplicate(sample: &mut Sample, reply: &Reply, copies: &mut HashSet<u32>) {
    sample.duplicates += 1;
    let (Some(first), Some(further)) = (sample.reflection.as_mut(), reply.reflection) else {
        return;
    };
    let Some(number) = further.number.filter(|number| first.number != Some(*number)) else {
        return;
    };
    if copies.len() < COPIES_MAX && copies.insert(number) {
        first.copies += 1;
    }
}
