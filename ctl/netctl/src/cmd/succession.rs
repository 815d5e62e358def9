//! One instance of a daemon and the one that took its place, as `restart` and `upgrade` show them.

use std::time::Duration;

use selat_proto::socket::Daemon;
use selat_proto::v1::{DaemonState, GetStatusRequest, GetStatusResponse};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::cli::Global;
use crate::client::ControlError;
use crate::output::{Cell, Grid, Page, Records, Report, Tone, labelled, unit};

/// Time between two looks for a new instance.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// One process of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) pid: u32,
    pub(super) version: String,
    start_time: Option<prost_types::Timestamp>,
    serves: bool,
}

impl Instance {
    /// The one that answers now.
    pub(super) async fn of(daemon: Daemon, global: &Global) -> Result<Self, ControlError> {
        let control = global.connect(daemon).await?;
        let status = control.answer(control.daemon().get_status(GetStatusRequest {})).await?;
        Ok(Self::from(status))
    }

    /// Waits until another one serves, `limit` at most.
    ///
    /// # Errors
    /// What came of the last look, `None` where the old one still answered.
    pub(super) async fn successor(
        &self,
        daemon: Daemon,
        global: &Global,
        limit: Duration,
    ) -> Result<Self, Option<ControlError>> {
        let begun = Instant::now();
        loop {
            let seen = match Self::of(daemon, global).await {
                Ok(now) if now.serves && !now.is_same(self) => return Ok(now),
                Ok(_) => None,
                Err(error) => Some(error),
            };
            if begun.elapsed() > limit {
                return Err(seen);
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// A process id may come again.
    fn is_same(&self, other: &Self) -> bool {
        (self.pid, &self.start_time) == (other.pid, &other.start_time)
    }
}

impl From<GetStatusResponse> for Instance {
    fn from(status: GetStatusResponse) -> Self {
        let serves = matches!(status.state(), DaemonState::Serving | DaemonState::Degraded);
        Self { pid: status.pid, version: status.version, start_time: status.start_time, serves }
    }
}

/// An instance and the one after it.
#[derive(Clone, Debug)]
pub(super) struct Succession {
    pub(super) daemon: Daemon,
    pub(super) previous: Instance,
    /// `None` where nobody waited for it.
    pub(super) next: Option<Instance>,
    pub(super) took: Duration,
}

impl Succession {
    fn sentence(&self) -> Cell {
        let Instance { pid, version, .. } = &self.previous;
        match &self.next {
            Some(next) => {
                let took = unit::span(self.took);
                let (new, of) = (next.pid, &next.version);
                let text = format!("{version} (pid {pid}) → {of} (pid {new}), in {took}");
                Cell::toned(text, Tone::Good)
            }
            None => Cell::toned(format!("{version} (pid {pid}) is to go"), Tone::Warning),
        }
    }

    fn json(&self) -> Value {
        let next = self.next.as_ref();
        json!({
            "previous_pid": self.previous.pid,
            "previous_version": self.previous.version,
            "pid": next.map(|next| next.pid),
            "version": next.map(|next| &next.version),
            "duration_s": next.map(|_| self.took.as_secs_f64()),
        })
    }
}

/// One for each daemon.
pub(super) struct Successions(pub(super) Vec<Succession>);

impl Report for Successions {
    fn page(&self, page: &mut Page) {
        let mut facts = Grid::facts();
        for succession in &self.0 {
            let name = Cell::toned(succession.daemon.name(), Tone::Strong);
            facts.row([name, succession.sentence()]);
        }
        page.grid(&facts);
    }

    fn json(&self) -> anyhow::Result<Value> {
        let each = self.0.iter().map(|it| (it.daemon.name().to_owned(), it.json()));
        Ok(Value::Object(each.collect::<Map<_, _>>()))
    }

    fn records(&self) -> anyhow::Result<Records> {
        let fields = ["previous_pid", "previous_version", "pid", "version", "duration_s"];
        let mut records = Records::new([LABEL].into_iter().chain(fields));
        for succession in &self.0 {
            records.push_object(&labelled(LABEL, succession.daemon.name(), succession.json()));
        }
        Ok(records)
    }
}

/// The column that says whose row it is.
const LABEL: &str = "daemon";
