//! Finds the programs under test, built from this tree.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

const PROGRAMS: [&str; 4] = ["websrvd", "proxyd", "netctl", "selat-lab"];

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent")
}

/// The path of one of Selat's programs. The first call builds all of them in the profile of the
/// running test, unless `$SELAT_BIN_DIR` names a directory with ready ones.
#[must_use]
pub fn binary(program: &str) -> &'static Path {
    static BUILT: OnceLock<Option<HashMap<String, PathBuf>>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match env::var_os("SELAT_BIN_DIR") {
        Some(directory) => Some(ready(Path::new(&directory))),
        None => build(),
    });
    let built = built.as_ref().expect("the programs under test build");
    let path = built.get(program).unwrap_or_else(|| panic!("no program {program} was built"));
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// A directory of this name under the build's own, for what is worth keeping between runs.
pub(crate) fn kept(name: &str) -> PathBuf {
    let kept = profile_directory().parent().expect("a profile is in target/").join("tmp");
    fs::create_dir_all(&kept).unwrap();
    kept.join(name)
}

fn ready(directory: &Path) -> HashMap<String, PathBuf> {
    PROGRAMS.map(|program| (program.to_owned(), directory.join(program))).into()
}

/// `None` where they do not build; cargo has said why.
fn build() -> Option<HashMap<String, PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(repository())
        .args(["build", "--message-format=json-render-diagnostics", "--profile", profile()])
        .arg("--target-dir")
        .arg(profile_directory().parent().expect("a profile is in target/"))
        .args(PROGRAMS.iter().flat_map(|program| ["--package", *program]))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    let messages = String::from_utf8_lossy(&built.stdout);
    built.status.success().then(|| messages.lines().filter_map(executable).collect())
}

/// The program that one line of cargo's messages says was built.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message.get("executable")?.as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
}

fn profile() -> &'static str {
    let directory = profile_directory();
    match directory.file_name().and_then(|name| name.to_str()) {
        Some("release") => "release",
        Some("fast") => "fast",
        _ => "dev",
    }
}

/// `target/debug` or its like: where the directory `deps` with the running test is.
fn profile_directory() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("a test is in target/PROFILE/deps").to_owned()
}
