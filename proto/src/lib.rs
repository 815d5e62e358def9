//! Every byte that Selat puts on a wire, and no behaviour: the gRPC messages and services of
//! `selat.v1`, where their sockets are, and the datagrams of a UDP probe.

pub mod json;
pub mod socket;
pub mod stamp;

/// Messages, clients and servers of `selat.v1`, generated from `selat/v1/*.proto`.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code, with attributes of its own"
)]
pub mod v1 {
    tonic::include_proto!("selat.v1");
}

/// The compiled descriptors of `selat.v1`, as server reflection and the JSON form need them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/selat.binpb"));
