//! netctl as its library: command lines in, output and exit codes out, against peers of this
//! process. One binary; a module for each thing that a user would complain about.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

mod arguments;
mod control;
mod daemon;
mod failures;
mod fetch;
mod menu;
mod origin;
mod qos;
mod ran;
