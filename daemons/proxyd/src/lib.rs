//! proxyd: a caching HTTP proxy in front of any origin, and a relay of TCP and UDP.
//!
//! [`run`] is the daemon's whole life. `server` starts the threads and binds the listeners; a
//! `connection` hands each request to `answer`, which finds its `route`, looks it up in the `cache` and answers
//! by `reply`, or asks an `origin` by `fetch`; `relay` carries what is not HTTP; `control` steers
//! all of it.

mod answer;
#[doc(hidden)]
pub mod bench;
mod body;
mod cache;
pub mod cli;
mod config;
mod connection;
mod control;
mod counters;
mod failure;
mod fetch;
mod fill;
mod forward;
mod latency;
mod network;
mod origin;
mod own;
mod parts;
mod proxy;
mod purge;
mod relay;
mod relaying;
mod reply;
mod request;
mod route;
mod server;

pub use self::{
    config::Config,
    server::{Error, run},
};
