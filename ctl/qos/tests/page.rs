//! The HTML page: self-contained, escaped, of bounded size, and whole when little was measured.

use std::time::Duration;

use selat_qos::grade::Profile;
use selat_qos::report::{Condition, Measurement, Series, Test, html};
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
fn a_hundred_thousand_samples_make_a_page_of_bounded_size() {
    let page = page(vec![samples(100_000, |seq| seq % 3 == 0)]);
    assert!(page.len() < 600_000, "{}", page.len());
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
