//! The relay's table of sessions, question by question.
#![allow(clippy::expect_used, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use selat_core::relay::{
    ClientAddr, DropReason, Limits, PAGE_SLOTS, Rate, Session, SessionId, Sessions, TokenBucket,
    Verdict,
};

const SECOND: Duration = Duration::from_secs(1);

/// A table and a clock that moves when told.
struct Table {
    sessions: Sessions,
    now: Instant,
}

impl Table {
    #[allow(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self { sessions: Sessions::new(limits, now), now }
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn handle(&mut self, from: &str) -> Verdict {
        self.sessions.handle(client(from), 100, self.now)
    }

    fn opens(&mut self, from: &str) -> SessionId {
        match self.handle(from) {
            Verdict::Open { session, shed: None } => session,
            other => panic!("{from}: expected a plain open, got {other:?}"),
        }
    }

    fn forwards(&mut self, from: &str) -> SessionId {
        match self.handle(from) {
            Verdict::Forward(session) => session,
            other => panic!("{from}: expected a forward, got {other:?}"),
        }
    }

    fn drops(&mut self, from: &str) -> DropReason {
        match self.handle(from) {
            Verdict::Drop(reason) => reason,
            other => panic!("{from}: expected a drop, got {other:?}"),
        }
    }

    fn expired(&mut self) -> Vec<SessionId> {
        self.sessions.expire(self.now).map(|session| session.id()).collect()
    }
}

fn client(addr: &str) -> ClientAddr {
    ClientAddr::new(addr.parse::<SocketAddr>().expect("an address"))
}

fn rate(per_second: u32, burst: u32) -> Rate {
    let of = |n| NonZeroU32::new(n).expect("a positive number");
    Rate::new(of(per_second), of(burst))
}

fn small(sessions_max: u32) -> Limits {
    Limits { sessions_max, ..Limits::default() }
}

#[test]
fn a_client_keeps_its_session_and_replies_find_it() {
    let mut table = Table::new(Limits::default());
    let (one, two) = (table.opens("192.0.2.1:4000"), table.opens("192.0.2.1:4001"));
    assert_ne!(one, two);
    assert_eq!(table.forwards("192.0.2.1:4000"), one);
    assert_eq!(table.forwards("192.0.2.1:4001"), two);
    let now = table.now;
    assert_eq!(table.sessions.reply(two, 50, now), Some(client("192.0.2.1:4001")));
    assert_eq!(table.sessions.reply(one, 50, now), Some(client("192.0.2.1:4000")));
}

#[test]
fn traffic_is_counted_each_way() {
    let mut table = Table::new(Limits::default());
    let id = table.opens("192.0.2.1:4000");
    table.forwards("192.0.2.1:4000");
    let now = table.now;
    table.sessions.reply(id, 7, now);
    let session = table.sessions.session(id).expect("the session");
    assert_eq!((session.up().datagrams, session.up().bytes), (2, 200));
    assert_eq!((session.down().datagrams, session.down().bytes), (1, 7));
}

#[test]
fn a_session_ends_exactly_at_its_idle_timeout() {
    let mut table = Table::new(Limits::default());
    let id = table.opens("192.0.2.1:4000");
    assert_eq!(table.sessions.next_timeout(), Some(table.now + Limits::IDLE_TIMEOUT));
    table.after(Limits::IDLE_TIMEOUT - Duration::from_nanos(1));
    assert_eq!(table.expired(), []);
    table.after(Duration::from_nanos(1));
    assert_eq!(table.expired(), [id]);
    assert_eq!(table.sessions.next_timeout(), None);
    assert!(table.sessions.is_empty());
}

#[test]
fn traffic_either_way_keeps_a_session_alive() {
    let mut table = Table::new(Limits::default());
    let (up, down) = (table.opens("192.0.2.1:4000"), table.opens("192.0.2.1:4001"));
    let idle = table.opens("192.0.2.1:4002");
    table.after(30 * SECOND).forwards("192.0.2.1:4000");
    let now = table.now;
    table.sessions.reply(down, 1, now);
    table.after(30 * SECOND);
    assert_eq!(table.expired(), [idle]);
    table.after(30 * SECOND);
    assert_eq!(table.expired(), [up, down]);
}

#[test]
fn the_handle_of_an_ended_session_reaches_no_later_one() {
    let mut table = Table::new(small(1));
    let old = table.opens("192.0.2.1:4000");
    table.after(Limits::IDLE_TIMEOUT);
    assert_eq!(table.expired(), [old]);
    let new = table.opens("192.0.2.2:4000");
    assert_eq!(old.slot(), new.slot());
    let now = table.now;
    assert_eq!(table.sessions.reply(old, 1, now), None);
    assert!(table.sessions.close(old).is_none());
    assert_eq!(table.sessions.close(new).map(|session| session.id()), Some(new));
    assert_eq!(SessionId::from_bits(new.to_bits()), new);
}

#[test]
fn at_the_cap_the_longest_idle_session_makes_room() {
    let mut table = Table::new(small(2));
    table.opens("192.0.2.1:4000");
    let second = table.opens("192.0.2.2:4000");
    table.after(Limits::SHED_IDLE_MIN).forwards("192.0.2.1:4000");
    match table.handle("192.0.2.3:4000") {
        Verdict::Open { shed: Some(shed), session } => {
            assert_eq!(shed.id(), second);
            assert_eq!(session.slot(), second.slot());
        }
        other => panic!("expected the second session to be shed, got {other:?}"),
    }
    assert_eq!(table.sessions.len(), 2);
}

#[test]
fn at_the_cap_sessions_in_use_are_not_shed() {
    let mut table = Table::new(small(2));
    let one = table.opens("192.0.2.1:4000");
    let two = table.opens("192.0.2.2:4000");
    table.after(Limits::SHED_IDLE_MIN - Duration::from_nanos(1));
    assert_eq!(table.drops("192.0.2.3:4000"), DropReason::TableFull);
    assert_eq!(table.forwards("192.0.2.1:4000"), one);
    assert_eq!(table.forwards("192.0.2.2:4000"), two);
}

#[test]
fn one_client_network_has_a_share_of_the_table_only() {
    let limits = Limits { sessions_per_client_max: 2, ..Limits::default() };
    let cases = [
        ("an IPv4 address", ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"], "192.0.2.2:1"),
        ("an IPv6 /64", ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"], "[::2]:1"),
        (
            "IPv4 seen through a dual-stack socket",
            ["192.0.2.1:1", "[::ffff:192.0.2.1]:2", "[::ffff:192.0.2.1]:3"],
            "[::ffff:192.0.2.2]:1",
        ),
    ];
    for (what, [first, second, third], other) in cases {
        let mut table = Table::new(limits);
        let id = table.opens(first);
        table.opens(second);
        assert_eq!(table.drops(third), DropReason::ClientCap, "{what}");
        table.opens(other);
        table.sessions.close(id);
        table.opens(third);
    }
}

#[test]
fn sources_that_cannot_or_must_not_be_answered_open_nothing() {
    let sources = [
        "192.0.2.1:0",
        "0.0.0.0:9",
        "255.255.255.255:9",
        "224.0.0.1:9",
        "[::]:9",
        "[ff02::1]:9",
        "[::ffff:224.0.0.1]:9",
    ];
    let mut table = Table::new(Limits::default());
    for source in sources {
        assert_eq!(table.drops(source), DropReason::Unanswerable, "{source}");
    }
    for source in ["192.0.2.1:7", "192.0.2.1:19", "[2001:db8::1]:13"] {
        assert_eq!(table.drops(source), DropReason::ReservedPort, "{source}");
    }
    assert!(table.sessions.is_empty());
    table.opens("192.0.2.1:123");
}

#[test]
fn sessions_open_no_faster_than_the_open_rate() {
    let mut table = Table::new(Limits { open_rate: rate(1, 2), ..Limits::default() });
    table.opens("192.0.2.1:1");
    let known = table.opens("192.0.2.1:2");
    assert_eq!(table.drops("192.0.2.1:3"), DropReason::OpenRate);
    assert_eq!(table.forwards("192.0.2.1:2"), known, "known clients are not concerned");
    table.after(SECOND).opens("192.0.2.1:3");
    assert_eq!(table.drops("192.0.2.1:4"), DropReason::OpenRate);
}

#[test]
fn a_session_sends_no_faster_than_the_session_rate() {
    let mut table = Table::new(Limits { session_rate: Some(rate(10, 2)), ..Limits::default() });
    let id = table.opens("192.0.2.1:1");
    table.forwards("192.0.2.1:1");
    assert_eq!(table.drops("192.0.2.1:1"), DropReason::SessionRate);
    table.opens("192.0.2.1:2");
    table.after(SECOND / 10).forwards("192.0.2.1:1");
    let session = table.sessions.session(id).expect("the session");
    assert_eq!(session.up().datagrams, 3, "a dropped datagram is not counted as carried");
}

#[test]
fn a_bucket_gives_its_burst_then_its_rate() {
    let start = Table::new(Limits::default()).now;
    let mut bucket = TokenBucket::new(rate(1_000, 10), start);
    let given = (0..100).filter(|_| bucket.admit(1, start)).count();
    assert_eq!(given, 10);
    let millis = |n| start + Duration::from_millis(n);
    let given = (1..=1_000).filter(|&ms| bucket.admit(1, millis(ms))).count();
    assert_eq!(given, 1_000);
    assert!(!bucket.admit(11, millis(60_000)), "more than the burst never fits");
    assert!(bucket.admit(10, millis(60_000)), "a refusal takes nothing");
}

#[test]
fn pages_show_every_session_once() {
    let mut table = Table::new(Limits::default());
    let clients = PAGE_SLOTS * 2 + 10;
    let opened: Vec<_> =
        (0..clients).map(|n| table.opens(&format!("192.0.2.1:{}", 40_000 + n))).collect();
    table.sessions.close(opened[3]);
    let page = |index| table.sessions.page(index).map(|page| page.map(Session::id));
    let seen: Vec<_> = (0..).map_while(page).flatten().collect();
    let rest: Vec<_> = opened.iter().copied().filter(|&id| id != opened[3]).collect();
    assert_eq!(seen, rest);
}

#[test]
fn a_lowered_cap_and_timeout_apply_to_sessions_that_are_open() {
    let mut table = Table::new(small(10));
    let id = table.opens("192.0.2.1:1");
    table.opens("192.0.2.1:2");
    let now = table.now;
    table.sessions.set_limits(Limits { idle_timeout: SECOND, ..small(1) }, now);
    assert_eq!(table.drops("192.0.2.1:3"), DropReason::TableFull);
    table.after(SECOND / 2).forwards("192.0.2.1:2");
    table.after(SECOND / 2);
    assert_eq!(table.expired(), [id]);
}

#[test]
fn tables_that_share_a_listener_share_its_limits() {
    let share =
        Limits { sessions_max: 10, sessions_per_client_max: 3, ..Limits::default() }.share(4);
    assert_eq!((share.sessions_max, share.sessions_per_client_max), (3, 1));
    assert_eq!(share.open_rate, rate(2_500, 2_500));
    assert_eq!(share.idle_timeout, Limits::IDLE_TIMEOUT);
    assert_eq!(Limits::default().share(0), Limits::default());
}

#[test]
fn every_drop_reason_has_a_place_and_a_name_of_its_own() {
    let mut names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DropReason::ALL.len());
    for (place, reason) in DropReason::ALL.into_iter().enumerate() {
        assert_eq!(reason.index(), place);
    }
}
