//! The harness of Selat's end-to-end tests: real daemons as processes, and the peers around them.
//!
//! Nothing here waits for time to pass: a test waits for an event, and [`PATIENCE`] only bounds how
//! long a broken one may take. Every port is the kernel's choice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests fail loudly"
)]

mod binaries;
mod certificates;
mod client;
mod curl;
mod daemon;
mod executable;
mod exposition;
mod flow;
mod gate;
mod irtt;
mod journal;
mod link;
mod load;
mod manager;
mod netctl;
mod nginx;
mod origin;
mod paused;
mod process;
mod service;
mod site;
mod stamped;
mod system;
mod terminal;

use std::time::Duration;

pub use self::{
    binaries::{binary, repository},
    certificates::{Authority, Credential},
    client::{Client, ClientError, Head, Response},
    curl::{Fetched, curl, curl_get},
    daemon::{Daemon, Launcher},
    executable::{install_program, install_script},
    exposition::Exposition,
    flow::Flow,
    gate::Gate,
    irtt::Irtt,
    journal::{Journal, JournalEntry},
    link::{Burst, Link, Pattern},
    load::{Load, Reuse, Tally},
    manager::Manager,
    netctl::{NOBODY, Netctl, Output},
    nginx::Nginx,
    origin::{Origin, Reply, Request},
    paused::PausedThread,
    process::{Descriptor, Process},
    service::{Service, Upstream},
    site::{Entry, Site, hash},
    system::System,
    terminal::Terminal,
};

/// Longest wait for an event that a working system brings about at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The first line of every file of results, which other programs read.
pub const CSV_HEADER: &str = "started_at,test,target,client,sent,received,lost,loss_pct,\
    duplicates,reordered,bytes,duration_s,throughput_bps,latency_min_ms,latency_mean_ms,\
    latency_p50_ms,latency_p95_ms,latency_p99_ms,latency_max_ms,jitter_ms,jitter_rfc3550_ms,\
    r_factor,mos,tiphon_index";
