//! Compiles the `.proto` files without a `protoc` on the machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 7] = [
    "selat/v1/daemon.proto",
    "selat/v1/web.proto",
    "selat/v1/echo.proto",
    "selat/v1/cache.proto",
    "selat/v1/relay.proto",
    "selat/v1/state.proto",
    "selat/v1/succession.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("selat.binpb"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    println!("cargo:rerun-if-changed=selat");
    Ok(())
}
