//! A UDP run against real sockets: what the peer does is known to the datagram, and the figures
//! must say exactly that.

#![expect(clippy::expect_used, reason = "a test whose peer cannot be set up must fail loudly")]

mod answering;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use answering::Answering;
use selat_proto::stamp::{OPEN_LEN, ReflectorPacket, SenderPacket, Timestamp, tlv};
use selat_qos::analysis::Analysis;
use selat_qos::compare::{Finding, Measure};
use selat_qos::grade::Profile;
use selat_qos::report::{Measurement, html};
use selat_qos::schedule::Schedule;
use selat_qos::session::{
    Calibration, Cancel, Ended, Pace, Peer, Progress, Run, StampSource, UdpSpec, calibrate, floor,
    run,
};

/// Far longer than a test may take: a run that waits for it fails its test.
const LONG: Duration = Duration::from_secs(300);
/// How long a run waits for replies that never come.
const SHORT: Duration = Duration::from_secs(1);

fn spec(peer: &Answering, schedule: Schedule, timeout: Duration) -> UdpSpec {
    UdpSpec::new(peer.addr, schedule, 172, timeout).expect("a valid spec")
}

fn at_rate(count: u32, per_s: f64) -> Schedule {
    Schedule::isochronous(count, per_s).expect("a valid schedule")
}

fn measure(spec: &UdpSpec) -> Run {
    run(spec, &Progress::default(), &Cancel::default()).expect("a run")
}

fn figures(run: &Run) -> Analysis {
    Analysis::of(&run.clients[0].samples)
}

fn reflected(probe: &SenderPacket, residence: Duration) -> Vec<u8> {
    let received = Duration::from_secs(1_800_000_000);
    let (t2, t3) = (Timestamp::from_unix(received), Timestamp::from_unix(received + residence));
    let mut reply = vec![0; 172];
    let answer = ReflectorPacket::answering(probe, probe.seq, t2, t3, 64);
    answer.encode(&mut reply).expect("room for the answer");
    reply
}

#[test]
fn a_run_ends_as_soon_as_everything_is_answered() {
    let peer = Answering::echo();
    let started = Instant::now();
    let run = measure(&spec(&peer, at_rate(200, 1_000.0), LONG));
    assert!(started.elapsed() < LONG / 2);
    let figures = figures(&run);
    assert_eq!((run.ended, run.clients[0].peer), (Ended::Complete, Some(Peer::Echo)));
    assert_eq!((figures.sent, figures.received, figures.lost), (200, 200, 0));
    assert_eq!(
        (figures.duplicates, figures.reordered, figures.bytes),
        (Some(0), Some(0), Some(200 * 172))
    );
    assert_eq!(figures.loss_pct, Some(0.0));
    let samples = &run.clients[0].samples;
    assert!(samples[199].sent_at >= samples[0].due_at + Duration::from_millis(199));
    assert!(figures.latency.min().unwrap() > Duration::ZERO);
}

#[test]
fn losses_duplicates_and_swaps_are_counted_exactly() {
    let mut held = None;
    let peer = Answering::new(move |probe, datagram| {
        let reply = datagram.to_vec();
        match probe.seq {
            seq if seq % 7 == 3 => vec![],
            seq if seq % 10 == 0 => vec![reply.clone(), reply.clone(), reply],
            // 25 waits for 26, and 44 for 46: 45 is lost.
            25 | 44 => {
                held = Some(reply);
                vec![]
            }
            26 | 46 => std::iter::once(reply).chain(held.take()).collect(),
            _ => vec![reply],
        }
    });
    let run = measure(&spec(&peer, at_rate(100, 2_000.0), SHORT));
    let lost: Vec<u32> = (0..100).filter(|seq| seq % 7 == 3).collect();
    let tripled = (0..100).filter(|seq| seq % 10 == 0 && seq % 7 != 3).count() as u64;
    let samples = &run.clients[0].samples;
    let found: Vec<u32> = samples.iter().filter(|s| s.is_lost()).map(|s| s.seq).collect();
    assert_eq!(found, lost);
    let figures = figures(&run);
    assert_eq!((figures.sent, figures.lost), (100, lost.len() as u64));
    assert_eq!(figures.loss_pct, Some(14.0));
    assert_eq!((figures.duplicates, figures.reordered), (Some(tripled * 2), Some(2)));
    assert_eq!(figures.loss_runs.longest, 1);
}

#[test]
fn an_answer_after_the_time_out_is_as_lost_in_the_middle_of_a_run_as_at_its_end() {
    // Every other probe is answered when the twentieth after it comes, a second late.
    let mut held = VecDeque::new();
    let peer = Answering::new(move |probe, datagram| {
        held.push_back((probe.seq % 2 == 1).then(|| datagram.to_vec()));
        let due = if held.len() > 20 { held.pop_front().flatten() } else { None };
        let at_once = (probe.seq % 2 == 0).then(|| datagram.to_vec());
        at_once.into_iter().chain(due).collect()
    });
    let run = measure(&spec(&peer, at_rate(60, 20.0), Duration::from_millis(500)));
    let (figures, client) = (figures(&run), &run.clients[0]);
    assert_eq!((figures.sent, figures.lost, client.late), (60, 30, 20));
    assert!(figures.latency.max().unwrap() <= Duration::from_millis(500));
}

#[test]
fn a_burst_leaves_at_once_and_is_answered() {
    let peer = Answering::echo();
    let run = measure(&spec(&peer, Schedule::burst(50).unwrap(), LONG));
    assert_eq!((figures(&run).sent, figures(&run).received), (50, 50));
    assert!(
        run.clients[0]
            .samples
            .iter()
            .all(|sample| sample.due_at == run.clients[0].samples[0].due_at)
    );
}

#[test]
fn probes_that_are_late_are_sent_and_not_skipped() {
    let peer = Answering::echo();
    // A rate that nothing keeps: almost every probe is late.
    let run = measure(&spec(&peer, at_rate(2_000, 1_000_000.0), SHORT));
    let samples = &run.clients[0].samples;
    assert!(samples.iter().map(|sample| sample.seq).eq(0..2_000));
    assert!(samples.iter().all(|sample| sample.sent_at >= sample.due_at));
    assert!(figures(&run).pacing.unwrap().late > 0);
}

#[test]
fn a_generator_that_was_the_limit_is_told_and_a_sound_one_is_not() {
    let peer = Answering::echo();
    let clients = NonZeroU32::new(20).expect("some");
    for (per_s, was_limit) in [(100_000.0, true), (0.5, false)] {
        let spec = spec(&peer, at_rate(if was_limit { 500 } else { 1 }, per_s), SHORT);
        let spec = spec.with_clients(clients).expect("few");
        let told = condition(&Measurement::udp(&spec, measure(&spec)), "generator");
        let starts = told.as_ref().is_some_and(|told| told.starts_with("was the limit: "));
        assert_eq!((told.is_some(), starts), (was_limit, was_limit), "{per_s}: {told:?}");
    }
    // What is sent as fast as it goes has no rate to fall behind.
    let spec = spec(&peer, Schedule::burst(2_000).expect("few"), SHORT).with_pace(Pace::Flood);
    assert_eq!(condition(&Measurement::udp(&spec, measure(&spec)), "generator"), None);
}

#[test]
fn a_reflectors_residence_time_is_known() {
    let residence = Duration::from_micros(3);
    let peer = Answering::new(move |probe, _| vec![reflected(&probe, residence)]);
    let run = measure(&spec(&peer, at_rate(20, 1_000.0), LONG));
    assert_eq!(run.clients[0].peer, Some(Peer::Reflector));
    for sample in &run.clients[0].samples {
        assert_eq!(sample.residence, Some(residence));
        let round_trip = sample.received_at.unwrap() - sample.sent_at;
        assert_eq!(sample.latency(), Some(round_trip - residence));
    }
}

#[test]
fn a_reflector_that_knows_no_session_id_is_understood() {
    let peer = Answering::new(|mut probe, _| {
        probe.ssid = 0;
        vec![reflected(&probe, Duration::ZERO)]
    });
    let run = measure(&spec(&peer, at_rate(10, 1_000.0), LONG));
    assert_eq!(figures(&run).received, 10);
}

#[test]
fn datagrams_that_answer_no_probe_are_counted_and_change_no_figure() {
    let peer = Answering::new(|probe, datagram| {
        let forged = |change: fn(&mut SenderPacket)| {
            let mut probe = probe;
            change(&mut probe);
            let mut reply = datagram.to_vec();
            probe.encode(&mut reply).expect("room");
            reply
        };
        vec![
            b"hello".to_vec(),
            vec![0; 65_000],
            datagram[..OPEN_LEN].to_vec(),
            forged(|probe| probe.ssid ^= 1),
            forged(|probe| probe.sent.0 ^= 1),
            forged(|probe| probe.seq = 1_000_000),
            // Of a probe that has not left yet.
            forged(|probe| probe.seq += 1),
            datagram.to_vec(),
        ]
    });
    let run = measure(&spec(&peer, at_rate(10, 200.0), LONG));
    let figures = figures(&run);
    assert_eq!((figures.received, figures.duplicates, figures.bytes), (10, Some(0), Some(1_720)));
    // The last reply ends the run: what came before it has been read.
    assert_eq!(run.clients[0].foreign, 70);
}

#[test]
fn a_port_where_nobody_listens_ends_the_run_early() {
    let peer = Answering::echo();
    let target = peer.addr;
    drop(peer);
    let spec = UdpSpec::new(target, at_rate(10_000, 100.0), 44, LONG).unwrap();
    let run = measure(&spec);
    assert_eq!(run.ended, Ended::Refused);
    assert!(run.clients[0].refused >= 3);
    assert!(run.clients[0].samples.len() < 10_000);
    assert_eq!(figures(&run).received, 0);
}

#[test]
fn a_cancelled_run_keeps_what_it_measured_and_loses_nothing() {
    let peer = Answering::echo();
    let spec = spec(&peer, at_rate(1_000_000, 500.0), LONG);
    let (progress, cancel) = (Progress::default(), Cancel::default());
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            while progress.snapshot().received < 20 {
                thread::yield_now();
            }
            cancel.cancel();
        });
        run(&spec, &progress, &cancel).unwrap()
    });
    let figures = figures(&run);
    assert_eq!(run.ended, Ended::Cancelled);
    assert!((20..1_000_000).contains(&figures.sent));
    assert_eq!(figures.lost, 0);
}

#[test]
fn progress_ends_at_what_was_measured() {
    let peer = Answering::new(|probe, datagram| match probe.seq % 4 {
        1 => vec![],
        _ => vec![datagram.to_vec()],
    });
    let progress = Progress::default();
    run(&spec(&peer, at_rate(40, 2_000.0), SHORT), &progress, &Cancel::default()).unwrap();
    let end = progress.snapshot();
    assert_eq!((end.planned, end.sent, end.received, end.lost_so_far), (40, 40, 30, 10));
    assert!(end.last_latency.is_some());
}

#[test]
fn a_thousand_clients_each_get_their_own_replies() {
    let peer = Answering::echo();
    let spec = spec(&peer, at_rate(2, 0.5), LONG).with_clients(NonZeroU32::new(1_000).unwrap());
    let spec = spec.unwrap();
    let run = measure(&spec);
    assert_eq!(run.clients.len(), 1_000);
    for (index, client) in run.clients.iter().enumerate() {
        assert_eq!(client.client as usize, index + 1);
        let figures = Analysis::of(&client.samples);
        assert_eq!((figures.sent, figures.received, client.foreign), (2, 2, 0));
    }
    let total = Measurement::udp(&spec, run).total();
    assert_eq!((total.sent, total.received, total.bytes), (2_000, 2_000, Some(2_000 * 172)));
}

#[test]
fn what_a_relay_costs_is_measured_against_the_straight_way() {
    const RELAY: Duration = Duration::from_millis(3);
    let straight = Answering::echo();
    let relay = Answering::new(|probe, datagram| {
        thread::sleep(RELAY);
        if probe.seq % 10 == 0 { vec![] } else { vec![datagram.to_vec()] }
    });
    let spec = spec(&relay, at_rate(100, 200.0), SHORT).with_straight(straight.addr).expect("few");
    let measurement = Measurement::udp(&spec, measure(&spec));
    let other = measurement.straight.as_deref().expect("a straight way");
    assert_eq!(other.target, straight.addr.to_string());
    // In turns: each straight probe is due between two others.
    let due =
        |of: &Measurement| of.clients[0].samples.iter().map(|it| it.due_at).collect::<Vec<_>>();
    let (relayed, direct) = (due(&measurement), due(other));
    assert!(relayed.iter().zip(&direct).all(|(relayed, direct)| relayed < direct));
    assert!(direct.iter().zip(&relayed[1..]).all(|(direct, next)| direct < next));
    assert_eq!((measurement.total().lost, other.total().lost), (10, 0));
    let cost = measurement.relay_cost().expect("two ways");
    let of =
        |measure| *cost.iter().find(|change| change.measure == measure).expect("every measure");
    let (p50, loss) = (of(Measure::P50), of(Measure::Loss));
    assert!(p50.interval.expect("many probes").low >= 2.0 && p50.finding() == Some(Finding::Worse));
    assert_eq!((loss.difference, loss.finding()), (Some(10.0), Some(Finding::Worse)));
    let rows = measurement.rows(&Profile::default());
    assert_eq!((rows.len(), &rows[1].target), (2, &other.target));
    assert!(rows[0].detail.relay_cost.is_some() && rows[1].detail.relay_cost.is_none());
    let page = html(&[measurement], &Profile::default());
    assert!(page.contains("What the relay costs") && page.contains("costs</td>"));
}

#[test]
fn the_largest_datagram_goes_there_and_back() {
    let peer = Answering::echo();
    let spec = UdpSpec::new(peer.addr, at_rate(3, 100.0), 65_507, LONG).unwrap();
    assert_eq!(figures(&measure(&spec)).bytes, Some(3 * 65_507));
}

/// The condition of the measurement that is called `name`.
fn condition(measurement: &Measurement, name: &str) -> Option<String> {
    let found = measurement.conditions.iter().find(|condition| condition.name == name);
    found.map(|condition| condition.value.clone())
}

#[test]
fn the_report_says_where_receive_times_come_from() {
    let peer = Answering::echo();
    let of = |stamps| spec(&peer, at_rate(20, 1_000.0), LONG).with_stamps(stamps);
    for (stamps, user_stamped, said) in
        [(StampSource::Kernel, 0, "kernel, as"), (StampSource::User, 20, "user space, after")]
    {
        let spec = of(stamps);
        let run = measure(&spec);
        assert_eq!((run.user_stamped(), run.clock_steps), ((user_stamped, 20), 0));
        let measurement = Measurement::udp(&spec, run);
        let stamps = condition(&measurement, "receive times").expect("the condition");
        assert!(stamps.starts_with(said), "{stamps}");
    }
}

#[test]
fn answers_that_overrun_the_buffer_are_told_from_loss_on_the_path() {
    const COPIES: usize = 40_000;
    // So many that no receiver drains them as fast as they come.
    let peer = Answering::new(|_, datagram| vec![datagram.to_vec(); COPIES]);
    let spec = UdpSpec::new(peer.addr, at_rate(1, 1.0), 1_400, LONG).expect("a spec");
    let run = measure(&spec);
    let client = &run.clients[0];
    let overruns = client.overruns.expect("a kernel that counts");
    assert!(overruns < COPIES as u64, "{overruns}");
    let shown = condition(&Measurement::udp(&spec, run), "answers dropped here for want of buffer");
    assert_eq!(shown, (overruns > 0).then(|| overruns.to_string()));
}

/// A reflector that counts, behind a path that loses what `up` says on the way there and what
/// `down` says on the way back, and whose clock is `ahead` of this host's.
fn counting(
    up: impl Fn(u32) -> bool + Send + 'static,
    down: impl Fn(u32) -> bool + Send + 'static,
    ahead: Duration,
) -> Answering {
    let mut last = tlv::FollowUp::default();
    let mut count = 0;
    Answering::new(move |probe, datagram| {
        if up(probe.seq) {
            return vec![];
        }
        let now = || {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            Timestamp::from_unix(since_epoch + ahead)
        };
        let answer = ReflectorPacket::answering(&probe, count, now(), now(), 64);
        let mut reply = datagram.to_vec();
        answer.encode(&mut reply).expect("room for the answer");
        tlv::reflect(&mut reply[OPEN_LEN..], last);
        last = tlv::FollowUp { seq: count, sent: answer.sent };
        count += 1;
        if down(probe.seq) { vec![] } else { vec![reply] }
    })
}

#[test]
fn a_counting_reflector_tells_on_which_way_probes_were_lost() {
    type Lost = fn(u32) -> bool;
    let none: Lost = |_| false;
    let cases: [(Lost, Lost, [u64; 3]); 4] = [
        (|seq| seq % 10 == 3, |seq| seq % 25 == 7, [10, 4, 0]),
        // A count that is always the probe's number is a count all the same.
        (none, |seq| seq % 10 == 0, [0, 10, 0]),
        (|seq| (20..50).contains(&seq), |seq| (50..60).contains(&seq), [30, 10, 0]),
        // Nothing comes after these that could tell.
        (|seq| seq >= 90, none, [0, 0, 10]),
    ];
    for (up, down, expected) in cases {
        let peer = counting(up, down, Duration::ZERO);
        let run = measure(&spec(&peer, at_rate(100, 2_000.0), SHORT));
        let found = figures(&run).loss_direction.expect("a count");
        assert_eq!([found.up, found.down, found.unknown], expected);
    }
}

#[test]
fn a_reflector_that_copies_the_probes_number_tells_no_direction() {
    let peer = Answering::new(|probe, _| match probe.seq % 5 {
        1 => vec![],
        _ => vec![reflected(&probe, Duration::ZERO)],
    });
    let run = measure(&spec(&peer, at_rate(50, 2_000.0), SHORT));
    let figures = figures(&run);
    assert_eq!((figures.lost, figures.loss_direction), (10, None));
    assert_eq!(figures.throughput_up_bps, None);
}

#[test]
fn one_way_delays_are_told_without_synchronised_clocks() {
    let ahead = Duration::from_secs(86_400);
    let peer = counting(|_| false, |_| false, ahead);
    let run = measure(&spec(&peer, at_rate(200, 500.0), LONG));
    let figures = figures(&run);
    let one_way = figures.one_way.expect("both ways");
    let off_ms = (one_way.offset_ms - 86_400_000.0).abs();
    assert!(off_ms < 1.0, "{off_ms} ms");
    assert_eq!((one_way.up.sorted().len(), one_way.down.sorted().len()), (200, 200));
    assert!(one_way.error <= figures.latency.percentile(50.0).expect("answers"));
    let sum = one_way.up.mean().unwrap() + one_way.down.mean().unwrap();
    let mean = figures.latency.mean().unwrap();
    assert!(sum.abs_diff(mean) < Duration::from_micros(2), "{sum:?} is not {mean:?}");
}

#[test]
fn this_machine_is_measured_against_a_reflector_of_its_own() {
    let (pace, stamps) = (Pace::Eco, StampSource::Kernel);
    let (progress, cancel) = (Progress::default(), Cancel::default());
    let calibration = Calibration { size: 44, pace, stamps };
    let measurement = calibrate(calibration, &progress, &cancel).expect("a calibration");
    let figures = measurement.total();
    assert_eq!((figures.sent, figures.lost), (200, 0));
    assert!(figures.one_way.is_some());
    let floor = floor(&figures).expect("a floor");
    assert!(floor.value.starts_with("round trip p50 0."), "{floor:?}");
    assert!(calibrate(Calibration { size: 43, ..calibration }, &progress, &cancel).is_err());
}

#[test]
fn a_flood_leaves_in_bundles_and_every_probe_is_answered() {
    let peer = Answering::echo();
    // No more than fit into the peer's buffer: three full bundles and an open one, one probe, probes
    // that are too large to be bundled.
    for (count, size) in [(200, 64), (1, 44), (3, 40_000)] {
        let schedule = Schedule::burst(count).expect("a schedule");
        let spec = UdpSpec::new(peer.addr, schedule, size, LONG).expect("a spec");
        let run = measure(&spec.with_pace(Pace::Flood));
        let client = &run.clients[0];
        let figures = figures(&run);
        assert_eq!((figures.sent, figures.received), (u64::from(count), u64::from(count)));
        assert_eq!((client.foreign, client.unsent, figures.duplicates), (0, 0, Some(0)));
        assert!(client.samples.iter().map(|sample| sample.seq).eq(0..count));
        assert_eq!(figures.bytes, Some(u64::from(count) * size as u64));
    }
}

#[test]
fn bundled_probes_share_a_send_time_and_paced_ones_do_not() {
    let peer = Answering::echo();
    let times = |pace| {
        let spec = spec(&peer, Schedule::burst(128).expect("a schedule"), LONG).with_pace(pace);
        let run = measure(&spec);
        let mut times: Vec<_> = run.clients[0].samples.iter().map(|it| it.sent_at).collect();
        times.dedup();
        times.len()
    };
    assert_eq!(times(Pace::Flood), 2);
    assert_eq!(times(Pace::Eco), 128);
}
