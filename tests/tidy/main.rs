//! What lints cannot see: which crate may know which, how long files are, that every file says what
//! it is, and that nothing is left for later.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use selat_tests::repository;
use toml::{Table, Value};

/// Lines of a source file.
const FILE_LINES_MAX: usize = 500;
/// Lines of ARCHITECTURE.md.
const ARCHITECTURE_LINES_MAX: usize = 199;

/// What each crate may depend on, of ours. Nothing may depend on the tests.
const DIRECTION: [(&str, &[&str]); 10] = [
    ("selat-core", &[]),
    ("selat-proto", &[]),
    ("selat-runtime", &["selat-proto"]),
    ("websrvd", &["selat-core", "selat-runtime", "selat-proto"]),
    ("proxyd", &["selat-core", "selat-runtime", "selat-proto"]),
    ("selat-qos", &["selat-proto"]),
    ("netctl", &["selat-proto", "selat-qos"]),
    (
        "selat-lab",
        &["websrvd", "proxyd", "netctl", "selat-core", "selat-runtime", "selat-proto", "selat-qos"],
    ),
    ("selat-pages", &["websrvd", "proxyd", "netctl"]),
    (
        "selat-tests",
        &["websrvd", "proxyd", "netctl", "selat-core", "selat-runtime", "selat-proto", "selat-qos"],
    ),
];

#[test]
fn crates_depend_in_one_direction() {
    let allowed = BTreeMap::from(DIRECTION);
    let crates = crates();
    let names: BTreeSet<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "a crate has no rule, or a rule no crate");
    for (name, manifest) in &crates {
        for dependency in dependencies(manifest).filter(|used| names.contains(used.as_str())) {
            let known = allowed[name.as_str()].contains(&dependency.as_str());
            assert!(known, "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn files_are_short() {
    let long = offending(|text| text.lines().count() > FILE_LINES_MAX);
    assert_eq!(long, [] as [PathBuf; 0], "more than {FILE_LINES_MAX} lines");
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    assert_eq!(offending(|text| !text.starts_with("//!")), [] as [PathBuf; 0]);
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two parts, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let ignored = ["#[", "ignore"].concat();
    let found = offending(|text| {
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        text.contains(&ignored) || marks.iter().any(|mark| words.contains(mark.as_str()))
    });
    assert_eq!(found, [] as [PathBuf; 0], "something is marked as not done");
}

#[test]
fn the_architecture_fits_a_short_read() {
    let text = read(Path::new("ARCHITECTURE.md"));
    let lines = text.lines().count();
    assert!((1..=ARCHITECTURE_LINES_MAX).contains(&lines), "{lines} lines");
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    for (name, manifest) in crates() {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherits, Some(&Value::Boolean(true)), "{name}");
    }
}

/// Name and manifest of each member of the workspace.
fn crates() -> Vec<(String, Table)> {
    let workspace: Table = read(Path::new("Cargo.toml")).parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let manifests = members.iter().map(|member| {
        let path = Path::new(member.as_str().unwrap()).join("Cargo.toml");
        let manifest: Table = read(&path).parse().unwrap();
        (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
    });
    manifests.collect()
}

/// Names of everything that a crate is built with, in any of its sections.
fn dependencies(manifest: &Table) -> impl Iterator<Item = String> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|section| manifest.get(section)?.as_table())
        .flat_map(|section| section.keys().cloned())
}

/// The source files whose text is at fault.
fn offending(is_at_fault: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let files: Vec<_> = sources().collect();
    assert!(files.len() > 50, "only {} files were found", files.len());
    files.into_iter().filter(|file| is_at_fault(&read(file))).collect()
}

/// Every Rust file of the workspace, from the repository's root.
fn sources() -> impl Iterator<Item = PathBuf> {
    let mut found = Vec::new();
    for top in ["proto", "daemons", "ctl", "packaging", "tests"] {
        collect(&repository().join(top), &mut found);
    }
    found.into_iter().map(|file| file.strip_prefix(repository()).unwrap().to_owned())
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
