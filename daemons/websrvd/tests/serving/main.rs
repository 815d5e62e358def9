//! websrvd as a client meets it: real sockets, the daemon's own `run`, a port of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

/// Bodies: large, cut off, growing.
mod bodies;
/// A caller of the control socket.
mod control;
/// The server, a client, and what they need.
mod harness;
/// Reload, shutdown, the control socket.
mod lifecycle;
/// Measuring against it.
mod measure;
/// What is served and what never is, by any spelling.
mod paths;
/// The process: flags, exit codes, signals.
mod process;
/// HTTP as such: HEAD, keep-alive, HTTP/2, errors.
mod protocol;
