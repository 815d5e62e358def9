//! The JSON form of rows, for programs.

use serde::Serialize;

use super::row::Row;

/// Version of the document: raised when a name or a meaning changes, not when a name is added.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    results: &'a [Row],
}

/// One document with a result for each row, under the same names: numbers as numbers, `null` for
/// what was not measured.
///
/// # Errors
/// None of these rows can cause one; the signature is serde's.
pub fn json(rows: &[Row]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document { schema: SCHEMA, results: rows })
}
