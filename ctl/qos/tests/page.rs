//! The HTML page: self-contained, escaped, of bounded size, and whole when little was measured.

use std::time::Duration;

use selat_qos::bulk::{BulkRun, Interval, Look, Probe, ProbeKind, StreamRun, TcpInfo, Way};
use selat_qos::grade::Profile;
use selat_qos::http::Verdict;
use selat_qos::load::{Exchange, LoadRun, Outcome};
use selat_qos::report::{Condition, Flow, Measurement, Series, Test, html};
use selat_qos::responsiveness::Confidence;
use selat_qos::sample::Sample;

fn samples(count: u32, is_lost: impl Fn(u32) -> bool) -> Vec<Sample> {
    let sample = |seq: u32| {
        let sent_at = Duration::from_millis(u64::from(seq));
        let latency = Duration::from_micros(u64::from(seq) * 7919 % 30_000 + 500);
        let received_at = (!is_lost(seq)).then_some(sent_at + latency);
        Sample { received_at, bytes: 100, ..Sample::sent(seq, sent_at, sent_at) }
    };
    (0..count).map(sample).collect()
}

fn page(clients: Vec<Vec<Sample>>) -> String {
    let series = |(index, samples): (usize, Vec<Sample>)| Series {
        client: format!("client-{}", index + 1),
        samples,
    };
    let measurement = Measurement {
        test: Test::Http,
        target: "http://a.test/<script>alert(\"1\")</script>".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: vec![Condition::new("path", "<b>relay</b>")],
        clients: clients.into_iter().enumerate().map(series).collect(),
        straight: None,
        flow: None,
    };
    html(&[measurement], &Profile::default())
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let page = page(vec![samples(10, |_| false)]);
    assert!(page.contains("&lt;script&gt;alert") && page.contains("&lt;b&gt;relay"));
    assert!(!page.contains("<script") && !page.contains("<b>relay"));
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(vec![samples(10, |_| false)]);
    for reference in [" src=", " href=", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn a_long_run_makes_a_page_of_bounded_size_that_says_so() {
    let page = page(vec![samples(200_000, |seq| seq % 3 == 0)]);
    assert!(page.len() < 200_000, "{}", page.len());
    assert!(page.contains("too many answers to draw each") && page.contains("class=\"band\""));
}

#[test]
fn one_slow_answer_does_not_squeeze_all_others_and_is_said() {
    let mut outlier = samples(1_000, |_| false);
    outlier[500].received_at = Some(outlier[500].sent_at + Duration::from_secs(3));
    let page = page(vec![outlier]);
    assert!(
        page.contains("What is slower stands at its end: 1 of 1,000, up to 3000 ms."),
        "{page}"
    );
    assert!(!page.contains(">3000</text>"));
}

#[test]
fn losses_in_a_row_are_named_with_their_time() {
    let page = page(vec![samples(1_000, |seq| (100..103).contains(&seq) || seq == 7)]);
    assert!(page.contains("Losses in a row: 3 in a row at 0.10 s."), "{page}");
}

#[test]
fn every_drawing_says_in_words_what_it_shows() {
    let page = page(vec![samples(100, |seq| seq == 3), samples(100, |_| false)]);
    let drawings: Vec<&str> = page.split("<svg").skip(1).collect();
    assert!(drawings.len() >= 6, "{}", drawings.len());
    for drawing in drawings {
        let tag = drawing.split('>').next().unwrap();
        let is_named = tag.contains("role=\"img\"") && tag.contains("aria-label=\"");
        assert!(is_named, "{tag}");
    }
    assert_eq!(page.matches("class=\"scroll tall\" tabindex=\"0\"").count(), 1);
}

#[test]
fn runs_of_one_test_are_overlaid_and_each_stands_for_itself_below() {
    let run = |target: &str| Measurement {
        test: Test::Udp,
        target: target.to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: Vec::new(),
        clients: vec![Series { client: "1".to_owned(), samples: samples(50, |_| false) }],
        straight: None,
        flow: None,
    };
    let runs: Vec<Measurement> = (0..8).map(|number| run(&format!("host-{number}:9"))).collect();
    let page = html(&runs, &Profile::default());
    assert!(page.contains("8 runs beside each other") && page.contains("The other 2 runs"));
    assert_eq!(page.matches("class=\"curve run6\"").count(), 2);
    assert_eq!(page.matches("host-7:9</h2>").count(), 1);
    assert!(!html(&runs[..1], &Profile::default()).contains("beside each other"));
}

#[test]
fn each_client_has_a_row_and_the_slowest_a_box() {
    let page = page((0..200).map(|_| samples(5, |_| false)).collect());
    assert_eq!(page.matches(">client-200</td>").count(), 1);
    assert_eq!(page.matches("class=\"box\"").count(), 30);
}

#[test]
fn a_page_is_whole_however_little_was_measured() {
    let measured = [vec![], vec![vec![]], vec![samples(1, |_| false)], vec![samples(9, |_| true)]];
    for clients in measured {
        let page = page(clients);
        assert!(page.ends_with("</html>"));
        assert!(!page.contains("NaN") && !page.contains("inf "), "{page}");
    }
}

#[test]
fn what_a_drawing_leaves_out_is_said_and_only_that() {
    let few = page(vec![samples(41, |_| false)]);
    assert!(!few.contains("are not drawn here") && !few.contains("stands at the edge"), "{few}");
    let mut outlier = samples(150, |_| false);
    outlier[50].received_at = Some(outlier[50].sent_at + Duration::from_secs(3));
    let page = page(vec![outlier]);
    let said = [
        "The slowest, 1, are not drawn here.",
        "What is larger stands at the edge: 2 of 149.",
        "The curve stops where the axis ends: 1 of 150 were slower.",
        "<div class=\"ends\"><span>0 s</span><span>0.075 s</span><span>0.149 s</span></div>",
    ];
    for part in said {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn numbers_have_their_unit_their_sign_and_their_groups() {
    let of = |target: &str, samples| Measurement {
        test: Test::Udp,
        target: target.to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: Vec::new(),
        clients: vec![Series { client: "1".to_owned(), samples }],
        straight: None,
        flow: None,
    };
    let straight = of("192.0.2.2:9", samples(18_421, |_| false));
    let relayed = samples(18_421, |_| false)
        .into_iter()
        .map(|it| Sample { received_at: it.received_at.map(|at| at + ms(1)), ..it });
    let relayed = of("192.0.2.1:9", relayed.collect());
    let page =
        html(&[Measurement { straight: Some(Box::new(straight)), ..relayed }], &Profile::default());
    for part in [
        "data-name=\"Difference\">+1.00 ms</td>",
        " to +1.",
        "<small>1.76 MiB</small>",
        "all 18,421 were answered",
        "<dd>18,421, 18,421</dd>",
        "rounded to whole milliseconds first, half up",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// A page on requests one after the other.
fn page_of_requests(exchanges: Vec<Exchange>) -> String {
    let samples = exchanges.iter().map(Exchange::sample).collect();
    let run = LoadRun {
        started_at: jiff::Timestamp::UNIX_EPOCH,
        dns: None,
        opened: Vec::new(),
        clients: vec![exchanges],
        dropped: 0,
        is_closed: true,
        unfinished: 0,
        is_cancelled: false,
        processor_share: 0.0,
    };
    let measurement = Measurement {
        test: Test::Http,
        target: "http://192.0.2.1/".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: Vec::new(),
        clients: vec![Series { client: "1".to_owned(), samples }],
        straight: None,
        flow: Some(Flow::Http(run)),
    };
    html(&[measurement], &Profile::default())
}

/// Hits and misses in turns, that take as many milliseconds.
fn in_turns(took_ms: impl Fn(u32, bool) -> u64) -> Vec<Exchange> {
    let exchange = |seq: u32| {
        let (at, is_cold) = (ms(u64::from(seq) * 20), seq % 2 == 1);
        let took = ms(took_ms(seq / 2, is_cold));
        Exchange {
            seq,
            due_at: at,
            started_at: at,
            opened: None,
            first_byte_at: Some(at + took),
            ended_at: at + took,
            bytes: 100,
            outcome: Outcome::Status(200),
            verdict: if is_cold { Verdict::Miss } else { Verdict::Hit },
            is_cold,
        }
    };
    (0..200).map(exchange).collect()
}

#[test]
fn a_difference_that_may_be_chance_is_not_claimed() {
    // The ranks differ, but the medians would not if a few times were others.
    let often =
        |number: u32, is_cold: bool| if number % 5 < if is_cold { 3 } else { 2 } { 2 } else { 1 };
    let page = page_of_requests(in_turns(often));
    let doubt = "A hit is likely 2.0 times as fast as a miss, though the difference of the medians may be chance";
    assert!(page.contains(doubt), "{page}");
}

#[test]
fn what_a_cache_saves_is_drawn_with_its_interval() {
    let page = page_of_requests(in_turns(|_, is_cold| if is_cold { 8 } else { 1 }));
    assert!(page.contains("+7.000 (+7.000 to +7.000)") && page.contains("What the cache saves"));
    assert!(page.contains("A hit is 8.0 times as fast as a miss: 100 hits took 1.000"), "{page}");
    for part in
        ["<td>status 200</td><td class=\"n\">200</td>", "<td>HIT</td><td class=\"n\">100</td>"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("class=\"curve run2\"") && page.contains("What the time is made of"));
}

#[test]
fn requests_that_fail_are_not_called_silence() {
    let exchange = |seq: u32| Exchange {
        seq,
        due_at: ms(u64::from(seq)),
        started_at: ms(u64::from(seq)),
        opened: None,
        first_byte_at: Some(ms(u64::from(seq) + 1)),
        ended_at: ms(u64::from(seq) + 1),
        bytes: 100,
        outcome: Outcome::Status(404),
        verdict: Verdict::None,
        is_cold: false,
    };
    let page = page_of_requests((0..20).map(exchange).collect());
    assert!(page.contains("20 of 20 failed: status 404 × 20."), "{page}");
    assert!(page.contains("<small>Failed</small>"), "{page}");
    assert!(!page.contains("Nothing came back") && !page.contains("Unanswered"), "{page}");
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Streams for `seconds` after a second without load, looked at ten times in each.
fn streams(ways: &[Way], seconds: u64) -> BulkRun {
    let end = 1_000 + seconds * 1_000;
    let look = |tick: u64| Look {
        at: ms(1_000 + tick * 100),
        info: TcpInfo {
            rtt: ms(20 + tick % 7),
            min_rtt: Some(ms(20)),
            receiver_rtt: Some(ms(30)),
            cwnd: 10 + tick as u32 % 50,
            mss: 1_448,
            retransmits: tick as u32 / 10,
            acked_bytes: Some(tick * 10_000),
            sent_bytes: Some(tick * 10_000),
            resent_bytes: Some(tick * 100),
            delivery_rate: None,
            out_of_order: None,
        },
    };
    let stream = |(way, began_at)| StreamRun {
        way,
        began_at,
        bytes: 1,
        looks: (0..seconds * 10).map(look).collect(),
    };
    let begun = [ms(1_000), ms(3_000)];
    let probe = |at: u64| Probe {
        at: ms(at),
        kind: if at.is_multiple_of(200) { ProbeKind::Foreign } else { ProbeKind::Loaded },
        connect: Some(ms(5)),
        tls: None,
        http: Some(ms(if at < 1_000 { 10 } else { 40 })),
    };
    BulkRun {
        started_at: jiff::Timestamp::UNIX_EPOCH,
        ways: ways.to_vec(),
        loaded_at: ms(1_000),
        counted_at: ms(2_000),
        ended_at: ms(end),
        intervals: (0..seconds * 10)
            .map(|index| Interval {
                ends_at: ms(1_100 + index * 100),
                length: ms(100),
                down_bytes: 1_250_000,
                up_bytes: 250_000,
                streams: 2,
            })
            .collect(),
        streams: ways.iter().flat_map(|way| begun.map(|at| (*way, at))).map(stream).collect(),
        probes: (0..end / 100).map(|tick| probe(tick * 100)).collect(),
        failures: Vec::new(),
        confidence: None,
        is_cancelled: false,
    }
}

fn page_of_streams(test: Test, run: BulkRun) -> String {
    let measurement = Measurement {
        test,
        target: "http://192.0.2.1/.well-known/nq".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        conditions: Vec::new(),
        clients: vec![Series { client: "1".to_owned(), samples: samples(20, |_| false) }],
        straight: None,
        flow: Some(Flow::Tcp(run)),
    };
    html(&[measurement], &Profile::default())
}

#[test]
fn streams_are_drawn_both_ways_with_what_the_kernel_knows_and_the_queue() {
    let page = page_of_streams(Test::TcpBoth, streams(&[Way::Down, Way::Up], 10));
    for part in [
        "TCP both ways with http://192.0.2.1/",
        "From the server 100 Mbit/s, between",
        "To the server 20.0 Mbit/s, between",
        "What is shaded is warm-up",
        "<title>down</title>",
        "<title>up</title>",
        "Round trips by the kernel over time",
        "Congestion window over time",
        "Segments sent again, in all",
        "Idle against loaded",
        "The path carried 100 Mbit/s down and 20.0 Mbit/s up.",
        "10.000\u{a0}ms while the path was idle and 40.000\u{a0}ms beside the load",
        "<small>Added by the load</small><b>+30.0 ms</b>",
        "<small>Latency under load, median</small>",
        "content carried × 8",
        "<h3>Goodput over time, Mbit/s</h3>",
        "Added by the load to a request at the median: +30.000 ms",
        "All 20 probes were answered",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("Responsiveness, round trips"));
}

#[test]
fn what_only_the_sender_knows_is_not_drawn_of_downloads() {
    let page = page_of_streams(Test::TcpDown, streams(&[Way::Down], 10));
    assert!(page.contains("the receiver takes it from how its window is used, in steps of 1 ms"));
    assert!(!page.contains("waited in a queue"), "it is too coarse to say so");
    assert!(!page.contains("Congestion window over") && !page.contains("Segments sent again"));
    assert!(!page.contains("<title>up</title>"));
}

#[test]
fn responsiveness_is_shown_with_its_confidence_and_its_draft() {
    let mut run = streams(&[Way::Down], 10);
    run.confidence = Some([Confidence::High, Confidence::Medium]);
    let page = page_of_streams(Test::RpmDown, run);
    // Foreign: 60000 / ((5 + 40) / 2) = 2667; loaded: 60000 / 40 = 1500; their mean is 2083.
    for part in [
        ">2,667<",
        ">1,500<",
        ">2,083<",
        "<b>2,083 RPM</b>",
        "Responsiveness: 2,083 round trips",
        ">good<",
        ">medium<",
        "in the goodput high",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("By draft-ietf-ippm-responsiveness-09"));
}

#[test]
fn an_hour_of_streams_makes_a_page_of_bounded_size() {
    let page = page_of_streams(Test::TcpBoth, streams(&[Way::Down, Way::Up], 3_600));
    assert!(page.len() < 200_000, "{}", page.len());
}

#[test]
fn streams_that_carried_nothing_leave_a_whole_page() {
    let mut run = streams(&[Way::Down, Way::Up], 0);
    run.probes.clear();
    let page = page_of_streams(Test::TcpBoth, run);
    assert!(page.ends_with("</html>") && !page.contains("NaN") && !page.contains("inf "), "{page}");
}
