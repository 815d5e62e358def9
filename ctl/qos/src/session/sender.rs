//! The sending half: takes the probes of all clients in the order in which they are due, waits for
//! each deadline, stamps, sends. A probe whose time is past is sent late, never skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::thread::set_current_timer_slack;
use selat_proto::stamp::{self, ErrorEstimate, SenderPacket};

use super::client::Client;
use super::live::Live;
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
    for (due_at, client, seq) in Due::new(live) {
        if !live.clock.wait_until(due_at, live.spec.pace(), || live.is_over()) {
            break;
        }
        sender.send(client, seq);
    }
    sender.first_failure
}

struct Sender<'a> {
    live: &'a Live<'a>,
    datagram: Vec<u8>,
    first_failure: Option<Errno>,
}

impl<'a> Sender<'a> {
    fn new(live: &'a Live<'a>) -> Self {
        let mut datagram = vec![0; live.spec.size()];
        stamp::tlv::request(&mut datagram[stamp::OPEN_LEN..]);
        Self { live, datagram, first_failure: None }
    }

    fn send(&mut self, client: &Client, seq: u32) {
        for attempt in 1..=SEND_ATTEMPTS {
            match self.attempt(client, seq) {
                Ok(()) => return self.live.count_sent(),
                Err(error) if self.live.count_icmp(client, error) && attempt < SEND_ATTEMPTS => {}
                Err(error) => {
                    client.log_unsent(seq);
                    self.first_failure.get_or_insert(error);
                    return;
                }
            }
        }
    }

    fn attempt(&mut self, client: &Client, seq: u32) -> Result<(), Errno> {
        let at = self.live.clock.now();
        let sent = self.live.clock.stamp(at);
        let error = ErrorEstimate::UNSYNCHRONISED;
        let probe = SenderPacket { seq, sent, error, ssid: client.ssid };
        // The spec's smallest size is the packet's: it always fits.
        probe.encode(&mut self.datagram).map_err(|_too_short| Errno::INVAL)?;
        client.log_sent(seq, at);
        send(&client.socket, &self.datagram, SendFlags::empty()).map(drop)
    }
}

impl Drop for Sender<'_> {
    /// However sending ends, the receiver must not wait for more.
    fn drop(&mut self) {
        self.live.end_sending();
    }
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
