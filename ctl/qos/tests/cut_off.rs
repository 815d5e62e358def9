//! A run that is ended without waiting for what is on its way.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use selat_qos::grade::Profile;
use selat_qos::report::Measurement;
use selat_qos::schedule::Schedule;
use selat_qos::session::{Cancel, Ended, Progress, UdpSpec, run};

/// Probes that the peer answers; it is silent then.
const ANSWERED: u64 = 20;

#[test]
fn nothing_counts_as_lost_that_may_be_on_its_way() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let schedule = Schedule::isochronous(1_000_000, 500.0).unwrap();
    let timeout = Duration::from_secs(300);
    let spec = UdpSpec::new(peer.local_addr().unwrap(), schedule, 172, timeout).unwrap();
    let (progress, cancel) = (Progress::default(), Cancel::default());
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            let mut datagram = [0; 2_048];
            for _ in 0..ANSWERED {
                let (len, from) = peer.recv_from(&mut datagram).unwrap();
                peer.send_to(&datagram[..len], from).unwrap();
            }
            while progress.snapshot().received < ANSWERED || progress.snapshot().sent < 40 {
                thread::yield_now();
            }
            cancel.cut_off();
        });
        run(&spec, &progress, &cancel).unwrap()
    });
    let unawaited = run.clients[0].unawaited;
    assert!(run.ended == Ended::Cancelled && unawaited >= 40 - ANSWERED, "{unawaited}");
    let measurement = Measurement::udp(&spec, run);
    let row = &measurement.rows(&Profile::default())[0];
    assert_eq!((row.sent, row.lost), (ANSWERED, 0));
    let told = measurement.conditions.iter().find(|it| it.name.contains("not waited for"));
    assert_eq!(told.unwrap().value, unawaited.to_string());
}
