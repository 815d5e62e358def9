//! Effects that both daemons share. Knows no files, caches or relays.
//!
//! The life of a daemon, in order: [`config`] is read and checked, [`log`] begins, [`listen`] takes the
//! sockets that the service manager passes in or binds them, [`workers`] start the data plane,
//! [`serve`] accepts connections on it, [`control`] answers on the control socket, and
//! [`supervise`] carries out every order (signal, RPC, timer) until shutdown.

pub mod access;
pub mod blocking;
pub mod config;
pub mod control;
pub mod counters;
pub mod events;
pub mod exit;
pub mod keep;
pub mod last_good;
pub mod life;
pub mod listen;
pub mod log;
pub mod notify;
pub mod process;
pub mod serve;
pub mod service;
pub mod signals;
pub mod succession;
pub mod supervise;
pub mod udp;
mod watchdog;
pub mod workers;
