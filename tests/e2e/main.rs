//! End-to-end tests: real daemons as processes, real sockets, real clients. A subject a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

mod access_log;
mod authority;
mod cache_commands;
mod cache_limits;
mod cache_load;
mod cache_operation;
mod cache_safety;
mod caching;
mod collapsing;
mod commands;
mod config;
mod control;
mod drain;
mod filling;
mod interim;
mod journal;
mod keep;
mod lab;
mod last_good;
mod parts;
mod qos;
mod qos_http;
mod qos_tcp;
mod relay;
mod reload;
mod remote;
mod restart;
mod routes;
mod screens;
mod service_manager;
mod site;
mod udp;
mod units;
mod upgrade;
mod uploads;
