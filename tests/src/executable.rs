//! Programs and scripts that a test puts somewhere to run them.
//!
//! A process of its own writes them. The kernel starts nothing that somebody may still write to (ETXTBSY), and a
//! descriptor of ours is for a moment also that of whatever another test starts meanwhile.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Puts a copy of the program `from` at `to`.
pub fn install_program(from: &Path, to: &Path) {
    install(from, to, "");
}

/// Puts a script with this text at `to`.
pub fn install_script(to: &Path, text: &str) {
    install("/dev/stdin".as_ref(), to, text);
}

fn install(from: &Path, to: &Path, input: &str) {
    let mut child = Command::new("install")
        .args(["-m", "755"])
        .args([from, to])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "install {} {}: {status}", from.display(), to.display());
}
