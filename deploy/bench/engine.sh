#!/bin/sh
# Measures loadgen's engine on this machine: beside wrk and oha if they are on PATH, a bare sleeping loop, requests after
# a pause, a stopped server, and ten million requests. apt-get install wrk; cargo install oha --locked --version 1.8.0
# (newer ones do not build with the toolchain of this repository).
# Exits with 1 if a claim is not met.
# Arguments are passed to the example: deploy/bench/engine.sh open --rounds 3
set -eu
cd "$(dirname "$0")/../.."
cargo build --release -p loadgen --bin loadgen --example engine
exec "${CARGO_TARGET_DIR:-target}/release/examples/engine" "${@:-all}"
