//! The JSON form of a message: the proto's field names in snake_case, every field present,
//! 64-bit integers as numbers, maps in the order of their keys.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
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
    let dynamic = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())
        .map_err(|source| JsonError::Decode { name, source })?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut value = dynamic.serialize_with_options(serde_json::value::Serializer, &options)?;
    sort_maps(&mut value, &descriptor);
    Ok(value)
}

/// Puts the maps of a message in order, which have none on the wire.
fn sort_maps(message: &mut Value, descriptor: &MessageDescriptor) {
    let Value::Object(fields) = message else { return };
    for field in descriptor.fields() {
        match (fields.get_mut(field.name()), field.kind()) {
            (Some(Value::Object(map)), _) if field.is_map() => map.sort_keys(),
            (Some(Value::Array(messages)), Kind::Message(inner)) => {
                messages.iter_mut().for_each(|message| sort_maps(message, &inner));
            }
            (Some(value), Kind::Message(inner)) => sort_maps(value, &inner),
            _ => {}
        }
    }
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

    #[test]
    fn maps_are_in_order_wherever_they_are() {
        let reasons: Vec<String> = (10..40).map(|number| format!("reason_{number}")).collect();
        let map: std::collections::HashMap<_, _> =
            reasons.iter().map(|reason| (reason.clone(), 1)).collect();
        let route = v1::RouteStats { origin_errors: map.clone(), ..Default::default() };
        let message = v1::CacheServiceGetStatsResponse {
            misses_by_reason: map,
            routes: vec![route],
            ..Default::default()
        };
        let value = to_json(&message).unwrap();
        for map in [&value["misses_by_reason"], &value["routes"][0]["origin_errors"]] {
            let keys: Vec<_> = map.as_object().unwrap().keys().collect();
            assert_eq!(keys, reasons.iter().collect::<Vec<_>>());
        }
    }
}
