//! Rows for spreadsheets, made of the same JSON that programs get.

use anyhow::Context;
use prost::{Message, Name};
use prost_reflect::DescriptorPool;
use selat_proto::{DESCRIPTORS, json::to_json};
use serde_json::{Map, Value};

/// A header, and rows under it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Records {
    /// Rows with these columns.
    pub(crate) fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// One row for each message, a column for each field of its type.
    pub(crate) fn of<M: Message + Name>(messages: &[M]) -> anyhow::Result<Self> {
        let mut records = Self::new(field_names::<M>()?);
        for message in messages {
            records.push_object(&to_json(message)?);
        }
        Ok(records)
    }

    /// A row of a JSON object's values, each in the column of its name.
    pub(crate) fn push_object(&mut self, object: &Value) {
        let row = self.columns.iter().map(|name| cell(object.get(name)));
        self.rows.push(row.collect());
    }

    /// The header and the rows.
    pub(crate) fn to_csv(&self) -> anyhow::Result<String> {
        self.write(true)
    }

    /// Only the rows.
    pub(crate) fn rows_to_csv(&self) -> anyhow::Result<String> {
        self.write(false)
    }

    fn write(&self, with_header: bool) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if with_header {
            writer.write_record(&self.columns)?;
        }
        for row in &self.rows {
            writer.write_record(row)?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        String::from_utf8(bytes).context("CSV is text")
    }
}

/// The fields of a message, whether they are set or not.
pub(crate) fn field_names<M: Name>() -> anyhow::Result<Vec<String>> {
    let pool = DescriptorPool::decode(DESCRIPTORS)?;
    let name = M::full_name();
    let message = pool.get_message_by_name(&name).with_context(|| format!("no message {name}"))?;
    Ok(message.fields().map(|field| field.name().to_owned()).collect())
}

/// `object` with `name` in front.
pub(crate) fn labelled(name: &str, label: &str, object: Value) -> Value {
    let mut labelled = Map::from_iter([(name.to_owned(), Value::from(label))]);
    if let Value::Object(fields) = object {
        labelled.extend(fields);
    }
    Value::Object(labelled)
}

/// Text as it is, nothing for null and for a list of nothing, other lists and maps as JSON.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) if list.is_empty() => String::new(),
        Some(value) => value.to_string(),
    }
}
