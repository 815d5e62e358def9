//! Appends rows to a CSV file that may be years old: never under another header, never half a row.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::row::{COLUMNS, Row};

/// Longest header line that is read from a file, bytes.
const HEADER_MAX: u64 = 64 * 1024;

/// Why rows were not appended; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file holds something else.
    #[error("{path} has another header ({difference}); it is left as it is: name another file")]
    OtherHeader {
        /// The file.
        path: PathBuf,
        /// The first column that differs.
        difference: String,
    },
    /// The file could not be opened, locked, read or written.
    #[error("{operation} {path} failed")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Whether [`append_csv`] would take the file at `path`; one that is not there it would. Changes nothing.
///
/// # Errors
/// The file has another header, or cannot be read.
pub fn check_csv(path: &Path) -> Result<(), CsvError> {
    let io = |operation| move |source| CsvError::Io { operation, path: path.to_path_buf(), source };
    match File::open(path) {
        Ok(file) => check_file(path, &file),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("opening")(error)),
    }
}

/// Appends `rows` to `path`, and makes it with the header of [`COLUMNS`] if it is missing or empty.
///
/// Waits for other writers (an advisory lock), writes all rows with one call, and takes a partial
/// write back. What was not measured is an empty cell.
///
/// # Errors
/// The file has another header, or cannot be written.
pub fn append_csv(path: &Path, rows: &[Row]) -> Result<(), CsvError> {
    let io = |operation| move |source| CsvError::Io { operation, path: path.to_path_buf(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.create(true).read(true).append(true).open(path).map_err(io("opening"))?;
    // Released when the file is closed.
    flock(&file, FlockOperation::LockExclusive).map_err(|errno| io("locking")(errno.into()))?;
    let len = file.metadata().map_err(io("reading"))?.len();
    check_file(path, &file)?;
    let needs_newline = len > 0 && !ends_in_newline(&mut file).map_err(io("reading"))?;
    let text = text(rows, len == 0, needs_newline).map_err(io("formatting rows for"))?;
    write_or_take_back(&mut file, len, &text).map_err(io("writing"))
}

/// Whether the file is empty or has the header of [`COLUMNS`].
fn check_file(path: &Path, file: &File) -> Result<(), CsvError> {
    let reading = |source| CsvError::Io { operation: "reading", path: path.to_path_buf(), source };
    match file.metadata().map_err(reading)?.len() {
        0 => Ok(()),
        _ => check_header(path, &read_header(file).map_err(reading)?),
    }
}

fn read_header(file: &File) -> std::io::Result<String> {
    let mut line = Vec::new();
    BufReader::new(file).take(HEADER_MAX).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    Ok(line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned())
}

fn check_header(path: &Path, header: &str) -> Result<(), CsvError> {
    let found: Vec<&str> = header.split(',').collect();
    let columns = COLUMNS.len().max(found.len());
    let name =
        |column: Option<&&str>| column.map_or("nothing".to_owned(), |name| format!("{name:?}"));
    for index in 0..columns {
        let (expected, found) = (COLUMNS.get(index), found.get(index));
        if expected != found {
            let (expected, found) = (name(expected), name(found));
            let difference = format!("column {} is {found}, not {expected}", index + 1);
            return Err(CsvError::OtherHeader { path: path.to_path_buf(), difference });
        }
    }
    Ok(())
}

fn ends_in_newline(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn text(rows: &[Row], with_header: bool, needs_newline: bool) -> std::io::Result<Vec<u8>> {
    let start = if needs_newline { b"\n".to_vec() } else { Vec::new() };
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(start);
    if with_header {
        writer.write_record(COLUMNS)?;
    }
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn write_or_take_back(file: &mut File, len: u64, text: &[u8]) -> std::io::Result<()> {
    let written = file.write_all(text).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(len)?;
    }
    written
}
