//! websrvd: the files of one directory over HTTP, and an echo over UDP.
//!
//! [`run`] is the daemon's whole life: `server` starts the threads and binds the `listeners`, a
//! `connection` answers each request with `files`, `echo` answers datagrams, and `control` tells what
//! they did.

mod config;
mod connection;
mod control;
mod echo;
mod files;
mod server;

pub use self::{
    config::Config,
    server::{Error, run},
};
