//! What several daemons answered to one question, each for itself.

use anyhow::Context;
use prost::{Message, Name};
use selat_proto::{json::to_json, socket::Daemon};
use serde_json::{Map, Value, json};

use crate::cli::Which;
use crate::client::ControlError;
use crate::console::Console;
use crate::exit::Exit;
use crate::output::{Cell, Grid, Page, Records, Tone, field_names, labelled};

/// An answer or an error for each daemon that was asked.
#[derive(Debug)]
pub(crate) struct Each<T>(pub(crate) Vec<(Daemon, Result<T, ControlError>)>);

impl<T> Each<T> {
    /// Asks the one that is named, or both, one after the other.
    pub(crate) async fn ask(
        which: Which,
        question: impl AsyncFn(Daemon) -> Result<T, ControlError>,
    ) -> Self {
        let mut answers = Vec::new();
        for daemon in which.daemons() {
            answers.push((daemon, question(daemon).await));
        }
        Self(answers)
    }

    /// The answers.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Daemon, &T)> {
        self.0.iter().filter_map(|(daemon, answer)| Some((*daemon, answer.as_ref().ok()?)))
    }

    /// A line for each answer beside the daemon's name.
    pub(crate) fn lines(&self, page: &mut Page, line: impl Fn(Daemon, &T) -> Cell) {
        let mut facts = Grid::facts();
        for (daemon, answer) in self.answers() {
            facts.row([Cell::toned(daemon.name(), Tone::Strong), line(daemon, answer)]);
        }
        if !facts.is_empty() {
            page.grid(&facts);
        }
    }

    /// Says every error and ends as the first of them wants; successfully where there is none.
    pub(crate) fn conclude(self, console: &mut Console<'_>) -> Exit {
        let mut exit = Exit::Success;
        for (_, answer) in self.0 {
            if let Err(error) = answer {
                let code = error.exit();
                console.complain(&error.into());
                exit = if exit == Exit::Success { code } else { exit };
            }
        }
        exit
    }
}

impl<T: Message + Name> Each<T> {
    /// An object with a field for each daemon: its answer, or `error` and `socket`.
    pub(crate) fn to_object(&self) -> anyhow::Result<Value> {
        let mut object = Map::new();
        for (daemon, answer) in &self.0 {
            let value = match answer {
                Ok(answer) => to_json(answer).context("cannot show the answer")?,
                Err(error) => {
                    json!({ "error": error.to_string(), "socket": error.place().to_string() })
                }
            };
            object.insert(daemon.name().to_owned(), value);
        }
        Ok(Value::Object(object))
    }

    /// A row for each answer, under the daemon's name.
    pub(crate) fn to_records(&self) -> anyhow::Result<Records> {
        let names = field_names::<T>()?.into_iter().filter(|name| name != LABEL);
        let mut records = Records::new([LABEL.to_owned()].into_iter().chain(names));
        for (daemon, answer) in self.answers() {
            records.push_object(&labelled(LABEL, daemon.name(), to_json(answer)?));
        }
        Ok(records)
    }
}

/// The column that says whose row it is.
const LABEL: &str = "daemon";
