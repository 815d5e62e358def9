//! The sending half: takes the probes of all clients in the order in which they are due, waits for
//! each deadline, stamps, sends. A probe whose time is past is sent late, never skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

use super::client::Client;
use super::kernel;
use super::live::Live;
use super::probe;
use super::spec::{Pace, SIZE_MAX};
use crate::schedule::Times;

/// From the start of the clock to the first deadline, so that the first probe is not late.
pub(crate) const LEAD_IN: Duration = Duration::from_millis(2);
/// A send that reports an earlier probe's ICMP error sends nothing; the second attempt does.
const SEND_ATTEMPTS: u32 = 2;
/// How far the kernel may delay this thread's wake-ups to bundle them.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Sends every probe of the run; returns why the first of those that did not leave failed.
pub(crate) fn send_all(live: &Live<'_>) -> Option<Errno> {
    // Best effort: with the default slack deadlines are met 50 µs later, and reported so.
    let _ = set_current_timer_slack(Some(TIMER_SLACK_NS));
    let mut sender = Sender::new(live);
    let mut probes = Due::new(live).peekable();
    while let Some((due_at, client, seq)) = probes.next() {
        if !live.clock.wait_until(due_at, live.spec.pace(), || live.is_over()) {
            break;
        }
        let (now, mut count) = (live.clock.now(), 1);
        let is_next = |next: &(Duration, &Client, u32)| next.1.id == client.id && next.0 <= now;
        while count < sender.bundle_max && probes.next_if(is_next).is_some() {
            count += 1;
        }
        sender.send_bundle(client, due_at, seq, count);
    }
    sender.first_failure
}

struct Sender<'a> {
    live: &'a Live<'a>,
    datagram: Vec<u8>,
    /// Room for as many as leave with one call, each with its padding.
    bundle: Vec<u8>,
    bundle_max: usize,
    first_failure: Option<Errno>,
    /// CPU time of this thread before it began to send.
    busy_before: Duration,
}

impl<'a> Sender<'a> {
    fn new(live: &'a Live<'a>) -> Self {
        let datagram = probe::blank(live.spec);
        let bundle_max = match live.spec.pace() {
            Pace::Flood => (SIZE_MAX / datagram.len()).clamp(1, Pace::BUNDLE),
            Pace::Eco | Pace::Precise => 1,
        };
        let bundle = datagram.repeat(bundle_max);
        Self { live, datagram, bundle, bundle_max, first_failure: None, busy_before: cpu_time() }
    }

    /// Sends `count` probes from `first` on, which was due at `due_at`, with one call if there are
    /// several.
    fn send_bundle(&mut self, client: &Client, due_at: Duration, first: u32, count: usize) {
        let seqs = || (first..).take(count);
        if count > 1 {
            match self.attempt_bundle(client, first, count) {
                Ok(at) => return seqs().for_each(|_| self.live.count_sent(client, due_at, at)),
                // An earlier probe's: nothing was sent yet.
                Err(error) if self.live.count_icmp(client, error) => {}
                // This kernel, device or size takes no bundles.
                Err(_) => self.bundle_max = 1,
            }
        }
        seqs().for_each(|seq| self.send(client, due_at, seq));
    }

    fn attempt_bundle(
        &mut self,
        client: &Client,
        first: u32,
        count: usize,
    ) -> Result<Duration, Errno> {
        let size = self.datagram.len();
        let at = self.live.clock.now();
        for (seq, datagram) in (first..).take(count).zip(self.bundle.chunks_exact_mut(size)) {
            probe::encode(self.live, client, seq, at, datagram).map_err(|_short| Errno::INVAL)?;
            client.log_sent(seq, at);
        }
        let segment = u16::try_from(size).map_err(|_| Errno::INVAL)?;
        kernel::send_bundle(&client.socket, &self.bundle[..count * size], segment).map(|()| at)
    }

    fn send(&mut self, client: &Client, due_at: Duration, seq: u32) {
        for attempt in 1..=SEND_ATTEMPTS {
            match self.attempt(client, seq) {
                Ok(at) => return self.live.count_sent(client, due_at, at),
                Err(error) if self.live.count_icmp(client, error) && attempt < SEND_ATTEMPTS => {}
                Err(error) => {
                    client.log_unsent(seq);
                    self.first_failure.get_or_insert(error);
                    return;
                }
            }
        }
    }

    fn attempt(&mut self, client: &Client, seq: u32) -> Result<Duration, Errno> {
        let at = self.live.clock.now();
        let datagram = &mut self.datagram;
        probe::encode(self.live, client, seq, at, datagram).map_err(|_short| Errno::INVAL)?;
        client.log_sent(seq, at);
        send(&client.socket, &self.datagram, SendFlags::empty()).map(|_| at)
    }
}

impl Drop for Sender<'_> {
    /// However sending ends, the receiver must not wait for more.
    fn drop(&mut self) {
        self.live.end_sending(cpu_time().saturating_sub(self.busy_before));
    }
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The probes of all clients in the order of their deadlines.
struct Due<'a> {
    live: &'a Live<'a>,
    times: Vec<Times>,
    heads: BinaryHeap<Reverse<(Duration, u32, u32)>>,
}

impl<'a> Due<'a> {
    fn new(live: &'a Live<'a>) -> Self {
        let mut times: Vec<Times> =
            live.clients.iter().map(|client| live.spec.times(client.id)).collect();
        let heads = (0..).zip(&mut times);
        let heads = heads.filter_map(|(id, times)| Some(Reverse((times.next()?, 0, id))));
        Self { live, heads: heads.collect(), times }
    }
}

impl<'a> Iterator for Due<'a> {
    type Item = (Duration, &'a Client, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((due, seq, id)) = self.heads.pop()?;
        let index = id as usize;
        if let Some(following) = self.times.get_mut(index).and_then(Iterator::next) {
            self.heads.push(Reverse((following, seq + 1, id)));
        }
        Some((LEAD_IN + due, self.live.clients.get(index)?, seq))
    }
}
