//! Shows a report as a table, JSON or CSV. All that netctl prints to its output passes here.

mod grid;
mod page;
mod records;
pub(crate) mod unit;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;

pub(crate) use self::grid::{Cell, Column, Grid, Tone};
pub(crate) use self::page::{Page, harmless};
pub(crate) use self::records::{Records, field_names, labelled};
use crate::console::Console;

/// How to show a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: tables with units.
    #[default]
    Table,
    /// For programs: one document, names and numbers of the API.
    Json,
    /// For spreadsheets: a header and rows, names and numbers of the API.
    Csv,
}

/// What a command found out or did.
pub(crate) trait Report {
    /// For people.
    fn page(&self, page: &mut Page);

    /// For programs: one document.
    ///
    /// # Errors
    /// A daemon sent something that has no JSON form.
    fn json(&self) -> anyhow::Result<Value>;

    /// For spreadsheets.
    ///
    /// # Errors
    /// As for [`Report::json`].
    fn records(&self) -> anyhow::Result<Records>;
}

/// A console, and how reports are to look on it.
pub(crate) struct Output<'c, 'a> {
    /// Where it goes.
    pub(crate) console: &'c mut Console<'a>,
    /// How it looks.
    pub(crate) format: Format,
}

impl Output<'_, '_> {
    /// Shows a report.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn show(&mut self, report: &impl Report) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Table => {
                let mut page = Page::new(self.console.look);
                report.page(&mut page);
                page.into_text()
            }
            Format::Json => pretty(&report.json()?)?,
            Format::Csv => report.records()?.to_csv()?,
        };
        self.console.print(&text)
    }

    /// Shows one item of an endless report: a line of a table, JSON on a line, or a CSV row
    /// (with the header when it is the first).
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn show_next(&mut self, report: &impl Report, is_first: bool) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.show(report),
            Format::Json => self.console.print(&format!("{}\n", report.json()?)),
            Format::Csv => {
                let records = report.records()?;
                let text = if is_first { records.to_csv()? } else { records.rows_to_csv()? };
                self.console.print(&text)
            }
        }
    }
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}
