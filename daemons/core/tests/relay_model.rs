//! The relay's table against a model that keeps a plain list and searches it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use selat_core::relay::{ClientAddr, DropReason, Limits, SessionId, Sessions, Verdict};

const LIMITS: Limits = Limits {
    idle_timeout: Duration::from_secs(10),
    sessions_max: 6,
    sessions_per_client_max: 3,
    shed_idle_min: Duration::from_secs(2),
    open_rate: Limits::OPEN_RATE,
    session_rate: None,
};

#[derive(Clone, Debug)]
enum Step {
    Datagram { host: u8, port: u16 },
    Reply { nth: usize },
    Close { nth: usize },
    Wait { millis: u64 },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u8, 1..6_u16).prop_map(|(host, port)| Step::Datagram { host, port }),
        3 => (0..32_usize).prop_map(|nth| Step::Reply { nth }),
        1 => (0..32_usize).prop_map(|nth| Step::Close { nth }),
        3 => (0..4_000_u64).prop_map(|millis| Step::Wait { millis }),
        2 => Just(Step::Expire),
    ]
}

/// Open sessions, the least recently used first.
#[derive(Default)]
struct Model(Vec<(SessionId, SocketAddr, Instant)>);

impl Model {
    fn used(&mut self, id: SessionId, now: Instant) -> Option<SocketAddr> {
        let place = self.0.iter().position(|entry| entry.0 == id)?;
        let (id, client, _) = self.0.remove(place);
        self.0.push((id, client, now));
        Some(client)
    }

    fn of_host(&self, host: &SocketAddr) -> usize {
        self.0.iter().filter(|entry| entry.1.ip() == host.ip()).count()
    }

    fn check(&mut self, verdict: Verdict, from: SocketAddr, now: Instant) {
        let known = self.0.iter().find(|entry| entry.1 == from).map(|entry| entry.0);
        let client_full = self.of_host(&from) >= LIMITS.sessions_per_client_max as usize;
        let full = self.0.len() >= LIMITS.sessions_max as usize;
        let quiet = full && now - self.0[0].2 >= LIMITS.shed_idle_min;
        match (known, verdict) {
            (Some(known), Verdict::Forward(id)) => {
                assert_eq!(known, id);
                self.used(id, now);
            }
            (None, Verdict::Open { session, shed }) => {
                assert!(!client_full);
                assert_eq!(shed.is_some(), full);
                if let Some(shed) = shed {
                    assert!(quiet);
                    assert_eq!(shed.id(), self.0.remove(0).0);
                }
                assert!(self.0.iter().all(|entry| entry.0 != session));
                self.0.push((session, from, now));
            }
            (None, Verdict::Drop(DropReason::ClientCap)) => assert!(client_full),
            (None, Verdict::Drop(DropReason::TableFull)) => assert!(full && !quiet && !client_full),
            (known, verdict) => panic!("{from}: known as {known:?}, got {verdict:?}"),
        }
    }
}

fn run(steps: Vec<Step>, mut now: Instant) {
    let mut sessions = Sessions::new(LIMITS, now);
    let mut model = Model::default();
    let mut issued: Vec<SessionId> = Vec::new();
    for step in steps {
        match step {
            Step::Datagram { host, port } => {
                let from = SocketAddr::from((Ipv4Addr::new(192, 0, 2, host), port));
                let verdict = sessions.handle(ClientAddr::new(from), 1, now);
                if let Verdict::Open { session, .. } = verdict {
                    assert!(!issued.contains(&session), "a handle was issued twice");
                    issued.push(session);
                }
                model.check(verdict, from, now);
            }
            Step::Reply { nth } if !issued.is_empty() => {
                let id = issued[nth % issued.len()];
                let client = sessions.reply(id, 1, now).map(ClientAddr::socket_addr);
                assert_eq!(client, model.used(id, now));
            }
            Step::Close { nth } if !issued.is_empty() => {
                let id = issued[nth % issued.len()];
                let open = model.0.iter().position(|entry| entry.0 == id);
                assert_eq!(sessions.close(id).is_some(), open.is_some());
                open.map(|place| model.0.remove(place));
            }
            Step::Reply { .. } | Step::Close { .. } => {}
            Step::Wait { millis } => now += Duration::from_millis(millis),
            Step::Expire => {
                let ended: Vec<_> = sessions.expire(now).map(|session| session.id()).collect();
                let due = model.0.iter().take_while(|entry| entry.2 + LIMITS.idle_timeout <= now);
                let due: Vec<_> = due.map(|entry| entry.0).collect();
                model.0.drain(..due.len());
                assert_eq!(ended, due);
            }
        }
        assert_eq!(sessions.len(), model.0.len());
        let next = model.0.first().map(|entry| entry.2 + LIMITS.idle_timeout);
        assert_eq!(sessions.next_timeout(), next);
    }
}

proptest! {
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
    fn the_table_does_what_a_searched_list_would_do(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        run(steps, Instant::now());
    }
}
