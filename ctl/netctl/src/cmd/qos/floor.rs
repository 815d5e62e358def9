//! The floor of this machine: kept by `netctl qos calibrate`, told beside the figures of later runs
//! that were made alike, until it is too old to speak for the machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use rustix::system::uname;
use selat_qos::report::Condition;
use selat_qos::session::{Pace, StampSource};
use serde_json::{Value, json};

/// Version of the file.
const SCHEMA: u64 = 1;
/// Age from which a floor is measured anew or not told at all.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Where the floor is kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Floor {
    /// File in which `netctl qos calibrate` keeps the floor of this machine, for other tests to tell
    /// [default: selat/floor.json in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
}

impl Floor {
    /// Keeps `measured`, which was made at such a pace with such stamps; returns where, if there is
    /// a place for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn keep(
        &self,
        measured: &Condition,
        pace: Pace,
        stamps: StampSource,
    ) -> anyhow::Result<Option<PathBuf>> {
        let Some(path) = self.path() else { return Ok(None) };
        let document = json!({
            "schema": SCHEMA,
            "measured_at": Timestamp::now().to_string(),
            "machine": machine(),
            "made": made(pace, stamps),
            "floor": measured.value,
        });
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, format!("{document}\n")))
            .with_context(|| format!("cannot keep the floor in {}", path.display()))?;
        Ok(Some(path))
    }

    /// What was kept, with its age; none where nothing was that speaks for a run like this one.
    pub(super) fn recall(&self, pace: Pace, stamps: StampSource) -> Option<Condition> {
        let document: Value = serde_json::from_slice(&fs::read(self.path()?).ok()?).ok()?;
        let text = |name: &str| document[name].as_str();
        let is_ours = document["schema"] == SCHEMA
            && text("machine") == Some(&machine())
            && text("made") == Some(made(pace, stamps));
        let measured_at: Timestamp = text("measured_at")?.parse().ok()?;
        let age = Timestamp::now().duration_since(measured_at).unsigned_abs();
        let floor = text("floor").filter(|_| is_ours && age <= AGE_MAX)?;
        let value = format!("{floor} (measured {} ago)", words(age));
        Some(Condition::new("floor of this machine", value))
    }

    fn path(&self) -> Option<PathBuf> {
        let absolute = |name: &str| {
            env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute())
        };
        let state = || {
            absolute("XDG_STATE_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        };
        self.floor.clone().or_else(|| Some(state()?.join(Path::new("selat/floor.json"))))
    }
}

/// What a floor holds for: another kernel has another.
fn machine() -> String {
    let name = uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {}", text(name.nodename()), text(name.release()))
}

fn made(pace: Pace, stamps: StampSource) -> &'static str {
    match (pace, stamps) {
        (Pace::Eco, StampSource::Kernel) => "eco, kernel stamps",
        (Pace::Eco, StampSource::User) => "eco, user stamps",
        (Pace::Precise, StampSource::Kernel) => "precise, kernel stamps",
        (Pace::Precise, StampSource::User) => "precise, user stamps",
        (Pace::Flood, _) => "flood",
    }
}

fn words(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    let (count, unit) = match minutes {
        0 => return "less than a minute".to_owned(),
        1..60 => (minutes, "minute"),
        60..1_440 => (minutes / 60, "hour"),
        _ => (minutes / 1_440, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
