//! What the command line takes, refuses and explains.

use netctl::Exit;

use crate::ran::{assert_has, netctl};

/// Every command with its words, `netctl` excluded.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn walk(
        words: &[String],
        command: &clap::Command,
        all: &mut Vec<(Vec<String>, clap::Command)>,
    ) {
        for inner in command.get_subcommands() {
            let words = [words, &[inner.get_name().to_owned()]].concat();
            walk(&words, inner, all);
            all.push((words, inner.clone()));
        }
    }
    let mut all = Vec::new();
    walk(&[], &netctl::command(), &mut all);
    all
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    netctl::command().debug_assert();
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = commands();
    assert!(commands.len() >= 17, "{}", commands.len());
    for (words, _) in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let help = netctl(&[&words[..], &["--help"]].concat()).text();
        assert_has(&help, &["Usage: netctl", "Examples:", &format!("netctl {}", words.join(" "))]);
    }
}

#[test]
fn the_examples_of_the_help_are_command_lines_that_parse() {
    let mut examples = 0;
    for (words, command) in commands() {
        let after = command.get_after_help().unwrap().to_string();
        let lines = after.lines().map(str::trim).filter(|line| line.starts_with("netctl "));
        for line in lines.filter(|line| !line.contains(['|', '>', '&', '\'', '"'])) {
            // What follows two spaces explains.
            let line = line.split("  ").next().unwrap();
            let parsed = netctl::command().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{words:?}: {line}: {}", parsed.unwrap_err());
            examples += 1;
        }
    }
    assert!(examples >= 25, "{examples}");
}

/// Clap breaks lines where the terminal ends: one that was broken before is broken twice.
#[test]
fn help_of_measurements_is_broken_by_the_terminal_alone() {
    let mut paragraphs = 0;
    for (words, command) in commands() {
        if !["qos", "menu", "fetch"].contains(&words[0].as_str()) {
            continue;
        }
        let after = command.get_after_help().unwrap().to_string();
        for block in after.split("\n\n") {
            if block.starts_with("Examples:") {
                let longest = block.lines().map(|line| line.chars().count()).max();
                assert!(longest <= Some(78), "{words:?}: {block}");
            } else {
                assert_eq!(block.lines().count(), 1, "{words:?}: {block}");
                paragraphs += 1;
            }
        }
    }
    assert!(paragraphs >= 10, "{paragraphs}");
}

#[test]
fn where_results_go_has_a_heading_of_its_own() {
    let help = netctl(&["qos", "udp", "--help"]).text();
    let (_, results) = help.split_once("\nResults:\n").unwrap();
    let (results, _) = results.split_once("\nThresholds:\n").unwrap();
    assert_has(results, &["--csv", "--report", "--raw", "--prometheus"]);
    assert!(!results.contains("--profile"), "{results}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let cases: &[(&[&str], &str)] = &[
        (&["dance"], "dance"),
        (&["cache"], "Usage"),
        (&["cache", "ls", "--sort", "colour"], "colour"),
        (&["cache", "ls", "--limit", "0"], "1..=1000000"),
        (&["cache", "purge", "/index.html"], "must start with http://"),
        (&["cache", "purge", "https://h/"], "proxyd serves http: write http://…"),
        (&["cache", "explain", "https://h/"], "proxyd serves http: write http://…"),
        (&["cache", "purge"], "<URL|--prefix <P>|--tag <T>|--regex <R>|--route <NAME>>"),
        (&["fetch", "127.0.0.1:8080/x"], "did you mean http://127.0.0.1:8080/x"),
        (&["fetch", "ftp://127.0.0.1/"], "only http:// and https://"),
        (&["fetch", "-H", "nonsense", "http://127.0.0.1/"], "Name: value"),
        (&["-o", "json", "fetch", "-O", "-", "http://127.0.0.1:1/"], "cannot share the output"),
        (&["--proxyd", "http://example.net:1", "status"], "over TLS alone"),
        (&["--proxyd", "https://example.net", "status"], "a host and a port"),
        (&["--proxyd", "", "status"], "control socket"),
        (&["--timeout", "soon", "status"], "500ms"),
        (&["qos", "udp", "127.0.0.1"], "HOST:PORT"),
        (&["qos", "udp", "--count", "0"], "the count must be 1"),
        (&["qos", "udp", "--size", "43"], "the size must be 44"),
        (&["qos", "udp", "--max-latency", "20"], "Write 20ms or 20s"),
        (&["qos", "udp", "--max-jitter", "0.5"], "Write 0.5ms or 0.5s"),
        (&["qos", "compare", "a", "b", "--threshold", "p99=20"], "Write 20ms or 20s"),
        (&["qos", "udp", "--pattern", "burst", "--rate", "10"], "leave out --rate"),
        (&["qos", "clients", "2", "--pattern", "burst", "--rate", "10"], "leave out --rate"),
        (
            &["qos", "http", "http://127.0.0.1:1/", "--pattern", "burst", "--rate", "10"],
            "leave out --rate",
        ),
        (&["qos", "udp", "--prometheus", "selat.txt"], "ends in .prom: node_exporter"),
        (&["qos", "clients", "0"], "1..=10000"),
        (&["qos", "http", "http://127.0.0.1:1/", "--rate", "0"], "the rate must be"),
        (&["qos", "http", "http://127.0.0.1:1/", "-c", "20000"], "at most 10000 are"),
        (&["qos", "http", "http://127.0.0.1:1/", "--pattern", "poisson"], "takes --rate"),
        (&["qos", "http", "http://127.0.0.1:1/", "--streams", "2"], "--http2"),
    ];
    for &(arguments, part) in cases {
        assert_has(&netctl(arguments).complaint(Exit::Usage), &[part]);
    }
}

#[test]
fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = netctl(&["completions", shell]).text();
        assert_has(&script, &["netctl", "purge", "log-level", "websrvd"]);
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("man1");
    netctl(&["man", target.to_str().unwrap()]).text();
    for (words, _) in commands() {
        let page = target.join(format!("netctl-{}.1", words.join("-")));
        assert_has(&std::fs::read_to_string(page).unwrap(), &["SYNOPSIS", "Examples"]);
    }
    assert!(target.join("netctl.1").exists());
}

#[test]
fn the_version_is_the_crates() {
    assert_eq!(netctl(&["--version"]).text(), format!("netctl {}\n", env!("CARGO_PKG_VERSION")));
}
