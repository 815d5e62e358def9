//! The JSON form of rows, for programs.

use serde::Serialize;

use super::{Detail, Row};

/// Version of the document: raised when a name or a meaning changes, not when a name is added.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    results: Vec<Result<'a>>,
}

#[derive(Serialize)]
struct Result<'a> {
    #[serde(flatten)]
    row: &'a Row,
    #[serde(flatten)]
    detail: &'a Detail,
}

/// One document with a result for each row, under the names of its columns and those of [`Detail`]:
/// numbers as numbers, `null` for what was not measured.
///
/// # Errors
/// None of these rows can cause one; the signature is serde's.
pub fn json(rows: &[Row]) -> serde_json::Result<String> {
    let results = rows.iter().map(|row| Result { row, detail: &row.detail }).collect();
    serde_json::to_string_pretty(&Document { schema: SCHEMA, results })
}
