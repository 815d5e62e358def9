//! irtt, another measurement of round trips that nobody here wrote.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::Process;

/// A running irtt server; dropping it ends it.
#[derive(Debug)]
pub struct Irtt {
    _process: Process,
    address: SocketAddr,
}

impl Irtt {
    /// Starts a server that answers on loopback as often as it is asked.
    ///
    /// # Panics
    /// irtt is not installed.
    #[must_use]
    pub fn start() -> Self {
        let is_installed = Command::new("irtt").arg("version").stdout(Stdio::null()).status();
        assert!(is_installed.is_ok(), "irtt is not installed; tests/run does that");
        let process =
            Process::start(Command::new("irtt").args(["server", "-i", "0", "-b", "127.0.0.1:0"]));
        let line = process.find_in_stdout("listener on ").expect("irtt listens");
        let address = line.rsplit(' ').next().unwrap().parse().unwrap();
        Self { _process: process, address }
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its client measures with `count` probes of 172 bytes to `target`, by its own names. One datagram goes each
    /// way before them. It leaves out those that it is not woken up in time for, which must be few.
    #[must_use]
    pub fn measure(target: SocketAddr, count: u32, interval: Duration) -> Value {
        let nanos = |time: Duration| format!("{}ns", time.as_nanos());
        // It sends until then; the last is due half an interval before.
        let (each, all) = (nanos(interval), nanos(interval * count - interval / 2));
        let target = target.to_string();
        // Its other timers make up for having been late, and take it for a miss where that is too early.
        let timing = ["--timer=simple", "-i", &each, "-d", &all];
        let arguments =
            [&["client", "-Q", "-l", "172", "-o", "-"], &timing[..], &[&target]].concat();
        let run = Command::new("irtt").args(&arguments).output().unwrap();
        assert!(run.status.success(), "irtt {arguments:?}: {run:?}");
        let result: Value = serde_json::from_slice(&run.stdout).unwrap();
        let sent = result["stats"]["packets_sent"].as_u64().unwrap();
        let expected = u64::from(count) * 9 / 10..=u64::from(count);
        assert!(expected.contains(&sent), "{}", result["stats"]);
        result
    }
}
