//! Where else results go: files that are there only once there is a result, and that are known to be
//! writable before anything is measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Access, access};
use selat_qos::grade::Profile;
use selat_qos::report::{self, Measurement, Row, append_csv, check_csv};

use crate::console::Console;
use crate::exit::Misuse;
use crate::output::unit;

/// Where else the results go.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Results")]
pub(super) struct Files {
    /// Append a row for each client and one for all to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Keep every sample in this file, for `netctl qos report` and `netctl qos compare`
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Write the totals to this file for Prometheus' node_exporter, such as DIR/selat.prom
    #[arg(long, value_name = "FILE.prom")]
    prometheus: Option<PathBuf>,
}

impl Files {
    /// Refuses, before anything is measured, what cannot be written then, and a CSV file that holds
    /// something else. Makes and changes nothing.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let all = [&self.csv, &self.report, &self.raw, &self.prometheus];
        for path in all.into_iter().flatten() {
            writable(path).with_context(|| format!("cannot write to {}", path.display()))?;
        }
        // It is replaced by another file.
        if let Some(path) = &self.prometheus {
            let place = directory_of(path);
            usable(place).with_context(|| format!("cannot write to {}", place.display()))?;
        }
        let is_read = |path: &PathBuf| path.extension().is_some_and(|it| it == "prom");
        if self.prometheus.as_ref().is_some_and(|path| !is_read(path)) {
            const NAME: &str = "--prometheus takes a file whose name ends in .prom: node_exporter \
                reads no other";
            return Err(Misuse(NAME).into());
        }
        self.csv.as_deref().map_or(Ok(()), |path| Ok(check_csv(path)?))
    }

    /// Writes what was asked for, and says so.
    pub(super) fn write(
        &self,
        measurements: &[Measurement],
        profile: &Profile,
        console: &mut Console<'_>,
    ) -> anyhow::Result<()> {
        let rows = || measurements.iter().flat_map(|it| it.rows(profile)).collect::<Vec<Row>>();
        if let Some(path) = &self.csv {
            let rows = rows();
            append_csv(path, &rows)?;
            let rows = unit::plural(rows.len() as u64, "row", "rows");
            console.note(&format!("appended {rows} to {}", path.display()));
        }
        if let Some(path) = &self.raw {
            report::write_raw(path, measurements, profile)?;
            console.note(&format!("kept every sample in {}", path.display()));
        }
        if let Some(path) = &self.prometheus {
            report::write_prometheus(path, &rows())?;
            console.note(&format!("wrote metrics to {}", path.display()));
        }
        if let Some(path) = &self.report {
            fs::write(path, report::html(measurements, profile))
                .with_context(|| format!("cannot write the report to {}", path.display()))?;
            console.note(&format!("wrote the report to {}", path.display()));
        }
        Ok(())
    }
}

/// Whether this process may write to the file, or make it where it is not there.
fn writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => usable(directory_of(path)),
        Err(error) => Err(error),
    }
}

/// Whether this process may make files in the directory.
fn usable(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory)?.is_dir() {
        true => Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
