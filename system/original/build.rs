//! Generates Rust code from the gRPC contracts. Reads them with protox, so that `protoc` need not be installed.

use std::path::PathBuf;

const CONTRACTS: [&str; 2] = [
    "proto/original/event_store.proto",
    "proto/original/message_queue.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let contracts = protox::compile(CONTRACTS, ["proto"])?;
    // For the reflection service, through which clients can list the services.
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("contracts.bin");
    std::fs::write(descriptors, prost::Message::encode_to_vec(&contracts))?;
    tonic_prost_build::configure().compile_fds(contracts)?;
    Ok(())
}
