//! The JSON form of a message: the proto's field names in snake_case, every field present,
//! 64-bit integers as numbers.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::DESCRIPTORS).ok());

/// Why a message has no JSON form.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The descriptors do not know the type.
    #[error("the descriptors have no message {0}")]
    Unknown(String),
    /// The bytes of the message do not fit its descriptor.
    #[error("cannot read {name} by its descriptor")]
    Decode {
        /// Full name of the type.
        name: String,
        /// What prost says.
        #[source]
        source: prost::DecodeError,
    },
    /// A value has no JSON form.
    #[error("cannot write a message as JSON")]
    Write(#[from] serde_json::Error),
}

/// Turns a message of `selat.v1` into JSON.
///
/// # Errors
/// Only where the message is not one of `selat.v1`, or holds a timestamp out of range.
pub fn to_json<M: Message + Name>(message: &M) -> Result<Value, JsonError> {
    let name = M::full_name();
    let descriptor = POOL
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(&name))
        .ok_or_else(|| JsonError::Unknown(name.clone()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|source| JsonError::Decode { name, source })?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::v1;

    #[test]
    fn counters_are_numbers_and_absent_fields_are_written() {
        let message = v1::UdpRelayStats { up_bytes: 1 << 40, ..Default::default() };
        let value = to_json(&message).unwrap();
        assert_eq!(value["up_bytes"], json!(1_u64 << 40));
        assert_eq!(value["sessions"], json!(0));
        assert_eq!(value["dropped"], json!({}));
    }
}
