//! websrvd: the files of one directory over HTTP, and an echo over UDP.
//!
//! [`run`] is the daemon's whole life: `config` is what it is told, `server` is what it serves and where, a
//! `connection` answers each request with `files` or, below one path, with `measure`, `echo` answers datagrams,
//! and `control` tells what they did.

pub mod cli;
mod config;
mod connection;
mod control;
mod echo;
mod files;
mod measure;
mod server;

pub use self::{
    config::Config,
    server::{Error, run},
};
