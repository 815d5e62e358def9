//! Reading settings: precedence, every error at once, places that can be found.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::{fs, time::Duration};

use selat_runtime::config::{ConfigErrors, Layers, Sources, text};

#[derive(Debug, PartialEq)]
struct Settings {
    threads: u32,
    memory: u64,
    idle: Option<Duration>,
    http: Vec<String>,
}

fn settings(mut layers: Layers<'_>) -> Result<Settings, ConfigErrors> {
    let settings = Settings {
        threads: layers.one("threads", text::number_within(1, 64), 2),
        memory: layers.one("cache.memory", text::bytes_within(1 << 20, 1 << 40), 256 << 20),
        idle: layers.optional("idle_timeout", text::duration),
        http: layers.many("http", text::text, vec!["one".to_owned()]),
    };
    layers.finish(settings)
}

fn sources(toml: &str) -> (tempfile::TempDir, Sources) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.toml");
    fs::write(&file, toml).unwrap();
    (directory, Sources::of("selattest").with_file(file))
}

#[test]
fn defaults_apply_where_nothing_is_given() {
    let read = settings(Sources::of("selattest").without_file().read()).unwrap();
    let defaults = Settings { threads: 2, memory: 256 << 20, idle: None, http: vec!["one".into()] };
    assert_eq!(read, defaults);
}

#[test]
fn a_flag_beats_the_file() {
    let (_directory, sources) = sources("threads = 3\n[cache]\nmemory = \"2MiB\"\n");
    let sources = sources.with_flag("threads", ["5".to_owned()]);
    let read = settings(sources.read()).unwrap();
    assert_eq!((read.threads, read.memory), (5, 2 << 20));
}

#[test]
fn every_error_is_reported_with_its_line_key_value_and_bound() {
    let (_directory, sources) = sources(concat!(
        "threads = 65\n",
        "idle_timeout = \"soon\"\n",
        "htpp = [\"a\"]\n",
        "[cache]\n",
        "memory = \"1KiB\"\n",
        "colour = \"red\"\n",
    ));
    let report = settings(sources.read()).unwrap_err().to_string();
    for expected in [
        "test.toml:1: threads = \"65\": must be from 1 to 64",
        "test.toml:2: idle_timeout = \"soon\": a duration is expected",
        "test.toml:3: htpp: unknown key; did you mean http?",
        "test.toml:5: cache.memory = \"1024\": must be",
        "test.toml:6: cache.colour: unknown key",
    ] {
        let expected = expected.replace("\"1024\"", "\"1KiB\"");
        assert!(report.contains(&expected), "{expected}\nis not in\n{report}");
    }
    assert_eq!(report.lines().count(), 5, "{report}");
}

/// A table for each of some names, each with a value that is the file's own where it is not given.
fn named(sources: &Sources) -> Result<Vec<(String, u32)>, ConfigErrors> {
    let mut layers = sources.read();
    let all = layers.one("threads", text::number_within(1, 64), 2);
    let name = |name: &str| match name {
        "bad" => Err("a better name is expected".to_owned()),
        name => Ok(name.to_owned()),
    };
    let read = |layers: &mut Layers<'_>, name: String| {
        let threads = layers.within(&format!("site.{name}"), |layers| {
            layers.one("threads", text::number_within(1, 64), all)
        });
        (name, threads)
    };
    let names = layers.tables("site", name);
    let named = names.into_iter().map(|name| read(&mut layers, name)).collect();
    layers.finish(named)
}

#[test]
fn a_table_may_have_any_of_many_names() {
    let (_directory, sources) = sources("threads = 3\n[site.a]\nthreads = 4\n[site.b]\n");
    let expected = vec![("a".to_owned(), 4), ("b".to_owned(), 3)];
    assert_eq!(named(&sources), Ok(expected));
    let none = named(&Sources::of("selattest").without_file());
    assert_eq!(none, Ok(Vec::new()));
}

#[test]
fn an_error_in_a_table_is_told_with_its_name() {
    for (toml, expected) in [
        ("[site.a]\nthreads = 65\n", "test.toml:2: site.a.threads = \"65\": must be from 1 to 64"),
        (
            "[site.a]\nthraeds = 5\n",
            "test.toml:2: site.a.thraeds: unknown key; did you mean site.a.threads?",
        ),
        ("[site.bad]\nthreads = 5\n", "test.toml:1: site.bad: a better name is expected"),
        ("[[site]]\nthreads = 5\n", "test.toml:1: site: tables here have names: [site.NAME]"),
    ] {
        let (_directory, sources) = sources(toml);
        let report = named(&sources).unwrap_err().to_string();
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
        assert_eq!(report.lines().count(), 1, "{report}");
    }
}

#[test]
fn what_changed_names_what_came_and_went_in_a_table() {
    let shown = |toml: &str| {
        let (_directory, sources) = sources(toml);
        let mut layers = sources.read();
        let count = text::number_within(1_u32, 64);
        for name in layers.tables("site", |name| Ok(name.to_owned())) {
            layers.within(&format!("site.{name}"), |layers| layers.one("threads", &count, 9));
        }
        layers.shown()
    };
    let changes = shown("[site.a]\nthreads = 1\n").changes(&shown("[site.b]\nthreads = 2\n"));
    let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["site.a.threads: 1 is gone", "site.b.threads: is now 2"]);
}

#[test]
fn what_changed_is_told_as_people_write_it() {
    let shown = |toml: &str| {
        let (_directory, sources) = sources(toml);
        let mut layers = sources.read();
        layers.one("memory", text::bytes, 256 << 20);
        layers.one("idle", text::duration, Duration::from_secs(300));
        layers.one("group", text::text_or_none, None);
        layers.many("http", text::address, vec![([127, 0, 0, 1], 80).into()]);
        layers.optional("size", text::bytes);
        layers.shown()
    };
    let changes = |from: &str, to: &str| -> Vec<_> {
        shown(from).changes(&shown(to)).iter().map(ToString::to_string).collect()
    };
    let given = "memory = \"2MiB\"\nidle = \"90s\"\ngroup = \"adm\"\nhttp = [\":80\", \":81\"]\n\
                 size = \"1KiB\"\n";
    assert_eq!(
        changes("", given),
        [
            "group: is now adm",
            "http: 127.0.0.1:80 is now [:80, :81]",
            "idle: 5m is now 90s",
            "memory: 256MiB is now 2MiB",
            "size: is now 1KiB",
        ]
    );
    assert_eq!(changes(given, "http = []\n")[1], "http: [:80, :81] is now []");
    let same = "memory = \"262144KiB\"\nidle = \"300s\"\nhttp = \"127.0.0.1:80\"\n";
    assert_eq!(changes("", same), [] as [&str; 0], "only what differs is told");
}

#[test]
fn a_broken_file_says_where() {
    let (_directory, sources) = sources("threads = 3\nhttp = [\n");
    let report = settings(sources.read()).unwrap_err().to_string();
    assert!(report.contains("test.toml:2") && report.contains("not TOML"), "{report}");
}

/// A drop-in of the file that [`sources`] made.
fn drop_in(directory: &tempfile::TempDir, name: &str, toml: &str) {
    let drop_ins = directory.path().join("test.d");
    fs::create_dir_all(&drop_ins).unwrap();
    fs::write(drop_ins.join(name), toml).unwrap();
}

#[test]
fn drop_ins_win_over_the_file_and_later_ones_over_earlier() {
    let (directory, sources) =
        sources("threads = 3\nhttp = [\"file\"]\n[cache]\nmemory = \"2MiB\"\n");
    drop_in(&directory, "20-later.toml", "threads = 5\n");
    drop_in(&directory, "10-earlier.toml", "threads = 4\ncache.memory = \"4MiB\"\n");
    drop_in(&directory, "30-hidden.toml.dpkg-old", "threads = 6\n");
    drop_in(&directory, ".40-swap.toml", "threads = 7\n");
    let read = settings(sources.read()).unwrap();
    let expected = Settings { threads: 5, memory: 4 << 20, idle: None, http: vec!["file".into()] };
    assert_eq!(read, expected);
}

#[test]
fn errors_name_the_drop_in_that_they_are_in() {
    let (directory, sources) = sources(
        "threads = 3
",
    );
    drop_in(&directory, "10-odd.toml", "\ncolour = \"red\"\nthreads = 65\n");
    drop_in(&directory, "20-broken.toml", "http = [\n");
    let report = settings(sources.read()).unwrap_err().to_string();
    for expected in [
        "test.d/10-odd.toml:2: colour: unknown key",
        "test.d/10-odd.toml:3: threads = \"65\": must be",
        "test.d/20-broken.toml:1: not TOML",
    ] {
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
}

#[test]
fn what_is_held_stays_as_it_was_with_its_drop_ins() {
    let (directory, sources) = sources("threads = 3\n");
    drop_in(&directory, "10.toml", "http = [\"held\"]\n");
    let held = sources.held();
    fs::remove_file(directory.path().join("test.d/10.toml")).unwrap();
    fs::write(directory.path().join("test.toml"), "threads = 9\n").unwrap();
    let again = sources.with_files(held.files().unwrap().to_vec());
    for sources in [&held, &again] {
        let read = settings(sources.read()).unwrap();
        assert_eq!((read.threads, read.http), (3, vec!["held".to_owned()]));
    }
}

#[test]
fn a_named_file_must_be_there() {
    let sources = Sources::of("selattest").with_file("/nonexistent/selat.toml".into());
    let report = settings(sources.read()).unwrap_err().to_string();
    assert!(report.contains("/nonexistent/selat.toml: cannot be read"), "{report}");
}

#[test]
fn sizes_and_durations_are_read_as_people_write_them() {
    for (written, bytes) in [("0", 0), ("64KiB", 65536), ("1 MB", 1_000_000), ("3gib", 3 << 30)] {
        assert_eq!(text::bytes(written), Ok(bytes), "{written}");
    }
    for (written, millis) in [("250ms", 250), ("1.5s", 1500), ("2m", 120_000), ("1h", 3_600_000)] {
        assert_eq!(text::duration(written), Ok(Duration::from_millis(millis)), "{written}");
    }
    for wrong in ["", "KiB", "-1", "1.5MiB", "99999999999TiB"] {
        assert!(text::bytes(wrong).is_err(), "{wrong}");
    }
    for wrong in ["", "5", "ms", "-1s", "1e400s", "1.2.3s"] {
        assert!(text::duration(wrong).is_err(), "{wrong}");
    }
}
