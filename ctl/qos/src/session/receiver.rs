//! The receiving half: waits on the sockets of all clients, knows when what comes came in, tells
//! replies from strangers' datagrams, and knows when the run is over.

use std::thread;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::inbox::{Came, Inbox};
use super::kernel::{self, Arrival};
use super::live::Live;
use super::probe;
use super::spec::{Pace, UdpSpec};
use super::wall::WallTie;
use super::{Cancel, StampSource};

/// How late the end of sending, a cancellation or a time-out may be noticed.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Sockets that one wake-up tells of.
const EVENTS_MAX: usize = 256;
/// Datagrams read from one socket before the others get their turn.
const BATCH_MAX: usize = 64;
/// How long replies may wait to be read together…
const GATHER_MAX: Duration = Duration::from_millis(20);
/// …and how much of a socket's buffer they may take meanwhile, bytes: a part of the least that a kernel grants.
const GATHER_BYTES_MAX: usize = 64 << 10;
/// A cancelled run waits for the replies on their way this many times the slowest so far…
const CANCEL_WAIT_LATENCIES: u32 = 3;
/// …and at least this long.
const CANCEL_WAIT_MIN: Duration = Duration::from_millis(500);

/// Reads replies until all probes are answered or the wait for them is over.
pub(crate) fn receive_all(live: &Live<'_>) -> Result<Received, Errno> {
    let mut receiver = Receiver::new(live)?;
    while !receiver.is_over() {
        receiver.wait()?;
    }
    Ok(Received { inboxes: receiver.inboxes, clock_steps: receiver.wall.steps() })
}

/// All that came back.
pub(crate) struct Received {
    /// One for each client, in their order.
    pub(crate) inboxes: Vec<Inbox>,
    /// How often the wall clock was set meanwhile.
    pub(crate) clock_steps: u64,
}

struct Receiver<'a> {
    live: &'a Live<'a>,
    epoll: rustix::fd::OwnedFd,
    events: Vec<epoll::Event>,
    datagram: Vec<u8>,
    inboxes: Vec<Inbox>,
    slowest: Duration,
    wall: WallTie,
    /// How long replies are left to come together.
    gather: Duration,
    /// Who said when the last of them came in.
    stamps: StampSource,
}

impl<'a> Receiver<'a> {
    fn new(live: &'a Live<'a>) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for client in live.clients {
            let data = epoll::EventData::new_u64(u64::from(client.id));
            epoll::add(&epoll, &client.socket, data, epoll::EventFlags::IN)?;
        }
        let inbox = |client| Inbox::new(live.spec, client);
        Ok(Self {
            live,
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
            // One byte more shows a reply that is too long for an answer.
            datagram: vec![0; probe::answer_len_max(live.spec) + 1],
            inboxes: (0..live.spec.clients()).map(inbox).collect(),
            slowest: Duration::ZERO,
            wall: WallTie::new(&live.clock),
            gather: gather(live.spec),
            stamps: StampSource::User,
        })
    }

    fn is_over(&self) -> bool {
        let Some(ended) = self.live.sending_ended() else { return false };
        if self.live.is_aborted() || self.live.is_refused() || self.live.is_all_answered() {
            return true;
        }
        self.live.clock.now() >= ended + self.final_wait()
    }

    fn final_wait(&self) -> Duration {
        final_wait(self.live.cancel, self.live.spec.timeout(), self.slowest)
    }

    fn wait(&mut self) -> Result<(), Errno> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        self.wall.refresh(&self.live.clock);
        for index in 0..self.events.len() {
            let data = self.events[index].data;
            if let Ok(client) = usize::try_from(data.u64()) {
                self.drain(client);
            }
        }
        if self.stamps == StampSource::Kernel && self.live.sending_ended().is_none() {
            thread::sleep(self.gather);
        }
        Ok(())
    }

    fn drain(&mut self, client: usize) {
        let live = self.live;
        let (Some(client), Some(inbox)) = (live.clients.get(client), self.inboxes.get_mut(client))
        else {
            return;
        };
        for _ in 0..BATCH_MAX {
            match kernel::receive(&client.socket, &mut self.datagram) {
                Ok(arrival) => {
                    let came = came(live, &self.wall, &arrival);
                    self.stamps = came.stamps;
                    let datagram = &self.datagram[..arrival.len];
                    if let Some(latency) = inbox.take(live, client, datagram, came) {
                        self.slowest = self.slowest.max(latency);
                    }
                }
                Err(error) if live.count_icmp(client, error) => {}
                Err(_) => return,
            }
        }
    }
}

/// How long to wait for replies once sending has ended, where the slowest so far took `slowest`.
fn final_wait(cancel: &Cancel, timeout: Duration, slowest: Duration) -> Duration {
    match (cancel.is_cut_off(), cancel.is_cancelled()) {
        (true, _) => Duration::ZERO,
        (false, true) => timeout.min((slowest * CANCEL_WAIT_LATENCIES).max(CANCEL_WAIT_MIN)),
        (false, false) => timeout,
    }
}

/// How long the replies of a run may wait: a wake-up for each costs an [`Pace::Eco`] run as much as sending the
/// probes does, and the kernel has noted when they came in.
fn gather(spec: &UdpSpec) -> Duration {
    match (spec.pace(), spec.schedule().interval()) {
        (Pace::Eco, Some(interval)) => {
            let answer_len = probe::answer_len_max(spec);
            let replies = (GATHER_BYTES_MAX / answer_len).min(BATCH_MAX);
            (interval * replies as u32).min(GATHER_MAX)
        }
        _ => Duration::ZERO,
    }
}

/// When a datagram that was just read came in: by the kernel's stamp where there is a sound one.
fn came(live: &Live<'_>, wall: &WallTie, arrival: &Arrival) -> Came {
    let now = live.clock.now();
    match arrival.stamped.and_then(|stamped| wall.since_start(stamped, now)) {
        Some(at) => Came { at, stamps: StampSource::Kernel },
        None => Came { at: now, stamps: StampSource::User },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cancels_waits_for_what_is_on_its_way_and_who_cuts_off_for_nothing() {
        let (timeout, ms) = (Duration::from_secs(60), Duration::from_millis);
        let cancel = Cancel::default();
        assert_eq!(final_wait(&cancel, timeout, ms(2_000)), timeout);
        cancel.cancel();
        assert_eq!(final_wait(&cancel, timeout, ms(2_000)), ms(6_000));
        assert_eq!(final_wait(&cancel, timeout, ms(1)), CANCEL_WAIT_MIN);
        cancel.cut_off();
        assert_eq!(final_wait(&cancel, timeout, ms(2_000)), Duration::ZERO);
    }
}
