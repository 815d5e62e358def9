//! Rows as CSV and JSON: the fixed header, blanks for what was not measured, and files that are
//! never damaged.

use std::fs;
use std::thread;
use std::time::Duration;

use selat_qos::grade::Profile;
use selat_qos::report::{
    COLUMNS, CsvError, Detail, Measurement, Row, Series, Test, append_csv, json, prometheus,
    write_prometheus,
};
use selat_qos::sample::Sample;

const HEADER: &str = "started_at,test,target,client,sent,received,lost,loss_pct,duplicates,\
    reordered,bytes,duration_s,throughput_bps,latency_min_ms,latency_mean_ms,latency_p50_ms,\
    latency_p95_ms,latency_p99_ms,latency_max_ms,jitter_ms,jitter_rfc3550_ms,r_factor,mos,\
    tiphon_index";

fn answered(seq: u32) -> Sample {
    let sent_at = Duration::from_millis(u64::from(seq) * 20);
    let received_at = Some(sent_at + Duration::from_millis(10));
    Sample { received_at, bytes: 100, ..Sample::sent(seq, sent_at, sent_at) }
}

fn lost(seq: u32) -> Sample {
    let sent_at = Duration::from_millis(u64::from(seq) * 20);
    Sample::sent(seq, sent_at, sent_at)
}

fn measurement(clients: &[&[Sample]]) -> Measurement {
    let series = |(index, samples): (usize, &&[Sample])| Series {
        client: (index + 1).to_string(),
        samples: samples.to_vec(),
    };
    Measurement {
        test: Test::Udp,
        target: "127.0.0.1:9090".to_owned(),
        started_at: jiff::Timestamp::constant(1_786_960_800, 0),
        conditions: vec![],
        clients: clients.iter().enumerate().map(series).collect(),
        straight: None,
        flow: None,
    }
}

fn rows(clients: &[&[Sample]]) -> Vec<Row> {
    measurement(clients).rows(&Profile::default())
}

#[test]
fn a_new_file_gets_the_header_and_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qos_result.csv");
    append_csv(&path, &rows(&[&[answered(0), answered(1)]])).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let expected = "2026-08-17T10:00:00Z,udp,127.0.0.1:9090,all,2,2,0,0.0,0,0,200,0.03,\
        53333.333333,10.0,10.0,10.0,10.0,10.0,10.0,0.0,0.0,92.6,4.397372,4.0";
    assert_eq!(text, format!("{HEADER}\n{expected}\n"));
}

#[test]
fn what_was_not_measured_is_blank_in_csv_and_null_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qos_result.csv");
    let rows = rows(&[&[lost(0)]]);
    append_csv(&path, &rows).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with(",all,1,0,1,100.0,,,0,,,,,,,,,,,,,1.0\n"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&json(&rows).unwrap()).unwrap();
    let result = &document["results"][0];
    assert!(result["latency_p50_ms"].is_null() && result["mos"].is_null());
    assert_eq!((&document["schema"], &result["lost"]), (&1.into(), &1.into()));
    assert_eq!(result["started_at"], "2026-08-17T10:00:00Z");
}

#[test]
fn json_and_csv_have_the_same_names_in_the_same_order() {
    let result = serde_json::to_value(&rows(&[&[answered(0)]])[0]).unwrap();
    let names: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, COLUMNS);
    assert_eq!(COLUMNS.join(","), HEADER);
}

#[test]
fn json_has_further_figures_after_those_of_csv() {
    let text = json(&rows(&[&[answered(0), lost(1)]])).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let result = document["results"][0].as_object().unwrap();
    let names: Vec<&str> = result.keys().map(String::as_str).collect();
    assert_eq!(names[..COLUMNS.len()], COLUMNS);
    assert_eq!((&result["pdv_p99_ms"], &result["gap_density"]), (&0.0.into(), &0.5.into()));
    let unmeasured = ["lost_up", "one_way_up_p50_ms", "ipdv_p50_ms", "reordering_extent_max"];
    assert!(unmeasured.iter().all(|name| result[*name].is_null()), "{text}");
}

#[test]
fn several_clients_have_a_row_each_and_the_total_last() {
    let (a, b) = ([answered(0)], [answered(0), lost(1)]);
    let rows = rows(&[&a, &b]);
    let found: Vec<_> = rows.iter().map(|row| (row.client.as_str(), row.sent, row.lost)).collect();
    assert_eq!(found, [("1", 1, 0), ("2", 2, 1), ("all", 3, 1)]);
}

#[test]
fn rows_are_appended_under_one_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qos_result.csv");
    let rows = rows(&[&[answered(0)]]);
    append_csv(&path, &rows).unwrap();
    // An editor may have taken the last newline away, and another system added carriage returns.
    let text = fs::read_to_string(&path).unwrap().trim_end().replace('\n', "\r\n");
    fs::write(&path, text).unwrap();
    append_csv(&path, &rows).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.matches("started_at").count(), text.lines().count()), (1, 3));
}

#[test]
fn a_file_with_another_header_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.csv");
    let longer = format!("{HEADER},note\n");
    let cases = [
        ("a,b\n1,2\n", "column 1 is \"a\", not \"started_at\""),
        ("\n", "column 1 is \"\", not \"started_at\""),
        (&longer, "column 25 is \"note\", not nothing"),
        ("started_at,test", "column 3 is nothing, not \"target\""),
    ];
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        let error = append_csv(&path, &rows(&[&[answered(0)]])).unwrap_err();
        assert!(matches!(error, CsvError::OtherHeader { .. }));
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn writers_at_once_leave_whole_rows_and_one_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qos_result.csv");
    let rows = rows(&[&[answered(0)], &[answered(0)]]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| append_csv(&path, &rows).unwrap());
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 8 * 3, HEADER));
    assert!(lines.iter().all(|line| line.matches(',').count() == COLUMNS.len() - 1));
}

#[test]
fn rows_read_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qos_result.csv");
    let rows = rows(&[&[answered(0), lost(1)], &[lost(0)]]);
    append_csv(&path, &rows).unwrap();
    let read: Result<Vec<Row>, _> = csv::Reader::from_path(&path).unwrap().deserialize().collect();
    let without_detail = |row: Row| Row { detail: Detail::default(), ..row };
    assert_eq!(read.unwrap(), rows.into_iter().map(without_detail).collect::<Vec<_>>());
}

#[test]
fn fairness_is_jains_index_of_the_clients_throughputs() {
    let client = |bytes| {
        let samples = vec![Sample { bytes, ..answered(0) }];
        Series { client: "c".to_owned(), samples }
    };
    let of = |bytes: &[u64]| {
        let clients = bytes.iter().map(|bytes| client(*bytes)).collect();
        Measurement { clients, ..measurement(&[]) }.fairness()
    };
    assert_eq!(of(&[100, 100, 100]), Some(1.0));
    assert_eq!(of(&[300, 0, 0]), Some(1.0 / 3.0));
    // (1 + 3)² / (2 · (1 + 9))
    assert_eq!(of(&[100, 300]), Some(0.8));
    assert_eq!((of(&[100]), of(&[0, 0]), of(&[])), (None, None, None));
}

#[test]
fn metrics_are_totals_in_base_units_and_leave_out_what_was_not_measured() {
    let text = prometheus(&rows(&[&[answered(0), answered(1)], &[answered(0), lost(1)]]));
    let labels = "{test=\"udp\",target=\"127.0.0.1:9090\"";
    for expected in [
        format!("# TYPE selat_qos_loss_ratio gauge\nselat_qos_loss_ratio{labels}}} 0.25\n"),
        format!("selat_qos_lost{labels},way=\"unknown\"}} 1\n"),
        format!("selat_qos_latency_seconds{labels},quantile=\"0.5\"}} 0.01\n"),
        format!(
            "selat_qos_latency_seconds_sum{labels}}} 0.03\nselat_qos_latency_seconds_count{labels}}} 3\n"
        ),
        format!("selat_qos_started_timestamp_seconds{labels}}} 1786960800\n"),
    ] {
        assert!(text.contains(&expected), "no {expected} in\n{text}");
    }
    assert!(!text.contains("selat_qos_one_way_seconds"), "{text}");
    assert!(
        text.lines().all(|line| line.starts_with('#') || line.split(' ').count() == 2),
        "{text}"
    );
}

#[test]
fn a_series_is_written_once_and_its_labels_are_escaped() {
    let mut twice = rows(&[&[lost(0)]]);
    twice.extend(rows(&[&[answered(0)]]));
    let text = prometheus(&twice);
    let losses: Vec<&str> = text.lines().filter(|line| line.contains("loss_ratio{")).collect();
    assert_eq!(losses.len(), 1, "{text}");
    assert!(losses[0].ends_with("} 0"), "the last run counts: {losses:?}");
    let hostile = Measurement { target: "a\"b\\c\nd".to_owned(), ..measurement(&[&[lost(0)]]) };
    let text = prometheus(&hostile.rows(&Profile::default()));
    assert!(text.contains("target=\"a\\\"b\\\\c\\nd\"}"), "{text}");
}

#[test]
fn a_file_of_metrics_is_replaced_in_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("selat.prom");
    fs::write(&path, "old").unwrap();
    write_prometheus(&path, &rows(&[&[answered(0)]])).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("# HELP "));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    assert!(write_prometheus(&dir.path().join("none/selat.prom"), &[]).is_err());
}
